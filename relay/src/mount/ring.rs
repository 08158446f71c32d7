//! The last seconds of a mount, read by all its players.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

/// Bytes kept at most, whatever they last: a source may name durations that are not true.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// Says to those who wait that there will be no more.
const ENDED: u64 = u64::MAX;

/// Pieces that belong together: one title, one logical Ogg stream.
#[derive(Debug, Clone, Default)]
pub(crate) struct Link {
    /// What who joins within the link is sent first.
    pub(crate) joins: Bytes,
    /// What who comes from the link before is sent first.
    pub(crate) continues: Bytes,
    /// `Artist - Title`, for players that are told between the bytes.
    pub(crate) title: String,
}

/// What every player is sent at once.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    pub(crate) bytes: Bytes,
    /// How long it plays.
    pub(crate) lasts: Duration,
    pub(crate) link: Arc<Link>,
}

/// The newest chunks of a mount, each by its number. One writes, any number read.
#[derive(Debug)]
pub(crate) struct Ring {
    state: RwLock<State>,
    /// The number behind the newest chunk, or [`ENDED`].
    head: watch::Sender<u64>,
    keep: Duration,
}

#[derive(Debug, Default)]
struct State {
    chunks: VecDeque<Chunk>,
    /// The number of the oldest.
    first: u64,
    lasts: Duration,
    bytes: usize,
    ended: bool,
}

/// What a reader finds at a number.
#[derive(Debug)]
enum Found {
    Chunk(Chunk),
    NotYet,
    /// It was there, too long ago.
    Gone,
    Ended,
}

/// Why a reader is given nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The mount sends no more.
    Ended,
    /// The reader fell behind what is kept.
    Behind,
}

/// One player's place in a ring.
#[derive(Debug)]
pub(crate) struct Reader {
    ring: Arc<Ring>,
    head: watch::Receiver<u64>,
    next: u64,
}

impl Ring {
    /// Keeps chunks that last `keep` together, one at least.
    pub(crate) fn new(keep: Duration) -> Arc<Self> {
        Arc::new(Self {
            state: RwLock::default(),
            head: watch::Sender::new(0),
            keep,
        })
    }

    /// Adds what all are sent next.
    pub(crate) fn push(&self, chunk: Chunk) {
        let mut state = self.write();
        if state.ended {
            return;
        }
        state.lasts += chunk.lasts;
        state.bytes += chunk.bytes.len();
        state.chunks.push_back(chunk);
        while state.chunks.len() > 1 && (state.lasts > self.keep || state.bytes > BYTES_MAX) {
            let Some(oldest) = state.chunks.pop_front() else {
                break;
            };
            state.lasts = state.lasts.saturating_sub(oldest.lasts);
            state.bytes -= oldest.bytes.len();
            state.first += 1;
        }
        let head = state.first + state.chunks.len() as u64;
        drop(state);
        self.head.send_replace(head);
    }

    /// There will be no more; readers still get what is there.
    pub(crate) fn end(&self) {
        self.write().ended = true;
        self.head.send_replace(ENDED);
    }

    /// A reader that begins with what of the newest lasts `burst` at most.
    pub(crate) fn reader(self: &Arc<Self>, burst: Duration) -> Reader {
        let head = self.head.subscribe();
        let state = self.read();
        let mut lasts = Duration::ZERO;
        let newest = state.chunks.iter().rev().take_while(|chunk| {
            lasts += chunk.lasts;
            lasts <= burst
        });
        let back = newest.count() as u64;
        let next = state.first + state.chunks.len() as u64 - back;
        drop(state);
        Reader {
            ring: Arc::clone(self),
            head,
            next,
        }
    }

    fn find(&self, number: u64) -> Found {
        let state = self.read();
        let Some(at) = number.checked_sub(state.first) else {
            return Found::Gone;
        };
        match state.chunks.get(at as usize) {
            Some(chunk) => Found::Chunk(chunk.clone()),
            None if state.ended => Found::Ended,
            None => Found::NotYet,
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        // Every change leaves it whole.
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader {
    /// Waits for the next chunk. Nothing is lost when it is dropped while it waits.
    pub(crate) async fn next(&mut self) -> Result<Chunk, End> {
        loop {
            match self.ring.find(self.next) {
                Found::Chunk(chunk) => {
                    self.next += 1;
                    return Ok(chunk);
                }
                Found::Gone => return Err(End::Behind),
                Found::Ended => return Err(End::Ended),
                Found::NotYet => {
                    let next = self.next;
                    // It fails only without a ring, and this holds one.
                    let _ = self.head.wait_for(|head| *head > next).await;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn chunk(number: u8) -> Chunk {
        Chunk {
            bytes: Bytes::copy_from_slice(&[number]),
            lasts: Duration::from_millis(100),
            link: Arc::default(),
        }
    }

    fn now(reader: &mut Reader) -> Option<Result<u8, End>> {
        let next = reader.next().now_or_never()?;
        Some(next.map(|chunk| chunk.bytes[0]))
    }

    #[test]
    fn a_reader_begins_with_its_burst_and_ends_with_the_ring() {
        let ring = Ring::new(Duration::from_secs(1));
        let mut early = ring.reader(Duration::from_secs(1));
        for number in 0..6 {
            ring.push(chunk(number));
        }
        let mut late = ring.reader(Duration::from_millis(250));
        let mut live = ring.reader(Duration::ZERO);
        assert_eq!(now(&mut early), Some(Ok(0)));
        assert_eq!(now(&mut late), Some(Ok(4)));
        assert_eq!(now(&mut live), None);
        ring.push(chunk(6));
        ring.end();
        ring.push(chunk(7));
        assert_eq!(now(&mut live), Some(Ok(6)));
        assert_eq!(now(&mut live), Some(Err(End::Ended)));
        assert_eq!(now(&mut late), Some(Ok(5)));
    }

    #[test]
    fn who_falls_behind_is_told_and_the_ring_stays_small() {
        let ring = Ring::new(Duration::from_secs(1));
        let mut slow = ring.reader(Duration::ZERO);
        for number in 0..10 {
            ring.push(chunk(number));
        }
        assert_eq!(now(&mut slow), Some(Ok(0)));
        ring.push(chunk(10));
        assert_eq!(now(&mut slow), Some(Ok(1)));
        for number in 11..14 {
            ring.push(chunk(number));
        }
        assert_eq!(now(&mut slow), Some(Err(End::Behind)));
        assert_eq!(ring.read().chunks.len(), 10);
        let huge = Chunk {
            bytes: Bytes::from(vec![0; BYTES_MAX]),
            ..chunk(0)
        };
        ring.push(huge.clone());
        ring.push(huge);
        assert_eq!(ring.read().chunks.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn all_who_wait_are_woken() {
        let ring = Ring::new(Duration::from_secs(1));
        let readers: Vec<_> = (0..100)
            .map(|_| {
                let mut reader = ring.reader(Duration::ZERO);
                tokio::spawn(async move { (reader.next().await.is_ok(), reader.next().await) })
            })
            .collect();
        tokio::task::yield_now().await;
        ring.push(chunk(0));
        tokio::time::sleep(Duration::from_millis(1)).await;
        ring.end();
        for reader in readers {
            assert!(matches!(reader.await.unwrap(), (true, Err(End::Ended))));
        }
    }
}
