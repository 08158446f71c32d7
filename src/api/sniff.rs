//! What a file is by its first bytes.

/// Bytes that are enough to tell.
pub(super) const BYTES: usize = 64;

/// The type of a file that is accepted; none for any other. What a browser would run
/// (HTML, SVG, scripts) is never among them.
pub(super) fn content_type(head: &[u8]) -> Option<&'static str> {
    let at = |offset: usize, magic: &[u8]| {
        let part = head.get(offset..offset + magic.len());
        part.is_some_and(|part| part == magic)
    };
    let has = |magic: &[u8]| head.windows(magic.len()).any(|window| window == magic);
    Some(match () {
        () if at(0, b"\x89PNG\r\n\x1a\n") => "image/png",
        () if at(0, b"\xff\xd8\xff") => "image/jpeg",
        () if at(0, b"GIF87a") || at(0, b"GIF89a") => "image/gif",
        () if at(0, b"RIFF") && at(8, b"WEBP") => "image/webp",
        () if at(0, b"RIFF") && at(8, b"WAVE") => "audio/wav",
        () if at(4, b"ftypavif") => "image/avif",
        () if at(0, b"OggS") && has(b"OpusHead") => "audio/ogg; codecs=opus",
        () if at(0, b"\x1a\x45\xdf\xa3") && has(b"webm") => "audio/webm",
        () if at(4, b"ftyp") => "audio/mp4",
        () if at(0, b"ID3") || at(0, b"\xff\xfb") => "audio/mpeg",
        () if at(0, b"%PDF-") => "application/pdf",
        () => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_what_they_hold() {
        for (head, kind) in [
            (&b"\x89PNG\r\n\x1a\n...."[..], Some("image/png")),
            (b"\xff\xd8\xff\xe0", Some("image/jpeg")),
            (b"RIFF....WEBPVP8 ", Some("image/webp")),
            (
                b"OggS\0\x02..........................OpusHead",
                Some("audio/ogg; codecs=opus"),
            ),
            (b"\x1a\x45\xdf\xa3......webm", Some("audio/webm")),
            (b"....ftypM4A ", Some("audio/mp4")),
            (b"%PDF-1.7", Some("application/pdf")),
            (b"<svg xmlns=", None),
            (b"<!doctype html>", None),
            (b"OggS but nothing more", None),
            (b"GIF8", None),
            (b"", None),
        ] {
            assert_eq!(content_type(head), kind, "{head:?}");
        }
    }
}
