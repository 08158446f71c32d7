//! The sound behind a source's head.

/// How a body is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// Until the connection ends.
    Endless,
    /// So many bytes.
    Length(u64),
    /// In chunks of HTTP/1.1.
    Chunked,
}

/// Why a body cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the chunks of the body are malformed")]
pub struct Malformed;

/// Digits and extensions of a chunk's size, and each trailer line, read at most.
const LINE_BYTES_MAX: usize = 1024;

/// Takes a body in pieces of any size and gives the sound in it.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    line: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Endless,
    Length(u64),
    Size,
    Chunk(u64),
    /// The line break behind a chunk.
    Break,
    Trailer,
    Done,
}

impl Decoder {
    /// For a body that begins.
    #[must_use]
    pub fn new(body: Body) -> Self {
        let state = match body {
            Body::Endless => State::Endless,
            Body::Length(0) => State::Done,
            Body::Length(length) => State::Length(length),
            Body::Chunked => State::Size,
        };
        Self {
            state,
            line: Vec::new(),
        }
    }

    /// Whether the body has ended as its framing says. One without an end never has.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes the next bytes and gives the sound in them; what follows the end is ignored.
    pub fn push<'a>(
        &mut self,
        mut bytes: &'a [u8],
        mut sound: impl FnMut(&'a [u8]),
    ) -> Result<(), Malformed> {
        while !bytes.is_empty() {
            match self.state {
                State::Done => return Ok(()),
                State::Endless => {
                    sound(bytes);
                    return Ok(());
                }
                State::Length(left) | State::Chunk(left) => {
                    let taken = usize::try_from(left).map_or(bytes.len(), |n| n.min(bytes.len()));
                    let (piece, rest) = bytes.split_at(taken);
                    sound(piece);
                    bytes = rest;
                    self.took(left - taken as u64);
                }
                State::Size | State::Break | State::Trailer => bytes = self.read_line(bytes)?,
            }
        }
        Ok(())
    }

    fn took(&mut self, left: u64) {
        self.state = match (self.state, left) {
            (State::Length(_), 0) => State::Done,
            (State::Length(_), left) => State::Length(left),
            (_, 0) => State::Break,
            (_, left) => State::Chunk(left),
        };
    }

    fn read_line<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Malformed> {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let (part, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
        if self.line.len() + part.len() > LINE_BYTES_MAX {
            return Err(Malformed);
        }
        self.line.extend_from_slice(part);
        if end.is_some() {
            let line = std::mem::take(&mut self.line);
            self.state = self.after(line.trim_ascii())?;
        }
        Ok(rest)
    }

    fn after(&self, line: &[u8]) -> Result<State, Malformed> {
        Ok(match self.state {
            State::Break if line.is_empty() => State::Size,
            State::Trailer if line.is_empty() => State::Done,
            State::Trailer => State::Trailer,
            State::Size => match size(line)? {
                0 => State::Trailer,
                size => State::Chunk(size),
            },
            _ => return Err(Malformed),
        })
    }
}

fn size(line: &[u8]) -> Result<u64, Malformed> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
    let digits = std::str::from_utf8(digits.trim_ascii()).map_err(|_| Malformed)?;
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Malformed);
    }
    u64::from_str_radix(digits, 16).map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(body: Body, pieces: &[&[u8]]) -> Result<(Vec<u8>, bool), Malformed> {
        let mut decoder = Decoder::new(body);
        let mut sound = Vec::new();
        for piece in pieces {
            decoder.push(piece, |bytes| sound.extend_from_slice(bytes))?;
        }
        Ok((sound, decoder.is_done()))
    }

    #[test]
    fn each_framing_gives_its_sound() {
        let sound = (b"abc".to_vec(), true);
        assert_eq!(decoded(Body::Length(3), &[b"ab", b"cX"]), Ok(sound.clone()));
        let chunks: &[u8] = b"2;x=y\r\nab\r\n1\r\nc\r\n0\r\nTrailer: 1\r\n\r\nX";
        assert_eq!(decoded(Body::Chunked, &[chunks]), Ok(sound));
        let endless = (b"abc".to_vec(), false);
        assert_eq!(decoded(Body::Endless, &[b"ab", b"c"]), Ok(endless));
    }

    #[test]
    fn chunks_that_are_none_are_errors() {
        for bytes in [
            "g\r\n",
            "-1\r\n",
            "1\r\nab\r\n",
            "\r\n",
            "fffffffffffffffff\r\n",
        ] {
            assert_eq!(
                decoded(Body::Chunked, &[bytes.as_bytes()]),
                Err(Malformed),
                "{bytes:?}"
            );
        }
        assert_eq!(decoded(Body::Chunked, &[&[b'0'; 2000]]), Err(Malformed));
    }

    proptest! {
        #[test]
        fn chunks_are_the_same_however_they_are_cut(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..50), 0..8),
            cut in 1usize..20,
        ) {
            let mut bytes = Vec::new();
            for chunk in &chunks {
                bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
                bytes.extend(chunk);
                bytes.extend(b"\r\n");
            }
            bytes.extend(b"0\r\n\r\n");
            let pieces: Vec<_> = bytes.chunks(cut).collect();
            prop_assert_eq!(decoded(Body::Chunked, &pieces), Ok((chunks.concat(), true)));
        }
    }
}
