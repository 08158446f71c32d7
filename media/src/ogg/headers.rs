//! The two header packets of Ogg Opus (RFC 7845, section 5).

use super::page::le32;

/// Bytes of comments read at most; what comes after is left out.
const TAGS_BYTES_MAX: usize = 128 * 1024;

/// Comments kept at most.
const TAGS_MAX: usize = 256;

/// The identification header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Output channels, 1 to 255; 1 or 2 with mapping family 0.
    pub channels: u8,
    /// Samples at 48 kHz to drop from the beginning of the decoded sound.
    pub pre_skip: u16,
    /// Sample rate of the original, for information only.
    pub input_rate: u32,
    /// Gain to apply, in 1/256 dB.
    pub output_gain: i16,
    /// Channel mapping family; 0 is plain mono or stereo.
    pub mapping_family: u8,
}

/// The comment header: names and values in order, names as they were written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags {
    /// The encoder's name.
    pub vendor: String,
    /// Name and value of each comment.
    pub comments: Vec<(String, String)>,
}

/// Why a header packet is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// It does not begin with the name of an Opus header, or is cut short.
    #[error("the Ogg stream's header is no Opus header")]
    NotOpus,
    /// A version other than 0 or 1.x.
    #[error("version {0} of Ogg Opus is not known")]
    Version(u8),
    /// No channels, or more than the mapping family allows.
    #[error("{channels} channels with mapping family {mapping_family} are not possible")]
    Channels {
        /// Channels named.
        channels: u8,
        /// Mapping family named.
        mapping_family: u8,
    },
}

impl Head {
    /// Plain mono or stereo at 48 kHz.
    #[must_use]
    pub fn new(channels: u8, pre_skip: u16) -> Self {
        Self {
            channels,
            pre_skip,
            input_rate: crate::SAMPLE_RATE,
            output_gain: 0,
            mapping_family: 0,
        }
    }

    /// Reads an `OpusHead` packet.
    pub fn parse(packet: &[u8]) -> Result<Self, HeaderError> {
        if packet.len() < 19 || !packet.starts_with(b"OpusHead") {
            return Err(HeaderError::NotOpus);
        }
        if packet[8] > 15 {
            return Err(HeaderError::Version(packet[8]));
        }
        let head = Self {
            channels: packet[9],
            pre_skip: u16::from_le_bytes([packet[10], packet[11]]),
            input_rate: le32(&packet[12..]),
            output_gain: i16::from_le_bytes([packet[16], packet[17]]),
            mapping_family: packet[18],
        };
        let channels_max = if head.mapping_family == 0 { 2 } else { 255 };
        if head.channels == 0 || head.channels > channels_max {
            return Err(HeaderError::Channels {
                channels: head.channels,
                mapping_family: head.mapping_family,
            });
        }
        Ok(head)
    }

    /// The `OpusHead` packet, for mapping family 0.
    #[must_use]
    pub fn to_packet(&self) -> Vec<u8> {
        let mut packet = b"OpusHead\x01".to_vec();
        packet.push(self.channels);
        packet.extend_from_slice(&self.pre_skip.to_le_bytes());
        packet.extend_from_slice(&self.input_rate.to_le_bytes());
        packet.extend_from_slice(&self.output_gain.to_le_bytes());
        packet.push(0);
        packet
    }
}

impl Tags {
    /// The first comment of that name, whatever its case.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&str> {
        let found = |(key, _): &&(String, String)| key.eq_ignore_ascii_case(name);
        self.comments
            .iter()
            .find(found)
            .map(|(_, value)| value.as_str())
    }

    /// Reads an `OpusTags` packet. Broken UTF-8 is replaced; what is cut short ends the list.
    pub fn parse(packet: &[u8]) -> Result<Self, HeaderError> {
        let body = packet
            .strip_prefix(b"OpusTags")
            .ok_or(HeaderError::NotOpus)?;
        let mut rest = &body[..body.len().min(TAGS_BYTES_MAX)];
        let mut tags = Self {
            vendor: text(&mut rest).ok_or(HeaderError::NotOpus)?,
            comments: Vec::new(),
        };
        let Some(count) = number(&mut rest) else {
            return Ok(tags);
        };
        for _ in 0..count.min(TAGS_MAX) {
            let Some(comment) = text(&mut rest) else {
                break;
            };
            if let Some((name, value)) = comment.split_once('=') {
                tags.comments.push((name.to_owned(), value.to_owned()));
            }
        }
        Ok(tags)
    }

    /// The `OpusTags` packet.
    #[must_use]
    pub fn to_packet(&self) -> Vec<u8> {
        let mut packet = b"OpusTags".to_vec();
        put_text(&self.vendor, &mut packet);
        packet.extend_from_slice(&(self.comments.len() as u32).to_le_bytes());
        for (name, value) in &self.comments {
            put_text(&format!("{name}={value}"), &mut packet);
        }
        packet
    }
}

fn put_text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn number(rest: &mut &[u8]) -> Option<usize> {
    let (head, tail) = rest.split_at_checked(4)?;
    *rest = tail;
    Some(le32(head) as usize)
}

fn text(rest: &mut &[u8]) -> Option<String> {
    let length = number(rest)?;
    let (head, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(String::from_utf8_lossy(head).into_owned())
}
