//! What plays when: metadata ordered by the media time it holds from.

use std::collections::VecDeque;

use wire::message::Metadata;

/// Entries kept of what is announced ahead.
const ENTRIES_MAX: usize = 32;

/// Entries kept of what plays and what played before, for those who begin further back.
const PAST_MAX: usize = 64;

/// Metadata of a station by the timestamp it holds from.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    entries: VecDeque<(u64, Metadata)>,
}

impl Timeline {
    /// Adds what holds from `timestamp` on, in place of an entry of the same
    /// timestamp, and forgets what ended before `kept_from`, which is at most `now`.
    pub(crate) fn insert(&mut self, timestamp: u64, metadata: Metadata, kept_from: u64, now: u64) {
        let at = self.entries.partition_point(|(from, _)| *from < timestamp);
        let entry = (timestamp, metadata);
        match self.entries.get_mut(at) {
            Some(same) if same.0 == timestamp => *same = entry,
            _ => self.entries.insert(at, entry),
        }
        let mut past = self.entries.partition_point(|(from, _)| *from <= now);
        while past > PAST_MAX
            || self
                .entries
                .get(1)
                .is_some_and(|(from, _)| *from <= kept_from)
        {
            self.entries.pop_front();
            past = past.saturating_sub(1);
        }
        // Announcing without end must not grow memory: the farthest ahead goes first.
        self.entries.truncate(past + ENTRIES_MAX);
    }

    /// What plays at `now`, and from when on.
    pub(crate) fn current(&self, now: u64) -> Option<&(u64, Metadata)> {
        let past = self.entries.partition_point(|(from, _)| *from <= now);
        self.entries.get(past.checked_sub(1)?)
    }

    /// What plays at `now` and what comes after it.
    pub(crate) fn from(&self, now: u64) -> impl Iterator<Item = &Metadata> {
        let past = self.entries.partition_point(|(from, _)| *from <= now);
        let entries = self.entries.iter().skip(past.saturating_sub(1));
        entries.map(|(_, metadata)| metadata)
    }

    /// The timestamp at which something else plays than at `now`.
    pub(crate) fn next_change(&self, now: u64) -> Option<u64> {
        let past = self.entries.partition_point(|(from, _)| *from <= now);
        self.entries.get(past).map(|(from, _)| *from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titled(title: &str) -> Metadata {
        Metadata {
            title: title.into(),
            ..Metadata::default()
        }
    }

    #[test]
    fn each_entry_holds_from_its_timestamp_on() {
        let mut timeline = Timeline::default();
        timeline.insert(200, titled("b"), 0, 0);
        timeline.insert(100, titled("a"), 0, 0);
        assert_eq!(timeline.current(99), None);
        assert_eq!(timeline.current(100).unwrap().1.title, "a");
        assert_eq!(timeline.current(1000).unwrap().1.title, "b");
        assert_eq!(timeline.next_change(100), Some(200));
        timeline.insert(200, titled("c"), 150, 150);
        let titles: Vec<_> = timeline.from(150).map(|entry| &*entry.title).collect();
        assert_eq!(titles, ["a", "c"]);
        timeline.insert(300, titled("d"), 250, 250);
        assert_eq!(timeline.entries.len(), 2, "what ended is forgotten");
    }

    #[test]
    fn announcing_without_end_is_bounded() {
        let mut timeline = Timeline::default();
        for from in 0..10_000 {
            timeline.insert(from, titled("x"), 0, 0);
        }
        // The first of them holds now already.
        assert_eq!(timeline.entries.len(), 1 + ENTRIES_MAX);
        assert_eq!(timeline.entries[0].0, 0);
    }

    #[test]
    fn what_played_is_kept_as_long_as_listeners_may_go_back() {
        let mut timeline = Timeline::default();
        for from in 0..10 {
            timeline.insert(
                from * 100,
                titled(&from.to_string()),
                (from * 100_u64).saturating_sub(350),
                from * 100,
            );
        }
        let titles: Vec<_> = timeline.from(0).map(|entry| &*entry.title).collect();
        assert_eq!(titles, ["5", "6", "7", "8", "9"], "550 to 900");
        assert_eq!(timeline.current(650).unwrap().1.title, "6");
        for from in 10..10_000 {
            timeline.insert(from * 100, titled("x"), 0, from * 100);
        }
        assert_eq!(timeline.entries.len(), PAST_MAX);
    }
}
