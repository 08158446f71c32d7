//! Where the bytes come from: a file, or a pipe whose beginning was looked at.

use std::fmt;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::sync::Mutex;

use symphonia::core::io::MediaSource;

/// Bytes looked at to tell Ogg Opus from the rest.
const PROBE_BYTES: usize = 64;

/// A pipe, after the bytes that were looked at.
type Pipe = io::Chain<Cursor<Vec<u8>>, Box<dyn Read + Send>>;

pub(crate) struct Source {
    bytes: Bytes,
    start: Vec<u8>,
}

enum Bytes {
    File(File),
    /// The mutex makes it `Sync`, as symphonia asks; nobody ever waits for it.
    Pipe(Mutex<Pipe>),
}

impl Source {
    pub(crate) fn file(mut file: File) -> io::Result<Self> {
        let mut start = Vec::with_capacity(PROBE_BYTES);
        Read::by_ref(&mut file)
            .take(PROBE_BYTES as u64)
            .read_to_end(&mut start)?;
        // A named pipe or a device opens as a file and does not seek.
        if file.metadata()?.is_file() {
            file.rewind()?;
            let bytes = Bytes::File(file);
            return Ok(Self { bytes, start });
        }
        Ok(Self::after(start, Box::new(file)))
    }

    pub(crate) fn pipe(mut reader: Box<dyn Read + Send>) -> io::Result<Self> {
        let mut start = Vec::with_capacity(PROBE_BYTES);
        Read::by_ref(&mut reader)
            .take(PROBE_BYTES as u64)
            .read_to_end(&mut start)?;
        Ok(Self::after(start, reader))
    }

    fn after(start: Vec<u8>, reader: Box<dyn Read + Send>) -> Self {
        let pipe = Cursor::new(start.clone()).chain(reader);
        Self {
            bytes: Bytes::Pipe(Mutex::new(pipe)),
            start,
        }
    }

    /// Whether it begins with an Ogg page that holds an Opus header.
    pub(crate) fn is_opus(&self) -> bool {
        self.start.starts_with(b"OggS") && self.start.windows(8).any(|eight| eight == b"OpusHead")
    }

    /// The first bytes.
    pub(crate) fn start(&self) -> &[u8] {
        &self.start
    }

    /// Whether it begins as Matroska or WebM do.
    pub(crate) fn is_matroska(&self) -> bool {
        self.start.starts_with(b"\x1a\x45\xdf\xa3")
    }

    pub(crate) fn is_mp4(&self) -> bool {
        self.start.get(4..8) == Some(b"ftyp")
    }
}

impl Read for Source {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match &mut self.bytes {
            Bytes::File(file) => file.read(buf),
            Bytes::Pipe(pipe) => pipe
                .get_mut()
                .map_err(|_| io::Error::other("the pipe's reader panicked"))?
                .read(buf),
        }
    }
}

impl Seek for Source {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match &mut self.bytes {
            Bytes::File(file) => file.seek(to),
            Bytes::Pipe(_) => Err(io::ErrorKind::NotSeekable.into()),
        }
    }
}

impl MediaSource for Source {
    fn is_seekable(&self) -> bool {
        matches!(self.bytes, Bytes::File(_))
    }

    fn byte_len(&self) -> Option<u64> {
        match &self.bytes {
            Bytes::File(file) => file.metadata().ok().map(|metadata| metadata.len()),
            Bytes::Pipe(_) => None,
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("seekable", &self.is_seekable())
            .finish_non_exhaustive()
    }
}
