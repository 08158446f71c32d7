//! The two queues between the engine's threads and everybody else.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use nix::sys::eventfd::{EfdFlags, EventFd};
use wire::TrackId;

use crate::message::{Command, Event, Frames};

/// Commands that wait for a thread; more are refused.
const COMMANDS_MAX: usize = 16 * 1024;

/// Frames that wait for a thread, all tracks together; more push out the oldest.
const FRAMES_MAX: usize = 4 * 1024;

/// Packets handed over by other threads that wait; more are dropped, as a network may.
const HANDED_MAX: usize = 1024;

/// Events that wait for whoever serves; when they are so many, threads keep theirs, and
/// past [`events_max`](crate::Config::events_max) they stop reading.
const EVENTS_MAX: usize = 16 * 1024;

/// A packet that came to another thread's socket.
#[derive(Debug)]
pub(crate) struct Handed {
    pub(crate) remote: SocketAddr,
    pub(crate) local: Option<IpAddr>,
    pub(crate) bytes: Box<[u8]>,
}

/// What waits for a thread.
#[derive(Debug, Default)]
pub(crate) struct Mail {
    pub(crate) commands: VecDeque<Command>,
    pub(crate) frames: VecDeque<(TrackId, Frames)>,
    pub(crate) handed: VecDeque<Handed>,
    pub(crate) is_stopping: bool,
    #[cfg(any(test, feature = "testing"))]
    pub(crate) is_failing: bool,
}

impl Mail {
    fn is_empty(&self) -> bool {
        self.commands.is_empty()
            && self.frames.is_empty()
            && self.handed.is_empty()
            && !self.is_stopping
    }
}

/// A thread's inbox.
#[derive(Debug)]
pub(crate) struct Inbox {
    mail: Mutex<Mail>,
    /// Set while the thread may be waiting for its socket.
    is_asleep: AtomicBool,
    bell: EventFd,
}

/// The thread has as many commands waiting as it may.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the engine's thread is overloaded: {COMMANDS_MAX} commands wait")]
pub struct Overloaded(pub Command);

impl Inbox {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self {
            mail: Mutex::default(),
            is_asleep: AtomicBool::new(false),
            bell: EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?,
        })
    }

    pub(crate) fn bell(&self) -> &EventFd {
        &self.bell
    }

    pub(crate) fn command(&self, command: Command) -> Result<(), Overloaded> {
        let mut mail = lock(&self.mail);
        if mail.commands.len() >= COMMANDS_MAX {
            return Err(Overloaded(command));
        }
        mail.commands.push_back(command);
        drop(mail);
        self.wake();
        Ok(())
    }

    /// Returns whether an older frame was pushed out.
    pub(crate) fn frame(&self, track: TrackId, frame: Frames) -> bool {
        let mut mail = lock(&self.mail);
        let is_full = mail.frames.len() >= FRAMES_MAX;
        if is_full {
            mail.frames.pop_front();
        }
        mail.frames.push_back((track, frame));
        drop(mail);
        self.wake();
        is_full
    }

    pub(crate) fn hand(&self, packet: Handed) {
        let mut mail = lock(&self.mail);
        if mail.handed.len() < HANDED_MAX {
            mail.handed.push_back(packet);
            drop(mail);
            self.wake();
        }
    }

    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn fail(&self) {
        lock(&self.mail).is_failing = true;
        self.wake();
    }

    pub(crate) fn stop(&self) {
        lock(&self.mail).is_stopping = true;
        self.wake();
    }

    /// Swaps what waits with the caller's empty queues, whose room is used again.
    pub(crate) fn take(&self, into: &mut Mail) {
        let mut mail = lock(&self.mail);
        std::mem::swap(&mut mail.commands, &mut into.commands);
        std::mem::swap(&mut mail.frames, &mut into.frames);
        std::mem::swap(&mut mail.handed, &mut into.handed);
        into.is_stopping = mail.is_stopping;
        #[cfg(any(test, feature = "testing"))]
        {
            into.is_failing = std::mem::take(&mut mail.is_failing);
        }
    }

    /// Says that the thread is about to wait. Returns whether it may: mail that came
    /// before rang no bell.
    pub(crate) fn fall_asleep(&self) -> bool {
        self.is_asleep.store(true, Ordering::SeqCst);
        if lock(&self.mail).is_empty() {
            return true;
        }
        self.is_asleep.store(false, Ordering::SeqCst);
        false
    }

    pub(crate) fn awake(&self) {
        // Whoever took the flag down has rung; otherwise the bell is silent.
        if !self.is_asleep.swap(false, Ordering::SeqCst) {
            let _ = self.bell.read();
        }
    }

    fn wake(&self) {
        if self.is_asleep.swap(false, Ordering::SeqCst) {
            // It can only fail by being full of rings already.
            let _ = self.bell.write(1);
        }
    }
}

#[derive(Debug, Default)]
struct Outbox {
    events: VecDeque<Event>,
    waker: Option<Waker>,
    /// Set when no thread is left to tell anything.
    is_over: bool,
}

#[derive(Debug, Default)]
struct Shared {
    outbox: Mutex<Outbox>,
    arrived: Condvar,
}

/// The threads' end of the events.
#[derive(Debug, Clone)]
pub(crate) struct EventSender(Arc<Shared>);

/// The events of all threads of an engine; those of one session are in order.
#[derive(Debug)]
pub struct Events(Arc<Shared>);

pub(crate) fn events() -> (EventSender, Events) {
    let shared = Arc::new(Shared::default());
    (EventSender(shared.clone()), Events(shared))
}

impl EventSender {
    /// Passes on events while there is room. Takes the lock only when there are some.
    pub(crate) fn send(&self, mut next: impl FnMut() -> Option<Event>) {
        let Some(first) = next() else { return };
        let mut outbox = lock(&self.0.outbox);
        outbox.events.push_back(first);
        while outbox.events.len() < EVENTS_MAX {
            let Some(event) = next() else { break };
            outbox.events.push_back(event);
        }
        let waker = outbox.waker.take();
        drop(outbox);
        self.0.arrived.notify_one();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whether another event would wait in its thread.
    pub(crate) fn is_full(&self) -> bool {
        lock(&self.0.outbox).events.len() >= EVENTS_MAX
    }

    pub(crate) fn finish(&self) {
        let mut outbox = lock(&self.0.outbox);
        outbox.is_over = true;
        let waker = outbox.waker.take();
        drop(outbox);
        self.0.arrived.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Events {
    /// The next event; `None` when the engine has stopped. Cancel safe.
    pub async fn next(&mut self) -> Option<Event> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The next event, for a caller that polls by hand.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let mut outbox = lock(&self.0.outbox);
        if let Some(event) = outbox.events.pop_front() {
            return Poll::Ready(Some(event));
        }
        if outbox.is_over {
            return Poll::Ready(None);
        }
        outbox.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Waits for an event on this thread, at most so long.
    pub fn next_timeout(&mut self, timeout: Duration) -> Option<Event> {
        let deadline = Instant::now() + timeout;
        let mut outbox = lock(&self.0.outbox);
        loop {
            if let Some(event) = outbox.events.pop_front() {
                return Some(event);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || outbox.is_over {
                return None;
            }
            outbox = self
                .0
                .arrived
                .wait_timeout(outbox, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

/// The queues hold plain values, whole at every step: a panic elsewhere spoils nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
