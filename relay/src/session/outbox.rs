//! What waits to be told to one session, bounded.
//!
//! Anyone may push; the session's transport takes. Each lane becomes a stream
//! of its own on WebTransport, so that a client that leaves one unread hears
//! the others all the same.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use tokio::sync::Notify;
use wire::code::CloseCode;
use wire::frame::{Batch, Push};
use wire::message::{Bye, CountsByStation, STATIONS_CHANNEL};

use super::core::End;
use crate::station::Lane;

mod frame;

use frame::Queue;
pub(crate) use frame::{Frame, Haste};

/// Why a session ends that does not read.
pub(crate) const STUCK: &str = "the session does not read what it is sent";

/// Stations told in one push of counts: some 45 KB of JSON at worst.
const COUNTS_MAX: usize = 400;

/// A transport that takes frames without a task of the session's.
pub(crate) trait Waker: Debug + Send + Sync {
    /// Something may wait in a lane. It must neither block nor push.
    fn wake(self: Arc<Self>, haste: Haste);
}

/// The queue between everyone who has something to tell a session and its transport.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    control: Notify,
    metadata: Notify,
    listeners: Notify,
    /// Somebody found a reason to end the session.
    distress: Notify,
    /// The session begins to listen, or ends.
    milestones: Notify,
    /// Woken instead of who waits in [`ready`](Self::ready).
    waker: OnceLock<Weak<dyn Waker>>,
}

#[derive(Debug, Default)]
struct State {
    control: Queue,
    metadata: Queue,
    listeners: Option<Frame>,
    counts: Option<Arc<CountsByStation>>,
    listened: bool,
    reason: Option<End>,
    bye: Option<Bye>,
}

/// What a transport finds in a lane.
#[derive(Debug)]
pub(crate) enum Taken {
    /// What to send next.
    Frames(Batch),
    /// Nothing now.
    Empty,
    /// Nothing any more: the session has ended.
    End,
}

impl Outbox {
    /// Queues a frame, or several told together. A lane that runs over asks for the session's end.
    pub(crate) fn push(&self, lane: Lane, frame: Frame) {
        let haste = frame.haste;
        let mut state = self.lock();
        if state.bye.is_some() || state.reason.is_some() {
            return;
        }
        self.queue(&mut state, lane, frame);
        drop(state);
        self.notify(lane, haste);
    }

    fn queue(&self, state: &mut State, lane: Lane, frame: Frame) {
        let has_room = match lane {
            Lane::Control => state.control.append(frame),
            Lane::Metadata => state.metadata.append(frame),
            Lane::Listeners => {
                state.listeners = Some(frame);
                if !state.listened {
                    state.listened = true;
                    self.milestones.notify_waiters();
                }
                true
            }
        };
        if !has_room {
            state.reason = Some(End::new(CloseCode::SlowConsumer, STUCK));
            self.distress.notify_one();
        }
    }

    /// Queues counts; what waits already is brought up to date instead.
    pub(crate) fn push_counts(&self, counts: &Arc<CountsByStation>) {
        let mut state = self.lock();
        match &mut state.counts {
            Some(waiting) => {
                let fresh = counts.iter().map(|(id, counts)| (id.clone(), *counts));
                Arc::make_mut(waiting).extend(fresh);
            }
            none => *none = Some(Arc::clone(counts)),
        }
        drop(state);
        self.notify(Lane::Control, Haste::Soon);
    }

    /// Asks for the session's end from outside of it; the first reason counts.
    pub(crate) fn ask_end(&self, code: CloseCode, reason: &str) {
        let mut state = self.lock();
        state.reason.get_or_insert_with(|| End::new(code, reason));
        drop(state);
        self.distress.notify_one();
    }

    /// Waits until somebody asked for the session's end.
    pub(crate) async fn distress(&self) -> End {
        loop {
            if let Some(end) = self.lock().reason.clone() {
                return end;
            }
            self.distress.notified().await;
        }
    }

    /// Ends the session: after what waits in the control lane comes `bye`, then
    /// nothing. For a client that does not read, what waits is dropped.
    pub(crate) fn finish(&self, bye: Bye) {
        let mut state = self.lock();
        if state.bye.is_some() {
            return;
        }
        if bye.code == CloseCode::SlowConsumer {
            state.control.clear();
        }
        state.counts = None;
        state.metadata.clear();
        state.listeners = None;
        state.control.append_last(Frame::durable(&bye.push()));
        state.bye = Some(bye);
        drop(state);
        for lane in [Lane::Control, Lane::Metadata, Lane::Listeners] {
            self.notify(lane, Haste::Now);
        }
        self.milestones.notify_waiters();
    }

    /// Waits for the first `listen`; false when the session ends without one.
    pub(crate) async fn listening(&self) -> bool {
        let listened = |state: &State| match (state.listened, &state.bye) {
            (_, Some(_)) => Some(false),
            (true, None) => Some(true),
            (false, None) => None,
        };
        self.milestone(listened).await
    }

    /// Waits for the session's end.
    pub(crate) async fn finished(&self) -> CloseCode {
        self.milestone(|state| state.bye.as_ref().map(|bye| bye.code))
            .await
    }

    /// Why the session ended, if it did.
    pub(crate) fn end_code(&self) -> Option<CloseCode> {
        self.lock().bye.as_ref().map(|bye| bye.code)
    }

    async fn milestone<T>(&self, reached: impl Fn(&State) -> Option<T>) -> T {
        loop {
            let mut notified = std::pin::pin!(self.milestones.notified());
            // Enlisted before looking, so that nothing falls between the two.
            notified.as_mut().enable();
            if let Some(reached) = reached(&self.lock()) {
                return reached;
            }
            notified.await;
        }
    }

    /// Takes what is next in a lane.
    pub(crate) fn take(&self, lane: Lane) -> Taken {
        let mut state = self.lock();
        let frame = state.pop(lane);
        state.taken(frame)
    }

    /// Takes what is next in any lane.
    pub(crate) fn take_any(&self) -> Taken {
        let mut state = self.lock();
        let frame = state
            .pop(Lane::Control)
            .or_else(|| state.pop(Lane::Metadata))
            .or_else(|| state.pop(Lane::Listeners));
        state.taken(frame)
    }

    /// From here on a transport is woken that takes frames by itself; it is woken once for
    /// what waits already.
    pub(crate) fn set_waker<W: Waker + 'static>(&self, waker: &Arc<W>) {
        let weak: Weak<W> = Arc::downgrade(waker);
        // There is one transport to a session.
        if self.waker.set(weak).is_ok() {
            Arc::clone(waker).wake(Haste::Now);
        }
    }

    /// Waits until a lane may have something.
    pub(crate) async fn ready(&self, lane: Lane) {
        self.notify_of(lane).notified().await;
    }

    fn notify(&self, lane: Lane, haste: Haste) {
        match self.waker.get() {
            Some(waker) => {
                if let Some(waker) = waker.upgrade() {
                    waker.wake(haste);
                }
            }
            None => self.notify_of(lane).notify_one(),
        }
    }

    fn notify_of(&self, lane: Lane) -> &Notify {
        match lane {
            Lane::Control => &self.control,
            Lane::Metadata => &self.metadata,
            Lane::Listeners => &self.listeners,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is made whole before it can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn pop(&mut self, lane: Lane) -> Option<Frame> {
        match lane {
            Lane::Control => self.control.pop().or_else(|| self.pop_counts()),
            Lane::Metadata => self.metadata.pop(),
            Lane::Listeners => self.listeners.take(),
        }
    }

    fn taken(&self, frame: Option<Frame>) -> Taken {
        match (frame, &self.bye) {
            (Some(frame), _) => Taken::Frames(frame.batch),
            (None, Some(_)) => Taken::End,
            (None, None) => Taken::Empty,
        }
    }

    fn pop_counts(&mut self) -> Option<Frame> {
        let mut counts = self.counts.take()?;
        if counts.len() > COUNTS_MAX {
            let rest = Arc::make_mut(&mut counts);
            let nth = rest
                .keys()
                .nth(COUNTS_MAX)
                .cloned()
                .expect("there are more than that");
            self.counts = Some(Arc::new(rest.split_off(&nth)));
        }
        Some(Frame::durable(&Push::new(
            STATIONS_CHANNEL,
            "counts",
            &*counts,
        )))
    }
}

#[cfg(test)]
mod tests;
