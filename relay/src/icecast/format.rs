//! What a source may send.

use media::frames;

use crate::mount::Kind;

/// A format, as far as the type it is announced with tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Mp3,
    Aac,
    Ogg,
    Flac,
    WebM,
}

impl Format {
    /// The format a `Content-Type` announces.
    pub(crate) fn from_content_type(text: &str) -> Option<Self> {
        let kind = text.split(';').next().unwrap_or_default().trim();
        Some(match &*kind.to_ascii_lowercase() {
            "audio/mpeg" | "audio/mp3" | "audio/x-mpeg" => Self::Mp3,
            "audio/aac" | "audio/aacp" | "audio/x-aac" | "audio/aac-adts" => Self::Aac,
            "audio/ogg" | "application/ogg" | "application/x-ogg" | "audio/opus"
            | "audio/vorbis" | "video/ogg" => Self::Ogg,
            "audio/flac" | "audio/x-flac" => Self::Flac,
            "audio/webm" | "video/webm" | "audio/x-matroska" | "video/x-matroska" => Self::WebM,
            _ => return None,
        })
    }

    /// What players are passed on as it came, if it is.
    pub(crate) fn kind(self) -> Option<Kind> {
        match self {
            Self::Mp3 => Some(Kind::Mp3),
            Self::Aac => Some(Kind::Aac),
            Self::Ogg | Self::Flac | Self::WebM => None,
        }
    }

    /// How its stream is cut into frames for them.
    pub(crate) fn frames(self) -> Option<frames::Format> {
        match self.kind()? {
            Kind::Mp3 => Some(frames::Format::Mpeg),
            Kind::Aac => Some(frames::Format::Adts),
            Kind::Opus => None,
        }
    }

    /// The extension of its files, for the probe.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Mp3 => "mp3",
            Self::Aac => "aac",
            Self::Ogg => "ogg",
            Self::Flac => "flac",
            Self::WebM => "webm",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_as_encoders_write_them() {
        for (text, format) in [
            ("audio/mpeg", Some(Format::Mp3)),
            ("Audio/AACP", Some(Format::Aac)),
            ("application/ogg; codecs=opus", Some(Format::Ogg)),
            ("audio/x-flac", Some(Format::Flac)),
            ("video/webm", Some(Format::WebM)),
            ("text/html", None),
            ("", None),
        ] {
            assert_eq!(Format::from_content_type(text), format, "{text}");
        }
    }
}
