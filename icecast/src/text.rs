//! Texts in whatever charset an encoder uses.

/// Pairs of a query read at most.
const PAIRS_MAX: usize = 64;

/// Bytes whose charset is not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw(Vec<u8>);

impl Raw {
    /// The text, in the charset named or else as [`decode`] finds it.
    #[must_use]
    pub fn into_text(self, charset: Option<&str>) -> String {
        decode(&self.0, charset)
    }
}

/// Decodes bytes: with `charset` naming Latin-1 as such, and otherwise as UTF-8 if they are,
/// or else as Windows-1252, which holds Latin-1.
#[must_use]
pub fn decode(bytes: &[u8], charset: Option<&str>) -> String {
    let latin = charset.is_some_and(|name| {
        let name = name.to_ascii_lowercase();
        name.starts_with("iso-8859-1") || name.starts_with("latin") || name.ends_with("1252")
    });
    match std::str::from_utf8(bytes) {
        Ok(text) if !latin => text.to_owned(),
        _ => bytes.iter().map(|byte| windows_1252(*byte)).collect(),
    }
}

fn windows_1252(byte: u8) -> char {
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž',
        '\u{8f}', '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}',
        'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9f => HIGH[usize::from(byte - 0x80)],
        other => char::from(other),
    }
}

/// Undoes percent encoding; with `plus` a plus sign is a space. What is no code stays.
#[must_use]
pub fn percent_decoded(text: &str, plus: bool) -> Raw {
    let bytes = text.as_bytes();
    let digit = |at: usize| Some(char::from(*bytes.get(at)?).to_digit(16)? as u8);
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let code = digit(at + 1).zip(digit(at + 2));
        match (byte, code) {
            (b'%', Some((high, low))) => {
                out.push(high << 4 | low);
                at += 2;
            }
            (b'+', _) if plus => out.push(b' '),
            _ => out.push(byte),
        }
        at += 1;
    }
    Raw(out)
}

/// The pairs of a query string.
#[must_use]
pub fn query(query: &str) -> Vec<(String, Raw)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = percent_decoded(name, true).into_text(None);
        (name, percent_decoded(value, true))
    };
    pairs.take(PAIRS_MAX).map(pair).collect()
}

/// A song's title, and its artist when it is told apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Song {
    /// The title.
    pub title: String,
    /// Who performs it.
    pub artist: Option<String>,
}

impl Song {
    /// Cuts `Artist - Title` in two.
    #[must_use]
    pub fn from_line(line: &str) -> Self {
        match line.split_once(" - ") {
            Some((artist, title)) if !artist.trim().is_empty() && !title.trim().is_empty() => {
                Self {
                    title: title.trim().to_owned(),
                    artist: Some(artist.trim().to_owned()),
                }
            }
            _ => Self {
                title: line.trim().to_owned(),
                artist: None,
            },
        }
    }

    /// `Artist - Title`, as old players show it.
    #[must_use]
    pub fn to_line(&self) -> String {
        match &self.artist {
            Some(artist) => format!("{artist} - {}", self.title),
            None => self.title.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(text: &str, charset: Option<&str>) -> String {
        let pairs = query(text);
        let (_, raw) = pairs.into_iter().find(|(name, _)| name == "song").unwrap();
        raw.into_text(charset)
    }

    #[test]
    fn titles_come_in_many_charsets() {
        assert_eq!(
            value("mode=updinfo&song=Bj%C3%B6rk+-+J%C3%B3ga", None),
            "Björk - Jóga"
        );
        assert_eq!(value("song=Bj%F6rk", None), "Björk");
        assert_eq!(value("song=%C3%A4", Some("ISO-8859-1")), "Ã¤");
        assert_eq!(value("song=%80%99", Some("windows-1252")), "€™");
        assert_eq!(value("song=100%25%zz%4", None), "100%%zz%4");
        assert_eq!(value("a&song", None), "");
    }

    #[test]
    fn artist_and_title_are_told_apart() {
        let song = Song::from_line(" Björk - Jóga - Live ");
        assert_eq!(song.artist.as_deref(), Some("Björk"));
        assert_eq!(
            (&*song.title, &*song.to_line()),
            ("Jóga - Live", "Björk - Jóga - Live")
        );
        assert_eq!(Song::from_line(" - x").artist, None);
    }

    proptest! {
        #[test]
        fn any_query_is_read(text: String) {
            prop_assert!(query(&text).len() <= PAIRS_MAX);
        }
    }
}
