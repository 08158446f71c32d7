//! The session's end of a [`Line`]: what the WebSocket layer reads from, and writes pongs and
//! the last frame to.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::WRITE_BUFFER_MAX;
use super::line::Line;
use super::out::{Pumped, is_blocked};

/// Reads, and writes whole frames between those of the line. Closes it when dropped.
pub(super) struct Stream {
    line: Arc<Line>,
    /// What was read before the stream began.
    first: Bytes,
}

impl Stream {
    pub(super) fn new(line: Arc<Line>, first: Bytes) -> Self {
        Self { line, first }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.line.close();
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.first.is_empty() {
            let count = self.first.len().min(buffer.remaining());
            buffer.put_slice(&self.first.split_to(count));
            return Poll::Ready(Ok(()));
        }
        let line = &self.line;
        loop {
            match line.read(buffer.initialize_unfilled()) {
                Err(error) if is_blocked(&error) => ready!(line.tcp().poll_read_ready(context))?,
                read => return Poll::Ready(read.map(|count| buffer.advance(count))),
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let waiting = self.line.waiting();
        if waiting > 0 && waiting + bytes.len() > WRITE_BUFFER_MAX {
            ready!(self.as_mut().poll_flush(context))?;
        }
        // All of it or nothing: others' frames go between these, never into one.
        self.line.append(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    /// Ready once these frames are with the kernel; what else it takes no more of is left to
    /// [`Line::unstick`].
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let line = &self.line;
        while line.pump()? == Pumped::Blocked {
            if !line.owes_appended() {
                line.leave();
                break;
            }
            ready!(line.tcp().poll_write_ready(context))?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.line.send_close_notify();
        self.poll_flush(context)
    }
}
