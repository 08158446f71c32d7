//! HTTP/3 frames out of a stream's bytes, in any pieces (RFC 9114, section 7).

use wire::varint;

use super::H3Error;

pub(crate) const DATA: u64 = 0x00;
pub(crate) const HEADERS: u64 = 0x01;
pub(crate) const SETTINGS: u64 = 0x04;
pub(crate) const WEBTRANSPORT_STREAM: u64 = 0x41;

/// The most bytes of a HEADERS or SETTINGS frame that are taken. A browser's request
/// has some 300.
const WHOLE_BYTES_MAX: u64 = 8 * 1024;

/// What stands next in the stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// A whole frame of headers.
    Headers(Vec<u8>),
    /// A whole frame of settings.
    Settings(Vec<u8>),
    /// Part of a DATA frame.
    Data(&'a [u8]),
    /// A frame of an unknown kind begins; its payload is skipped.
    Skipped(u64),
    /// The stream is WebTransport's from here on: the session's stream, and what is
    /// left of the input, unread.
    WebTransport(u64),
}

/// Splits a stream into frames. Holds at most the header or one whole frame.
#[derive(Debug, Default)]
pub(crate) struct FrameReader {
    held: Vec<u8>,
    state: State,
    any_frame: bool,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    #[default]
    Header,
    Whole {
        kind: u64,
        len: usize,
    },
    Data(u64),
    Skip(u64),
}

impl FrameReader {
    /// Takes from the front of `input`; `None` when more is needed.
    pub(crate) fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Piece<'a>>, H3Error> {
        loop {
            match self.state {
                State::Header => match self.header(input)? {
                    Some(Header::Plain { kind, len }) => {
                        self.any_frame = true;
                        self.state = begin(kind, len)?;
                        if let State::Skip(_) = self.state {
                            return Ok(Some(Piece::Skipped(kind)));
                        }
                    }
                    Some(Header::WebTransport(session)) => {
                        return Ok(Some(Piece::WebTransport(session)));
                    }
                    None => return Ok(None),
                },
                State::Whole { kind, len } => {
                    let take = (len - self.held.len()).min(input.len());
                    self.held.extend_from_slice(split(input, take));
                    if self.held.len() < len {
                        return Ok(None);
                    }
                    self.state = State::Header;
                    let payload = std::mem::take(&mut self.held);
                    return Ok(Some(match kind {
                        HEADERS => Piece::Headers(payload),
                        _ => Piece::Settings(payload),
                    }));
                }
                State::Data(0) | State::Skip(0) => self.state = State::Header,
                State::Data(left) | State::Skip(left) => {
                    if input.is_empty() {
                        return Ok(None);
                    }
                    let take = left.min(input.len() as u64);
                    let piece = split(input, take as usize);
                    if let State::Data(_) = self.state {
                        self.state = State::Data(left - take);
                        return Ok(Some(Piece::Data(piece)));
                    }
                    self.state = State::Skip(left - take);
                }
            }
        }
    }

    /// Whether the stream may end here without cutting a frame.
    pub(crate) fn at_boundary(&self) -> bool {
        match self.state {
            State::Header => self.held.is_empty(),
            State::Whole { .. } => false,
            State::Data(left) | State::Skip(left) => left == 0,
        }
    }

    fn header(&mut self, input: &mut &[u8]) -> Result<Option<Header>, H3Error> {
        loop {
            let mut held = &self.held[..];
            if let Ok(kind) = varint::decode(&mut held)
                && let Ok(len) = varint::decode(&mut held)
            {
                self.held.clear();
                if kind == WEBTRANSPORT_STREAM {
                    // Only as the first thing on a stream (draft-ietf-webtrans-http3, 4.3).
                    if self.any_frame {
                        return Err(H3Error::Frame);
                    }
                    return Ok(Some(Header::WebTransport(len)));
                }
                return Ok(Some(Header::Plain { kind, len }));
            }
            // One byte at a time: a header is a few bytes, and nothing behind it is taken.
            let [byte, rest @ ..] = *input else {
                return Ok(None);
            };
            self.held.push(*byte);
            *input = rest;
        }
    }
}

enum Header {
    Plain { kind: u64, len: u64 },
    WebTransport(u64),
}

fn begin(kind: u64, len: u64) -> Result<State, H3Error> {
    match kind {
        DATA => Ok(State::Data(len)),
        HEADERS | SETTINGS if len <= WHOLE_BYTES_MAX => Ok(State::Whole {
            kind,
            len: len as usize,
        }),
        HEADERS | SETTINGS => Err(H3Error::ExcessiveLoad),
        // HTTP/2's PRIORITY, PING, WINDOW_UPDATE, CONTINUATION (section 7.2.8).
        0x02 | 0x06 | 0x08 | 0x09 => Err(H3Error::FrameUnexpected),
        _ => Ok(State::Skip(len)),
    }
}

/// Appends a frame.
pub(crate) fn write(kind: u64, payload: &[u8], out: &mut Vec<u8>) {
    varint::encode(kind, out);
    varint::encode(payload.len() as u64, out);
    out.extend_from_slice(payload);
}

fn split<'a>(input: &mut &'a [u8], at: usize) -> &'a [u8] {
    let (head, rest) = input.split_at(at);
    *input = rest;
    head
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a reader makes of a stream given in pieces, DATA joined.
    fn read(stream: &[u8], piece: usize) -> Result<Vec<String>, H3Error> {
        let mut reader = FrameReader::default();
        let mut out: Vec<String> = Vec::new();
        let mut data: Vec<u8> = Vec::new();
        let mut left_over = None;
        for chunk in stream.chunks(piece) {
            let mut input = chunk;
            if let Some(rest) = &mut left_over {
                let rest: &mut Vec<u8> = rest;
                rest.extend_from_slice(input);
                continue;
            }
            while let Some(piece) = reader.next(&mut input)? {
                if let Piece::Data(bytes) = piece {
                    data.extend_from_slice(bytes);
                    continue;
                }
                if !data.is_empty() {
                    out.push(format!("data {data:?}"));
                    data.clear();
                }
                if let Piece::WebTransport(session) = piece {
                    out.push(format!("webtransport {session}"));
                    left_over = Some(input.to_vec());
                    break;
                }
                out.push(format!("{piece:?}"));
            }
        }
        out.push(format!("data {data:?} rest {left_over:?}"));
        Ok(out)
    }

    proptest! {
        #[test]
        fn the_pieces_do_not_matter(stream in proptest::collection::vec(0u8..80, 0..200), piece in 1usize..20) {
            prop_assert_eq!(read(&stream, piece), read(&stream, stream.len().max(1)));
        }

        #[test]
        fn no_bytes_panic(stream: Vec<u8>) {
            let _ = read(&stream, 7);
        }
    }

    #[test]
    fn unknown_frames_are_skipped_with_their_payload() {
        let mut stream = Vec::new();
        write(0x21, b"grease", &mut stream);
        write(HEADERS, b"headers", &mut stream);
        let mut input = &stream[..];
        let mut reader = FrameReader::default();
        assert_eq!(reader.next(&mut input), Ok(Some(Piece::Skipped(0x21))));
        assert_eq!(
            reader.next(&mut input),
            Ok(Some(Piece::Headers(b"headers".to_vec())))
        );
        assert_eq!(reader.next(&mut input), Ok(None));
        assert!(reader.at_boundary());
    }

    #[test]
    fn a_webtransport_stream_leaves_its_bytes_alone() {
        let mut stream = Vec::new();
        varint::encode(WEBTRANSPORT_STREAM, &mut stream);
        varint::encode(0, &mut stream);
        stream.extend_from_slice(b"hello");
        let mut input = &stream[..];
        let piece = FrameReader::default().next(&mut input);
        assert_eq!(piece, Ok(Some(Piece::WebTransport(0))));
        assert_eq!(input, b"hello");
    }

    #[test]
    fn large_headers_and_frames_of_http2_are_refused() {
        let mut reader = FrameReader::default();
        let mut stream = vec![0x01];
        varint::encode(1 << 20, &mut stream);
        assert_eq!(reader.next(&mut &stream[..]), Err(H3Error::ExcessiveLoad));
        let mut reader = FrameReader::default();
        assert_eq!(
            reader.next(&mut &[0x06, 0][..]),
            Err(H3Error::FrameUnexpected)
        );
    }
}
