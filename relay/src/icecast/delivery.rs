//! A source's bytes on their way from its connection to the desk's thread.

use std::io::{self, Read};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use icecast::body::Decoder;
use media::frames::Splitter;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;

use super::Format;
use super::desk::Progress;
use crate::mount::Carried;

/// Bytes in which a stream must show what it is.
const PROBE_BYTES_MAX: usize = 512 * 1024;

/// Bytes of sound read at once.
pub(super) const READ_BYTES: usize = 4096;

/// What came at once.
#[derive(Debug)]
pub(super) struct Delivery {
    /// When the connection gave it.
    pub(super) arrived: Instant,
    pub(super) bytes: Bytes,
}

/// Where frames are passed on to, once the station is on air.
pub(super) type Passing = Arc<OnceLock<Arc<Carried>>>;

/// Brings what a source sends to the desk.
pub(super) struct Courier {
    pub(super) decoder: Decoder,
    pub(super) pieces: mpsc::Sender<Delivery>,
}

impl Courier {
    /// True at the end its framing names, false when the connection ended before.
    pub(super) async fn run<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        mut bytes: BytesMut,
    ) -> io::Result<bool> {
        loop {
            let arrived = Instant::now();
            let mut sound = BytesMut::new();
            let pushed = self
                .decoder
                .push(&bytes, |piece| sound.extend_from_slice(piece));
            pushed.map_err(io::Error::other)?;
            if !sound.is_empty() {
                let bytes = sound.freeze();
                if self.pieces.send(Delivery { arrived, bytes }).await.is_err() {
                    // The desk says why by itself.
                    std::future::pending::<()>().await;
                }
            }
            if self.decoder.is_done() {
                return Ok(true);
            }
            bytes.clear();
            bytes.reserve(READ_BYTES);
            let count = (&mut *stream)
                .take(READ_BYTES as u64)
                .read_buf(&mut bytes)
                .await?;
            if count == 0 {
                return Ok(false);
            }
        }
    }
}

/// The source's bytes as a reader that waits for them.
pub(super) struct Reader {
    pieces: mpsc::Receiver<Delivery>,
    piece: Bytes,
    progress: Arc<Progress>,
    /// Bytes read before the first packet.
    probed: usize,
    /// For streams whose frames are passed on.
    frames: Option<Splitter>,
    passing: Passing,
}

impl Reader {
    pub(super) fn new(
        pieces: mpsc::Receiver<Delivery>,
        format: Format,
        progress: Arc<Progress>,
        passing: Passing,
    ) -> Self {
        Self {
            pieces,
            piece: Bytes::new(),
            progress,
            probed: 0,
            frames: format.frames().map(Splitter::new),
            passing,
        }
    }

    /// Passes on the frames that end in this piece.
    fn pass_on(&mut self, piece: &[u8]) {
        let Some(splitter) = &mut self.frames else {
            return;
        };
        let mut frames = Vec::new();
        let lasts = splitter.push(piece, &mut frames);
        if let Some(carried) = self.passing.get().filter(|_| !frames.is_empty()) {
            carried.push(frames.into(), lasts);
        }
    }
}

impl Read for Reader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(Delivery { arrived, bytes }) => {
                    self.progress.note_arrival(arrived);
                    self.pass_on(&bytes);
                    self.piece = bytes;
                }
                None => return Ok(0),
            }
        }
        if self.progress.packets.load(Ordering::Relaxed) == 0 {
            self.probed += self.piece.len().min(buf.len());
            if self.probed > PROBE_BYTES_MAX {
                let message = "no sound was found in the first 512 KB";
                return Err(io::Error::other(message));
            }
        }
        let count = self.piece.len().min(buf.len());
        self.piece.copy_to_slice(&mut buf[..count]);
        Ok(count)
    }
}
