//! Headers of the messages a server sends whole on WebSocket (RFC 6455, section 5.2).

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;

/// The header of one message: 2 to 10 bytes.
#[derive(Debug, Clone, Copy)]
pub struct Header {
    bytes: [u8; 10],
    length: usize,
}

impl Header {
    /// Before a text of that many bytes.
    #[must_use]
    pub fn text(size: usize) -> Self {
        Self::new(TEXT, size)
    }

    /// Before a datagram of that many bytes.
    #[must_use]
    pub fn binary(size: usize) -> Self {
        Self::new(BINARY, size)
    }

    fn new(kind: u8, size: usize) -> Self {
        let mut bytes = [0; 10];
        bytes[0] = kind;
        let length = if let Ok(short @ 0..126) = u8::try_from(size) {
            bytes[1] = short;
            2
        } else if let Ok(size) = u16::try_from(size) {
            bytes[1] = 126;
            bytes[2..4].copy_from_slice(&size.to_be_bytes());
            4
        } else {
            bytes[1] = 127;
            bytes[2..].copy_from_slice(&(size as u64).to_be_bytes());
            10
        };
        Self { bytes, length }
    }

    /// How long the header is at the beginning of those bytes, and how long the message after
    /// it; none when they are too few.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<(usize, usize)> {
        Some(match *bytes.get(1)? {
            126 => (
                4,
                u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?).into(),
            ),
            127 => {
                let size = u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?);
                (10, usize::try_from(size).ok()?)
            }
            short => (2, short.into()),
        })
    }

    /// As it is sent.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_as_the_standard_has_them() {
        assert_eq!(Header::binary(0).bytes(), [0x82, 0]);
        assert_eq!(Header::binary(125).bytes(), [0x82, 125]);
        assert_eq!(Header::binary(126).bytes(), [0x82, 126, 0, 126]);
        assert_eq!(Header::text(1200).bytes(), [0x81, 126, 0x04, 0xb0]);
        assert_eq!(Header::text(65_535).bytes(), [0x81, 126, 0xff, 0xff]);
        let long = [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0];
        assert_eq!(Header::text(65_536).bytes(), long);
        for (size, header) in [(125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let bytes = Header::text(size);
            assert_eq!(Header::read(bytes.bytes()), Some((header, size)));
            assert_eq!(Header::read(&bytes.bytes()[..header - 1]), None);
        }
    }
}
