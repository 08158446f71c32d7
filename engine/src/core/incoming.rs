//! Reading one stream of a peer's: which kind it is, and its bytes.

use bytes::Bytes;
use quinn_proto::{Connection, Dir, ReadError, StreamId};

use crate::h3::capsule::CapsuleReader;
use crate::h3::frame::FrameReader;

/// A stream the peer opened, until it ends.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) id: StreamId,
    pub(super) kind: Kind,
    /// Something may be there to read.
    pub(super) readable: bool,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// Unidirectional, and its type is not all there.
    Untyped(Vec<u8>),
    /// The peer's control stream: settings first, then frames nobody needs.
    Control { frames: FrameReader, settings: bool },
    /// QPACK's streams; without a dynamic table they say nothing.
    Qpack,
    /// Read and thrown away.
    Discard,
    /// Bidirectional: a request, or WebTransport's after a header.
    Request(FrameReader),
    /// The session's CONNECT stream.
    Connect {
        frames: FrameReader,
        capsules: CapsuleReader,
    },
    /// A WebTransport stream that came before its session: which, and bytes read already.
    Early { session: u64, bytes: Bytes },
    /// The session's control stream.
    Lane,
}

impl Incoming {
    pub(super) fn new(id: StreamId) -> Self {
        let kind = match id.dir() {
            Dir::Uni => Kind::Untyped(Vec::new()),
            Dir::Bi => Kind::Request(FrameReader::default()),
        };
        Self {
            id,
            kind,
            readable: true,
        }
    }
}

/// What a read gave.
#[derive(Debug)]
pub(super) enum Read {
    Bytes(Bytes),
    Blocked,
    Fin,
    Reset,
}

/// The largest chunk read at a time; quinn gives at most one packet's worth anyway.
const CHUNK_BYTES_MAX: usize = 16 * 1024;

/// Takes the next chunk of a stream.
pub(super) fn read(conn: &mut Connection, id: StreamId) -> Read {
    let mut stream = conn.recv_stream(id);
    let Ok(mut chunks) = stream.read(true) else {
        return Read::Reset;
    };
    let read = match chunks.next(CHUNK_BYTES_MAX) {
        Ok(Some(chunk)) => Read::Bytes(chunk.bytes),
        Ok(None) => Read::Fin,
        Err(ReadError::Blocked) => Read::Blocked,
        Err(ReadError::Reset(_)) => Read::Reset,
    };
    // Whatever credit this frees travels with the poll that follows every event.
    let _ = chunks.finalize();
    read
}
