//! Titles between the bytes of a stream, as players ask for with `Icy-MetaData: 1`.

/// Bytes of sound between two titles; what Icecast uses.
pub const INTERVAL: usize = 16_000;

/// The longest block: 255 units of 16 bytes.
const BLOCK_BYTES_MAX: usize = 255 * 16;

/// Puts a title behind every [`INTERVAL`] bytes of sound.
#[derive(Debug)]
pub struct Interleaver {
    left: usize,
    title: String,
    changed: bool,
}

impl Default for Interleaver {
    fn default() -> Self {
        Self {
            left: INTERVAL,
            title: String::new(),
            changed: false,
        }
    }
}

impl Interleaver {
    /// What to tell from the next block on.
    pub fn set_title(&mut self, title: &str) {
        if title != self.title {
            self.title = title.to_owned();
            self.changed = true;
        }
    }

    /// Appends sound, and blocks where they are due, to `out`.
    pub fn push(&mut self, mut sound: &[u8], out: &mut Vec<u8>) {
        while !sound.is_empty() {
            let (passes, block) = self.pass(sound.len());
            let (piece, rest) = sound.split_at(passes);
            out.extend_from_slice(piece);
            out.extend(block.into_iter().flatten());
            sound = rest;
        }
    }

    /// How many of `available` bytes of sound are to be sent next, and the block that is to
    /// follow them, if one is due then. For who does not copy the sound.
    pub fn pass(&mut self, available: usize) -> (usize, Option<Vec<u8>>) {
        let passes = self.left.min(available);
        self.left -= passes;
        if self.left > 0 {
            return (passes, None);
        }
        self.left = INTERVAL;
        let mut out = Vec::new();
        // An empty block means that nothing changed.
        if std::mem::take(&mut self.changed) {
            block(&self.title, &mut out);
        } else {
            out.push(0);
        }
        (passes, Some(out))
    }
}

fn block(title: &str, out: &mut Vec<u8>) {
    // No player undoes an escape; a quote would end the title too early.
    let title = title.replace('\'', "\u{2019}").replace([';', '\0'], ",");
    let (begin, end) = ("StreamTitle='", "';");
    let mut room = BLOCK_BYTES_MAX - begin.len() - end.len();
    let fits = title.chars().take_while(|char| {
        let fits = char.len_utf8() <= room;
        room = room.saturating_sub(char.len_utf8());
        fits
    });
    let mut text = format!("{begin}{}{end}", fits.collect::<String>()).into_bytes();
    let units = text.len().div_ceil(16);
    text.resize(units * 16, 0);
    out.push(units as u8);
    out.extend_from_slice(&text);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a player makes of it: the sound, and the titles.
    fn parted(mut bytes: &[u8]) -> (Vec<u8>, Vec<String>) {
        let (mut sound, mut titles) = (Vec::new(), Vec::new());
        while bytes.len() > INTERVAL {
            let (piece, rest) = bytes.split_at(INTERVAL);
            sound.extend_from_slice(piece);
            let (text, rest) = rest[1..].split_at(usize::from(rest[0]) * 16);
            if !text.is_empty() {
                let text = std::str::from_utf8(text).unwrap().trim_end_matches('\0');
                let title = text.strip_prefix("StreamTitle='").unwrap();
                titles.push(title.strip_suffix("';").unwrap().to_owned());
            }
            bytes = rest;
        }
        sound.extend_from_slice(bytes);
        (sound, titles)
    }

    proptest! {
        #[test]
        fn the_sound_stays_as_it_was(
            length in 0usize..100_000, cut in 1usize..9_000, title in "[a-zäö' ]{1,40}",
        ) {
            let sound: Vec<u8> = (0..length).map(|n| n as u8).collect();
            let mut icy = Interleaver::default();
            icy.set_title(&title);
            let mut out = Vec::new();
            for piece in sound.chunks(cut) {
                icy.push(piece, &mut out);
            }
            let (heard, titles) = parted(&out);
            prop_assert_eq!(heard, sound);
            let told = title.replace('\'', "\u{2019}");
            let expected = if length >= INTERVAL { vec![told] } else { vec![] };
            // The very last block may be missing from what `parted` looks at.
            if length % INTERVAL != 0 {
                prop_assert_eq!(titles, expected);
            }
        }
    }

    #[test]
    fn a_title_too_long_is_cut() {
        let mut icy = Interleaver::default();
        icy.set_title(&"ä".repeat(1 << 20));
        let mut out = Vec::new();
        icy.push(&vec![0; INTERVAL], &mut out);
        icy.push(&[1], &mut out);
        assert_eq!(parted(&out).1[0].chars().next(), Some('ä'));
        assert_eq!(out.len(), INTERVAL + 1 + BLOCK_BYTES_MAX + 1);
    }
}
