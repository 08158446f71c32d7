//! A connection that two write to and nobody waits for: control frames come from the
//! session's task, sound from the [`writer`](super::writer)'s loop.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::rustls::ServerConnection;

use super::WRITE_BUFFER_MAX;
use super::writer;
use crate::fanout::queue::{LISTENER_WAIT, PacketQueue};
use crate::fanout::{Packet, Sent, Sink, Tuned};
use crate::http::serve::Seat;

/// A binary message, whole, from a server (RFC 6455, section 5.2).
const BINARY: u8 = 0x82;

/// A TCP connection, with or without TLS.
pub(super) struct Socket {
    tcp: TcpStream,
    tls: Option<Box<ServerConnection>>,
    seat: Option<Seat>,
}

impl Socket {
    pub(super) fn new(tcp: TcpStream, tls: Option<ServerConnection>, seat: Option<Seat>) -> Self {
        let tls = tls.map(Box::new);
        Self { tcp, tls, seat }
    }
}

/// One listener's connection.
pub(super) struct Line {
    tcp: TcpStream,
    _seat: Option<Seat>,
    out: Mutex<Out>,
    /// Sound that waits. A lock of its own: whoever brings sound waits for no write.
    sound: Mutex<PacketQueue>,
    tuned: Arc<Tuned>,
    /// Whether the writer has it in its queue.
    is_queued: AtomicBool,
    /// The kernel takes no more, or the connection has failed: the session's task is to see to it.
    stuck: Notify,
}

/// What goes out, under one lock, so that frames are whole.
struct Out {
    tls: Option<Box<ServerConnection>>,
    /// The rest of what was begun.
    begun: Bytes,
    /// Whether that is of control frames.
    is_control: bool,
    /// Whole frames that go before sound.
    control: Vec<u8>,
    is_closed: bool,
}

/// What [`Line::pump`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pumped {
    /// There is nothing more to write.
    All,
    /// The kernel takes no more now.
    Blocked,
}

impl Line {
    pub(super) fn new(socket: Socket) -> Arc<Self> {
        Arc::new(Self {
            tcp: socket.tcp,
            _seat: socket.seat,
            out: Mutex::new(Out {
                tls: socket.tls,
                begun: Bytes::new(),
                is_control: false,
                control: Vec::new(),
                is_closed: false,
            }),
            sound: Mutex::new(PacketQueue::new(LISTENER_WAIT)),
            tuned: Arc::default(),
            is_queued: AtomicBool::new(false),
            stuck: Notify::new(),
        })
    }

    pub(super) fn tuned(&self) -> &Arc<Tuned> {
        &self.tuned
    }

    /// Resolves when the writer left something behind.
    pub(super) async fn stuck(&self) {
        self.stuck.notified().await;
    }

    /// Waits until the kernel takes bytes again, and gives it what waits.
    pub(super) async fn unstick(&self) -> io::Result<Pumped> {
        self.tcp.writable().await?;
        self.pump()
    }

    /// The writer's turn: what cannot be written now is left to the session's task.
    pub(super) fn serve(&self) {
        // Before looking: what comes after is another turn's.
        self.is_queued.store(false, Ordering::SeqCst);
        if !matches!(self.pump(), Ok(Pumped::All)) {
            self.stuck.notify_one();
        }
    }

    /// Bytes of control frames that wait, those under way not counted.
    fn waiting(&self) -> usize {
        self.out().control.len()
    }

    /// Writes what waits, control before sound, until there is no more or the kernel takes
    /// no more. Never waits.
    pub(super) fn pump(&self) -> io::Result<Pumped> {
        let mut out = self.out();
        if out.is_closed {
            return Ok(Pumped::All);
        }
        loop {
            if out.begun.is_empty() && !out.control.is_empty() {
                out.begun = std::mem::take(&mut out.control).into();
                out.is_control = true;
            }
            if !out.begun.is_empty() {
                let begun = out.begun.clone();
                match out.write(&self.tcp, &[IoSlice::new(&begun)]) {
                    Ok(count) => out.begun.advance(count),
                    Err(error) if is_blocked(&error) => return Ok(Pumped::Blocked),
                    Err(error) => return Err(error),
                }
                continue;
            }
            let Some(packet) = self.next_sound() else {
                return out.flush(&self.tcp);
            };
            let datagram = &packet.prefixed()[1..];
            let (header, length) = header(datagram.len());
            let header = &header[..length];
            let whole = [IoSlice::new(header), IoSlice::new(datagram)];
            let written = match out.write(&self.tcp, &whole) {
                Ok(count) => count,
                Err(error) if is_blocked(&error) => 0,
                Err(error) => return Err(error),
            };
            if written == 0 {
                // Not begun, so it may still be dropped for a newer one.
                self.sound().put_back(packet);
                return Ok(Pumped::Blocked);
            }
            if written < header.len() + datagram.len() {
                let mut rest = Bytes::from([header, datagram].concat());
                rest.advance(written);
                out.begun = rest;
                out.is_control = false;
            }
        }
    }

    /// The next packet of the track the listener is on now; what waits of another is dropped.
    fn next_sound(&self) -> Option<Packet> {
        let mut sound = self.sound();
        loop {
            let packet = sound.pop()?;
            if self.tuned.is_to(packet.track) {
                return Some(packet);
            }
        }
    }

    fn close(&self) {
        self.out().is_closed = true;
        // It may be closed already.
        let _ = SockRef::from(&self.tcp).shutdown(Shutdown::Both);
    }

    fn out(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sound(&self) -> MutexGuard<'_, PacketQueue> {
        self.sound.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Out {
    /// Whether control frames are not with the kernel yet. What is encrypted may be one.
    fn has_control(&self) -> bool {
        let is_encrypted = self.tls.as_ref().is_some_and(|tls| tls.wants_write());
        is_encrypted || !self.control.is_empty() || (self.is_control && !self.begun.is_empty())
    }

    /// Hands bytes over as far as they are taken.
    fn write(&mut self, tcp: &TcpStream, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.tls.is_none() {
            return tcp.try_write_vectored(bytes);
        }
        // One frame at a time is encrypted: what follows can still be dropped.
        if self.flush(tcp)? == Pumped::Blocked {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let Some(tls) = &mut self.tls else {
            return Ok(0);
        };
        let count = tls.writer().write_vectored(bytes)?;
        self.flush(tcp)?;
        Ok(count)
    }

    /// Hands over what is encrypted.
    fn flush(&mut self, tcp: &TcpStream) -> io::Result<Pumped> {
        let Some(tls) = &mut self.tls else {
            return Ok(Pumped::All);
        };
        while tls.wants_write() {
            match tls.write_tls(&mut Raw(tcp)) {
                Ok(_) => {}
                Err(error) if is_blocked(&error) => return Ok(Pumped::Blocked),
                Err(error) => return Err(error),
            }
        }
        Ok(Pumped::All)
    }

    /// What came; `WouldBlock` when the kernel has nothing.
    fn read(&mut self, tcp: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return tcp.try_read(buffer);
        };
        loop {
            match tls.reader().read(buffer) {
                Err(error) if is_blocked(&error) => {}
                read => return read,
            }
            tls.read_tls(&mut Raw(tcp))?;
            if let Err(error) = tls.process_new_packets() {
                // The alert that tells the client why.
                let _ = self.flush(tcp);
                return Err(io::Error::other(error));
            }
        }
    }
}

fn is_blocked(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

/// The header of a message of that many bytes, and its length. A datagram is below 64 KiB.
fn header(size: usize) -> ([u8; 4], usize) {
    match u8::try_from(size) {
        Ok(short @ 0..126) => ([BINARY, short, 0, 0], 2),
        _ => {
            let [high, low] = (size as u16).to_be_bytes();
            ([BINARY, 126, high, low], 4)
        }
    }
}

/// The socket as rustls wants it.
struct Raw<'a>(&'a TcpStream);

impl Read for Raw<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Raw<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The fan-out's end of a line.
pub(super) struct LineSink(pub(super) Arc<Line>);

impl Sink for LineSink {
    fn send(&self, packet: &Packet) -> Sent {
        let line = &self.0;
        let sent = line.sound().push(packet.clone());
        if !line.is_queued.swap(true, Ordering::SeqCst) && !writer::turn(line) {
            // The writer is far behind; the next packet tries again.
            line.is_queued.store(false, Ordering::SeqCst);
        }
        sent
    }
}

/// The session's end of a line: reads, and writes whole control frames. Closes it when dropped.
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
        let tcp = &self.line.tcp;
        loop {
            let read = self.line.out().read(tcp, buffer.initialize_unfilled());
            match read {
                Err(error) if is_blocked(&error) => ready!(tcp.poll_read_ready(context))?,
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
        // All of it or nothing: sound goes between frames, never into one.
        self.line.out().control.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    /// Ready once control frames are with the kernel; sound it takes no more of is left to
    /// [`Line::unstick`].
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let line = &self.line;
        while line.pump()? == Pumped::Blocked {
            if !line.out().has_control() {
                line.stuck.notify_one();
                break;
            }
            ready!(line.tcp.poll_write_ready(context))?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(tls) = &mut self.line.out().tls {
            tls.send_close_notify();
        }
        self.poll_flush(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_as_the_standard_has_them() {
        let of = |size| {
            let (header, length) = header(size);
            header[..length].to_vec()
        };
        assert_eq!(of(0), [0x82, 0]);
        assert_eq!(of(125), [0x82, 125]);
        assert_eq!(of(126), [0x82, 126, 0, 126]);
        assert_eq!(of(1200), [0x82, 126, 0x04, 0xb0]);
    }
}
