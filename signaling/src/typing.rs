//! Who writes where, until it wears off.

use std::collections::BTreeMap;

use wire::message::chat::{Author, Typing};

/// How long the word of a client holds, in microseconds; it repeats it every 3 s.
const LASTS: i64 = 6_000_000;

/// The most users told of in one room.
const SHOWN_MAX: usize = 10;

/// The most users kept in one room; those who come later are not.
const KEPT_MAX: usize = 50;

/// Everybody who writes, by room.
#[derive(Debug, Default)]
pub(crate) struct Writers {
    rooms: BTreeMap<String, BTreeMap<String, Writer>>,
}

#[derive(Debug)]
struct Writer {
    author: Author,
    until: i64,
}

impl Writers {
    /// Somebody writes, or no longer does. True when that changes what the room shows.
    pub(crate) fn handle(&mut self, room: &str, author: Author, on: bool, now: i64) -> bool {
        if !on {
            return self.handle_stopped(room, &author.sub);
        }
        let writers = self.rooms.entry(room.to_owned()).or_default();
        let is_new = !writers.contains_key(&author.sub);
        if is_new && writers.len() >= KEPT_MAX {
            return false;
        }
        let until = now + LASTS;
        writers.insert(author.sub.clone(), Writer { author, until });
        is_new
    }

    /// Somebody sent what they wrote, or left. True when that changes what the room shows.
    pub(crate) fn handle_stopped(&mut self, room: &str, sub: &str) -> bool {
        let Some(writers) = self.rooms.get_mut(room) else {
            return false;
        };
        let was = writers.remove(sub).is_some();
        if writers.is_empty() {
            self.rooms.remove(room);
        }
        was
    }

    /// What a room shows.
    pub(crate) fn typing(&self, room: &str) -> Typing {
        let writers = self.rooms.get(room).into_iter().flat_map(BTreeMap::values);
        let users = writers.take(SHOWN_MAX).map(|writer| writer.author.clone());
        Typing {
            users: users.collect(),
        }
    }

    /// When to call [`Self::handle_timeout`].
    pub(crate) fn poll_timeout(&self) -> Option<i64> {
        let writers = self.rooms.values().flat_map(BTreeMap::values);
        writers.map(|writer| writer.until).min()
    }

    /// Ends what has worn off; gives the rooms that now show something else.
    pub(crate) fn handle_timeout(&mut self, now: i64) -> Vec<String> {
        let mut changed = Vec::new();
        for (room, writers) in &mut self.rooms {
            let before = writers.len();
            writers.retain(|_, writer| writer.until > now);
            if writers.len() < before {
                changed.push(room.clone());
            }
        }
        self.rooms.retain(|_, writers| !writers.is_empty());
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn author(sub: &str) -> Author {
        Author {
            sub: sub.into(),
            name: None,
        }
    }

    fn shown(writers: &Writers) -> Vec<String> {
        let users = writers.typing("r").users.into_iter();
        users.map(|user| user.sub).collect()
    }

    #[test]
    fn typing_wears_off_by_itself_and_ends_with_the_message() {
        let mut writers = Writers::default();
        assert!(writers.handle("r", author("ann"), true, 0));
        assert!(!writers.handle("r", author("ann"), true, 3_000_000));
        assert!(writers.handle("r", author("bob"), true, 3_000_000));
        assert_eq!(shown(&writers), ["ann", "bob"]);
        assert_eq!(writers.poll_timeout(), Some(9_000_000));
        assert!(writers.handle_stopped("r", "bob"));
        assert!(!writers.handle_stopped("r", "bob"));
        assert!(writers.handle_timeout(8_999_999).is_empty());
        assert_eq!(writers.handle_timeout(9_000_000), ["r"]);
        assert!(shown(&writers).is_empty());
        assert_eq!(writers.poll_timeout(), None);
    }

    #[test]
    fn a_crowd_of_writers_is_bounded() {
        let mut writers = Writers::default();
        for number in 0..1_000 {
            writers.handle("r", author(&format!("u{number}")), true, number);
        }
        assert_eq!(shown(&writers).len(), SHOWN_MAX);
        assert_eq!(writers.rooms["r"].len(), KEPT_MAX);
    }
}
