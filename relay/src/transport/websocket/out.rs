//! What goes out of one connection, and how far the kernel takes it.

use std::io::{self, IoSlice, Read, Write};
use std::time::Instant;

use bytes::{Buf, Bytes};
use tokio::net::TcpStream;
use tokio_rustls::rustls::ServerConnection;

/// Frames, or batches of them, handed to the kernel at once.
pub(super) const PIECES_AT_ONCE: usize = 16;

/// With so many bytes no further one goes along: what the kernel does not take is kept.
pub(super) const BYTES_AT_ONCE: usize = 16 * 1024;

/// What goes out, under one lock, so that frames are whole.
pub(super) struct Out {
    pub(super) tls: Option<Box<ServerConnection>>,
    /// The rest of what was begun.
    pub(super) begun: Bytes,
    /// Whether that is of appended frames.
    pub(super) is_appended: bool,
    /// Whole frames of the WebSocket layer, which go first.
    pub(super) appended: Vec<u8>,
    /// When the session was told something last.
    pub(super) told_at: Option<Instant>,
    /// Nothing but appended frames goes out any more.
    pub(super) is_over: bool,
    pub(super) is_closed: bool,
}

/// What [`Line::pump`](super::line::Line::pump) came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pumped {
    /// There is nothing more to write.
    All,
    /// The kernel takes no more now.
    Blocked,
    /// The session's last word is written.
    Ended,
}

/// What one write came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrote {
    Something,
    /// The kernel takes no more now.
    Blocked,
    /// There was nothing to write.
    Nothing,
}

impl Out {
    pub(super) fn new(tls: Option<Box<ServerConnection>>) -> Self {
        Self {
            tls,
            begun: Bytes::new(),
            is_appended: false,
            appended: Vec::new(),
            told_at: None,
            is_over: false,
            is_closed: false,
        }
    }

    /// Whether appended frames are not with the kernel yet. What is encrypted may be one.
    pub(super) fn owes_appended(&self) -> bool {
        let is_encrypted = self.tls.as_ref().is_some_and(|tls| tls.wants_write());
        is_encrypted || !self.appended.is_empty() || (self.is_appended && !self.begun.is_empty())
    }

    /// Writes more of what was begun.
    pub(super) fn go_on(&mut self, tcp: &TcpStream) -> io::Result<Wrote> {
        let begun = self.begun.clone();
        let written = self.write(tcp, &[IoSlice::new(&begun)])?;
        self.begun.advance(written);
        Ok(match written {
            0 => Wrote::Blocked,
            _ => Wrote::Something,
        })
    }

    /// Writes pieces of whole frames; what is not taken is begun. Tells how much was taken.
    pub(super) fn write_begin(&mut self, tcp: &TcpStream, pieces: &[Bytes]) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); PIECES_AT_ONCE];
        for (slice, piece) in slices.iter_mut().zip(pieces) {
            *slice = IoSlice::new(piece);
        }
        let written = self.write(tcp, &slices[..pieces.len()])?;
        if written < pieces.iter().map(Bytes::len).sum() {
            let mut rest = match pieces {
                // Shared with the others it goes to.
                [whole] => whole.clone(),
                pieces => pieces.concat().into(),
            };
            rest.advance(written);
            self.begin(rest);
        }
        Ok(written)
    }

    /// Keeps the rest of what was written in part.
    pub(super) fn begin(&mut self, rest: Bytes) {
        self.begun = rest;
        self.is_appended = false;
    }

    /// Hands bytes over as far as they are taken, which may be not at all.
    pub(super) fn write(&mut self, tcp: &TcpStream, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.tls.is_none() {
            return match tcp.try_write_vectored(bytes) {
                Err(error) if is_blocked(&error) => Ok(0),
                written => written,
            };
        }
        // Little at a time is encrypted: what follows can still be dropped.
        if self.flush(tcp)? == Pumped::Blocked {
            return Ok(0);
        }
        let Some(tls) = &mut self.tls else {
            return Ok(0);
        };
        let count = tls.writer().write_vectored(bytes)?;
        self.flush(tcp)?;
        Ok(count)
    }

    /// Hands over what is encrypted.
    pub(super) fn flush(&mut self, tcp: &TcpStream) -> io::Result<Pumped> {
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
    pub(super) fn read(&mut self, tcp: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
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

pub(super) fn is_blocked(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
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
