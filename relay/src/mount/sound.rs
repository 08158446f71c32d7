//! What one player is sent.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use icecast::icy::Interleaver;

use super::ring::{Chunk, End, Link, Reader, Ring};

pub(crate) use super::ring::End as Ended;

/// A player's own stream: a ring's chunks from its burst on, with what comes before them
/// and, where it asked for them, titles between them.
#[derive(Debug)]
pub(crate) struct Sound {
    reader: Reader,
    /// The link of what was sent last.
    link: Option<Arc<Link>>,
    titles: Option<Interleaver>,
    /// What is to be sent next, the last first.
    pieces: Vec<Bytes>,
}

impl Sound {
    /// Begins with `burst` of what the ring holds.
    pub(crate) fn new(ring: &Arc<Ring>, burst: Duration, titles: bool) -> Self {
        Self {
            reader: ring.reader(burst),
            link: None,
            titles: titles.then(Interleaver::default),
            pieces: Vec::new(),
        }
    }

    /// Waits for the next bytes.
    pub(crate) async fn next(&mut self) -> Result<Bytes, End> {
        loop {
            if let Some(piece) = self.pieces.pop() {
                return Ok(piece);
            }
            let chunk = self.reader.next().await?;
            self.take(chunk);
        }
    }

    fn take(&mut self, chunk: Chunk) {
        let Chunk { bytes, link, .. } = chunk;
        let begins = match &self.link {
            None => Some(link.joins.clone()),
            Some(former) if !Arc::ptr_eq(former, &link) => Some(link.continues.clone()),
            Some(_) => None,
        };
        if begins.is_some()
            && let Some(titles) = &mut self.titles
        {
            titles.set_title(&link.title);
        }
        self.link = Some(link);
        let begins = begins.filter(|begins| !begins.is_empty());
        match &mut self.titles {
            None => {
                self.pieces.push(bytes);
                self.pieces.extend(begins);
            }
            Some(titles) => {
                for part in begins.into_iter().chain([bytes]) {
                    interleave(titles, part, &mut self.pieces);
                }
                self.pieces.reverse();
            }
        }
    }
}

fn interleave(titles: &mut Interleaver, mut sound: Bytes, pieces: &mut Vec<Bytes>) {
    while !sound.is_empty() {
        let (passes, block) = titles.pass(sound.len());
        pieces.push(sound.split_to(passes));
        pieces.extend(block.map(Bytes::from));
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use icecast::icy::INTERVAL;

    use super::*;

    fn push(ring: &Ring, text: &str, link: &Arc<Link>) {
        ring.push(Chunk {
            bytes: Bytes::copy_from_slice(text.as_bytes()),
            lasts: Duration::from_millis(20),
            link: Arc::clone(link),
        });
    }

    fn link(name: &str) -> Arc<Link> {
        Arc::new(Link {
            joins: format!("({name}").into(),
            continues: format!(")({name}").into(),
            title: name.to_owned(),
        })
    }

    fn heard(sound: &mut Sound) -> String {
        let mut text = String::new();
        while let Some(Ok(bytes)) = sound.next().now_or_never() {
            text.push_str(&String::from_utf8_lossy(&bytes));
        }
        text
    }

    #[test]
    fn who_joins_and_who_goes_on_begin_each_link_their_own_way() {
        let ring = Ring::new(Duration::from_secs(1));
        let (first, second) = (link("a"), link("b"));
        push(&ring, "1", &first);
        let mut early = Sound::new(&ring, Duration::from_secs(1), false);
        push(&ring, "2", &first);
        push(&ring, "3", &second);
        push(&ring, "4", &second);
        let mut late = Sound::new(&ring, Duration::from_millis(20), false);
        assert_eq!(heard(&mut early), "(a12)(b34");
        assert_eq!(heard(&mut late), "(b4");
    }

    #[test]
    fn titles_come_between_the_bytes() {
        let ring = Ring::new(Duration::from_secs(1));
        let named = |title: &str| {
            Arc::new(Link {
                title: title.to_owned(),
                ..Link::default()
            })
        };
        let mut sound = Sound::new(&ring, Duration::ZERO, true);
        push(&ring, &"x".repeat(INTERVAL), &named("one"));
        push(&ring, &"y".repeat(INTERVAL + 1), &named("one"));
        push(&ring, &"z".repeat(INTERVAL - 1), &named("two"));
        let text = heard(&mut sound);
        let (x, rest) = text.split_at(INTERVAL);
        assert!(x.bytes().all(|byte| byte == b'x'));
        assert!(rest.starts_with("\u{2}StreamTitle='one';"), "{rest:.40}");
        let (block, rest) = rest.split_at(33);
        assert!(block.ends_with("\0"));
        let (y, rest) = rest.split_at(INTERVAL);
        assert!(y.bytes().all(|byte| byte == b'y'));
        assert!(rest.starts_with("\0yz"), "nothing is new: {rest:.40}");
        assert!(text.contains("StreamTitle='two';"));
    }
}
