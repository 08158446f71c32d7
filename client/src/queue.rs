//! A queue for live audio: when it is full the oldest goes.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// A bounded queue with one reader that drops its oldest item to take a new one.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    items: Mutex<VecDeque<T>>,
    arrived: Notify,
    bound: usize,
}

impl<T> Queue<T> {
    pub(crate) fn new(bound: usize) -> Self {
        Self {
            items: Mutex::new(VecDeque::with_capacity(bound)),
            arrived: Notify::new(),
            bound,
        }
    }

    /// Adds an item; answers whether one was dropped for it.
    pub(crate) fn push(&self, item: T) -> bool {
        let mut items = self.items();
        let full = items.len() == self.bound;
        if full {
            items.pop_front();
        }
        items.push_back(item);
        drop(items);
        self.arrived.notify_one();
        full
    }

    /// The oldest item, if there is one.
    pub(crate) fn try_pop(&self) -> Option<T> {
        self.items().pop_front()
    }

    /// The oldest item, as soon as there is one. May be dropped and called anew.
    pub(crate) async fn pop(&self) -> T {
        loop {
            if let Some(item) = self.try_pop() {
                return item;
            }
            self.arrived.notified().await;
        }
    }

    /// Drops everything; answers how much it was.
    pub(crate) fn clear(&self) -> usize {
        let mut items = self.items();
        let count = items.len();
        items.clear();
        count
    }

    fn items(&self) -> MutexGuard<'_, VecDeque<T>> {
        // The lock is held for a push or a pop, which do not panic half-way.
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_goes_when_it_is_full() {
        let queue = Queue::new(2);
        assert!(!queue.push(1));
        assert!(!queue.push(2));
        assert!(queue.push(3));
        assert_eq!(
            (queue.pop().await, queue.try_pop(), queue.try_pop()),
            (2, Some(3), None)
        );
    }

    #[tokio::test]
    async fn a_reader_that_waits_is_woken() {
        let queue = std::sync::Arc::new(Queue::new(4));
        let reader = tokio::spawn({
            let queue = queue.clone();
            async move { (queue.pop().await, queue.pop().await) }
        });
        tokio::task::yield_now().await;
        queue.push("a");
        tokio::task::yield_now().await;
        queue.push("b");
        assert_eq!(reader.await.unwrap(), ("a", "b"));
    }
}
