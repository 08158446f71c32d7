//! Frames that are told together, to one session or to thousands.

use bytes::Bytes;

use crate::websocket::Header;

/// Frames from the relay, encoded once however many sessions get them; a clone shares them.
///
/// They are kept as WebSocket messages one after the other, as most of who gets what others get
/// takes them like this, in one piece.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    messages: Bytes,
    frames: usize,
}

impl Batch {
    /// The frame of one JSON text.
    #[must_use]
    pub fn one(json: &str) -> Self {
        Self::new(&[json])
    }

    /// Frames in this order, each of one JSON text.
    #[must_use]
    pub fn new(texts: &[impl AsRef<str>]) -> Self {
        let headers: Vec<_> = texts
            .iter()
            .map(|text| Header::text(text.as_ref().len()))
            .collect();
        let size = |(header, text): (&Header, &str)| header.bytes().len() + text.len();
        let each = || headers.iter().zip(texts.iter().map(AsRef::as_ref));
        let mut messages = Vec::with_capacity(each().map(size).sum());
        for (header, text) in each() {
            messages.extend_from_slice(header.bytes());
            messages.extend_from_slice(text.as_bytes());
        }
        Self {
            messages: messages.into(),
            frames: texts.len(),
        }
    }

    /// How many frames.
    #[must_use]
    pub fn len(&self) -> usize {
        self.frames
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frames == 0
    }

    /// Whole WebSocket messages, one after the other (RFC 6455).
    #[must_use]
    pub fn messages(&self) -> &Bytes {
        &self.messages
    }

    /// The JSON of each frame.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let mut rest = &self.messages[..];
        (0..self.frames).map(move |_| {
            let (header, size) = Header::read(rest).expect("it begins with a header of ours");
            let (text, after) = rest[header..].split_at(size);
            rest = after;
            std::str::from_utf8(text).expect("it was made of a text")
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn texts_come_back_as_they_were(texts in proptest::collection::vec(".{0,200}", 0..20)) {
            let batch = Batch::new(&texts);
            prop_assert_eq!(batch.len(), texts.len());
            prop_assert_eq!(batch.is_empty(), texts.is_empty());
            prop_assert!(batch.texts().eq(texts.iter().map(String::as_str)));
        }
    }

    #[test]
    fn every_length_of_header_is_read_again() {
        let sizes = [0, 125, 126, 65_535, 65_536];
        let texts = sizes.map(|size| "x".repeat(size));
        let batch = Batch::new(&texts);
        assert_eq!(batch.messages().len(), 131_322 + 2 + 2 + 4 + 4 + 10);
        assert!(batch.texts().map(str::len).eq(sizes));
        assert!(Batch::one("{}").messages().starts_with(&[0x81, 2]));
    }
}
