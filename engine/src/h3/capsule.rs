//! Capsules on a session's CONNECT stream (RFC 9297, section 3).

use wire::varint;

use super::{H3Error, frame};

/// CLOSE_WEBTRANSPORT_SESSION.
const CLOSE: u64 = 0x2843;

/// The most bytes of a reason (draft-ietf-webtrans-http3, section 5).
pub(crate) const REASON_BYTES_MAX: usize = 1024;

/// A close capsule's payload: the code and the reason.
const CLOSE_BYTES_MAX: usize = 4 + REASON_BYTES_MAX;

/// A session's end, as its peer tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Close {
    pub(crate) code: u32,
    pub(crate) reason: String,
}

/// Finds the close capsule in the bytes of DATA frames; skips all others.
#[derive(Debug, Default)]
pub(crate) struct CapsuleReader {
    held: Vec<u8>,
    state: State,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    #[default]
    Header,
    Close(usize),
    Skip(u64),
}

impl CapsuleReader {
    /// Takes all of `input`, up to a close capsule.
    pub(crate) fn read(&mut self, mut input: &[u8]) -> Result<Option<Close>, H3Error> {
        loop {
            match self.state {
                State::Header => {
                    let mut held = &self.held[..];
                    if let Ok(kind) = varint::decode(&mut held)
                        && let Ok(len) = varint::decode(&mut held)
                    {
                        self.held.clear();
                        self.state = match (kind, len as usize) {
                            (CLOSE, 4..=CLOSE_BYTES_MAX) => State::Close(len as usize),
                            (CLOSE, _) => return Err(H3Error::Datagram),
                            _ => State::Skip(len),
                        };
                        continue;
                    }
                    let [byte, rest @ ..] = input else {
                        return Ok(None);
                    };
                    self.held.push(*byte);
                    input = rest;
                }
                State::Close(len) => {
                    let take = (len - self.held.len()).min(input.len());
                    self.held.extend_from_slice(&input[..take]);
                    if self.held.len() < len {
                        return Ok(None);
                    }
                    let (code, reason) = self.held.split_first_chunk().ok_or(H3Error::Datagram)?;
                    return Ok(Some(Close {
                        code: u32::from_be_bytes(*code),
                        reason: String::from_utf8_lossy(reason).into_owned(),
                    }));
                }
                State::Skip(left) => {
                    let take = left.min(input.len() as u64);
                    input = &input[take as usize..];
                    if left > take {
                        self.state = State::Skip(left - take);
                        return Ok(None);
                    }
                    self.state = State::Header;
                }
            }
        }
    }
}

/// The DATA frame that ends a session; the reason is cut at a character's end.
pub(crate) fn close_frame(code: u32, reason: &str) -> Vec<u8> {
    let mut cut = reason.len().min(REASON_BYTES_MAX);
    while !reason.is_char_boundary(cut) {
        cut -= 1;
    }
    let reason = &reason.as_bytes()[..cut];
    let mut capsule = Vec::with_capacity(reason.len() + 10);
    varint::encode(CLOSE, &mut capsule);
    varint::encode(4 + reason.len() as u64, &mut capsule);
    capsule.extend_from_slice(&code.to_be_bytes());
    capsule.extend_from_slice(reason);
    let mut out = Vec::with_capacity(capsule.len() + 4);
    frame::write(frame::DATA, &capsule, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use wtransport_proto::bytes::BufferReader;
    use wtransport_proto::capsule::{Capsule, capsules::CloseWebTransportSession};
    use wtransport_proto::frame::Frame;

    #[test]
    fn wtransport_reads_our_close() {
        let bytes = close_frame(7, "idle");
        let frame = Frame::read_from_buffer(&mut BufferReader::new(&bytes))
            .unwrap()
            .unwrap();
        let capsule = Capsule::with_frame(&frame).unwrap();
        let close = CloseWebTransportSession::with_capsule(&capsule).unwrap();
        assert_eq!(close.error_code().into_inner(), 7);
        assert_eq!(close.reason(), "idle");
    }

    proptest! {
        #[test]
        fn a_close_comes_back_behind_other_capsules(code: u32, reason in ".{0,300}", skip in 0usize..300, piece in 1usize..40) {
            let mut stream = Vec::new();
            varint::encode(0x1234, &mut stream);
            varint::encode(skip as u64, &mut stream);
            stream.extend(std::iter::repeat_n(0xaa, skip));
            let framed = close_frame(code, &reason);
            let mut inner = &framed[..];
            prop_assert_eq!(varint::decode(&mut inner).unwrap(), 0);
            prop_assert_eq!(varint::decode(&mut inner).unwrap() as usize, inner.len());
            stream.extend_from_slice(inner);
            let mut reader = CapsuleReader::default();
            let mut close = None;
            for chunk in stream.chunks(piece) {
                prop_assert!(close.is_none());
                close = reader.read(chunk).unwrap();
            }
            let close = close.unwrap();
            prop_assert_eq!(close.code, code);
            prop_assert!(reason.starts_with(&close.reason));
        }

        #[test]
        fn no_bytes_panic(stream: Vec<u8>) {
            let mut reader = CapsuleReader::default();
            for chunk in stream.chunks(3) {
                if reader.read(chunk).is_err() { break; }
            }
        }
    }

    #[test]
    fn a_close_of_a_wrong_size_is_an_error() {
        let mut stream = Vec::new();
        varint::encode(CLOSE, &mut stream);
        stream.push(3);
        assert_eq!(
            CapsuleReader::default().read(&stream),
            Err(H3Error::Datagram)
        );
    }
}
