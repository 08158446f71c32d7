//! Collecting changes that replace each other, to be told together a moment later.

use std::collections::BTreeMap;

/// Values by key, the latest of each, given out together once the interval has
/// passed since the first. Bounded by the number of keys there are.
#[derive(Debug)]
pub(crate) struct Batch<K, V> {
    /// Microseconds.
    interval: i64,
    latest: BTreeMap<K, V>,
    due_at: Option<i64>,
    /// When the last was given out: after a quiet time the first goes out at once.
    told_at: i64,
}

impl<K: Ord, V> Batch<K, V> {
    /// `interval` is in microseconds.
    pub(crate) fn new(interval: i64) -> Self {
        Self {
            interval,
            latest: BTreeMap::new(),
            due_at: None,
            told_at: i64::MIN / 2,
        }
    }

    /// Takes a value in place of the former with this key.
    pub(crate) fn handle(&mut self, key: K, value: V, now: i64) {
        self.latest.insert(key, value);
        let next = self.told_at.saturating_add(self.interval).max(now);
        self.due_at.get_or_insert(next);
    }

    /// When to call [`Self::poll_due`] again.
    pub(crate) fn poll_timeout(&self) -> Option<i64> {
        self.due_at
    }

    /// All that has collected, if it is time.
    pub(crate) fn poll_due(&mut self, now: i64) -> BTreeMap<K, V> {
        if self.due_at.is_none_or(|due_at| now < due_at) {
            return BTreeMap::new();
        }
        self.due_at = None;
        self.told_at = now;
        std::mem::take(&mut self.latest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_goes_out_at_once_and_the_rest_together_after_the_interval() {
        let mut batch = Batch::new(1_000);
        assert_eq!(batch.poll_timeout(), None);
        batch.handle("a", 1, 50);
        assert_eq!(batch.poll_timeout(), Some(50));
        assert_eq!(batch.poll_due(50), BTreeMap::from([("a", 1)]));
        batch.handle("a", 2, 60);
        batch.handle("b", 1, 70);
        batch.handle("a", 3, 80);
        assert_eq!(batch.poll_timeout(), Some(1_050));
        assert!(batch.poll_due(1_049).is_empty());
        assert_eq!(batch.poll_due(1_050), BTreeMap::from([("a", 3), ("b", 1)]));
        assert_eq!(batch.poll_timeout(), None);
        batch.handle("a", 4, 9_000);
        assert_eq!(batch.poll_due(9_000), BTreeMap::from([("a", 4)]));
    }
}
