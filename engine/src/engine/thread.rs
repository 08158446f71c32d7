//! One thread: its socket, its core, its turn.

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::time::TimeSpec;
use nix::unistd::Pid;
use rand::Rng;

use super::ThreadStats;
use super::load::Load;
use super::rhythm::{DOZE_MIN, Rhythm};
use crate::batch::Batch;
use crate::config::{Config, ConfigError, Secrets};
use crate::core::Core;
use crate::message::Event;
use crate::queue::{EventSender, Handed, Inbox, Mail};
use crate::socket::{Bound, Socket};

/// The longest a thread sleeps.
const NAP: Duration = Duration::from_millis(250);

/// From so many sessions on the socket is not listened to all the time.
const CROWD: usize = 48;

/// Sessions of a restarted core are told from those of the one before by starting so
/// much further.
const GENERATIONS: u32 = 1 << 24;

/// What a worker is made of; unlike it, this can go to its thread.
pub(super) struct Parts {
    pub(super) config: Arc<Config>,
    pub(super) secrets: Secrets,
    pub(super) number: usize,
    pub(super) bound: Bound,
    pub(super) inboxes: Vec<Arc<Inbox>>,
    pub(super) events: EventSender,
    pub(super) stats: Arc<Mutex<ThreadStats>>,
    pub(super) core: Core,
}

pub(super) struct Worker {
    config: Arc<Config>,
    secrets: Secrets,
    number: usize,
    inboxes: Vec<Arc<Inbox>>,
    events: EventSender,
    stats: Arc<Mutex<ThreadStats>>,
    core: Core,
    socket: Socket,
    epoll: Epoll,
    mail: Mail,
    batch: Batch,
    handed: u64,
    restarts: u64,
    told: Instant,
    load: Load,
    rhythm: Rhythm,
    /// Events that came among datagrams and are still to be told.
    untold: VecDeque<Event>,
    /// Packets received before the last sleep.
    received: u64,
}

impl Worker {
    pub(super) fn new(parts: Parts) -> nix::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let readable = || EpollEvent::new(EpollFlags::EPOLLIN, 0);
        epoll.add(parts.bound.fd(), readable())?;
        let bell = parts.inboxes[parts.number].bell();
        epoll.add(bell.as_fd(), readable())?;
        Ok(Self {
            config: parts.config,
            secrets: parts.secrets,
            number: parts.number,
            inboxes: parts.inboxes,
            events: parts.events,
            stats: parts.stats,
            core: parts.core,
            socket: Socket::new(parts.bound),
            epoll,
            mail: Mail::default(),
            batch: Batch::new(),
            handed: 0,
            restarts: 0,
            told: Instant::now(),
            load: Load::new(Instant::now()),
            rhythm: Rhythm::default(),
            untold: VecDeque::new(),
            received: 0,
        })
    }

    /// Serves until it is told to stop. A panic costs this thread's sessions: they are
    /// closed with [`Config::failure_code`] as far as that is possible still, the others'
    /// clients get a stateless reset for their next packet; all come back.
    pub(super) fn run(mut self, pin: Option<usize>) {
        if let Some(processor) = pin {
            let mut set = CpuSet::new();
            let pinned = set
                .set(processor)
                .and_then(|()| sched_setaffinity(Pid::from_raw(0), &set));
            if let Err(error) = pinned {
                tracing::warn!(%error, processor, "the engine's thread is not pinned");
            }
        }
        while catch_unwind(AssertUnwindSafe(|| self.serve())).is_err() {
            self.restarts += 1;
            tracing::error!(
                thread = self.number,
                "an engine thread failed and starts anew"
            );
            let generation = (self.restarts as u32).wrapping_mul(GENERATIONS);
            match core(&self.config, &self.secrets, self.number, generation) {
                Ok(core) => {
                    let failed = std::mem::replace(&mut self.core, core);
                    self.bury(failed);
                }
                // The same configuration was good at the start.
                Err(error) => return tracing::error!(%error, "the engine's thread is lost"),
            }
            self.batch.clear();
            let thread = self.number as u8;
            let mut event = Some(Event::ThreadRestarted { thread });
            self.events.send(|| event.take());
        }
    }

    /// Tells the clients of a core that failed. It may fail again in doing so.
    fn bury(&mut self, mut core: Core) {
        self.batch.clear();
        let now = Instant::now();
        let told = catch_unwind(AssertUnwindSafe(|| {
            core.end_all(now, Some(self.config.failure_code));
            loop {
                self.batch.clear();
                let more = core.poll_transmit(now, &mut self.batch);
                self.socket.send(&self.batch);
                // What a broken core says of there being more is not to be relied on.
                if !more || self.batch.packets().is_empty() {
                    break;
                }
            }
        }));
        if told.is_err() {
            tracing::warn!(thread = self.number, "not all sessions could be closed");
        }
    }

    fn serve(&mut self) {
        loop {
            let now = Instant::now();
            self.take_mail(now);
            let mut is_busy = self.receive(now);
            self.core.handle_timeouts(now);
            is_busy |= self.transmit();
            self.tell_events(now);
            if now.saturating_duration_since(self.told) >= NAP {
                self.tell(now);
            }
            if self.mail.is_stopping {
                self.core.shut_down(now);
                self.transmit();
                self.tell_events(now);
                return;
            }
            if !is_busy {
                let received = self.core.stats().packets_received;
                self.sleep(received != self.received);
                self.received = received;
            }
        }
    }

    /// Tells what happened while there is room for it, datagrams straight to who wants them so.
    fn tell_events(&mut self, now: Instant) {
        // What there is no room for stays with the core, which then reads less.
        if self.events.is_full() {
            return;
        }
        let untold = &mut self.untold;
        self.events.send(|| untold.pop_front());
        if !untold.is_empty() {
            return;
        }
        let uplink = self.config.uplink.as_deref();
        while let Some(event) = self.core.poll_event() {
            if let Event::Datagram { session, .. } = event {
                self.rhythm.handle_datagram(session, now);
            }
            match (event, uplink) {
                (Event::Datagram { session, bytes }, Some(uplink)) => {
                    uplink.handle_datagram(session, &bytes);
                }
                (event, _) => untold.push_back(event),
            }
        }
        self.events.send(|| untold.pop_front());
    }

    fn take_mail(&mut self, now: Instant) {
        let mut mail = std::mem::take(&mut self.mail);
        self.inboxes[self.number].take(&mut mail);
        #[cfg(any(test, feature = "testing"))]
        assert!(!mail.is_failing, "told to fail");
        for command in mail.commands.drain(..) {
            self.core.handle_command(now, command);
        }
        for packet in mail.handed.drain(..) {
            self.core
                .handle_datagram(now, packet.remote, packet.local, &packet.bytes);
        }
        for (track, frame) in mail.frames.drain(..) {
            self.core.handle_frame(track, frame);
        }
        self.mail = mail;
    }

    /// Takes one batch from the socket. Returns whether more may be there.
    fn receive(&mut self, now: Instant) -> bool {
        let key = self.secrets.cid();
        let me = self.number;
        let Self {
            socket,
            core,
            inboxes,
            handed,
            rhythm,
            ..
        } = self;
        let more = match socket.receive() {
            Ok(more) => more,
            Err(error) => {
                if socket.receives_failed == 1 {
                    tracing::warn!(%error, "the engine's socket fails to receive; counted from here on");
                }
                // It may be for good: do not spin.
                std::thread::sleep(Duration::from_millis(1));
                return false;
            }
        };
        core.prefetch_senders(socket.arrived().map(|(_, _, bytes)| bytes));
        for (remote, local, bytes) in socket.arrived() {
            rhythm.handle_packet(bytes.len());
            let owner = if inboxes.len() > 1 {
                key.owner(bytes).map_or(me, usize::from)
            } else {
                me
            };
            match inboxes.get(owner) {
                Some(inbox) if owner != me => {
                    *handed += 1;
                    inbox.hand(Handed {
                        remote,
                        local,
                        bytes: bytes.into(),
                    });
                }
                _ => core.handle_datagram(now, remote, local, bytes),
            }
        }
        more
    }

    /// Sends everything there is, and looks at the socket between batches: during a
    /// fan-out to thousands, acknowledgements would overflow it. Returns whether
    /// something was sent.
    fn transmit(&mut self) -> bool {
        let mut has_sent = false;
        loop {
            let now = Instant::now();
            self.batch.clear();
            let more = self.core.poll_transmit(now, &mut self.batch);
            if self.batch.packets().is_empty() {
                return has_sent;
            }
            has_sent = true;
            self.socket.send(&self.batch);
            if !more {
                return has_sent;
            }
            self.receive(now);
        }
    }

    /// Waits for something to do. With many sessions, acknowledgements trickle in one by
    /// one; after a turn that had work the thread leaves them in the socket for a while
    /// ([`Rhythm`]) and hears only the bell. Whoever has frames to send rings it.
    fn sleep(&mut self, has_worked: bool) {
        let inbox = &self.inboxes[self.number];
        if !inbox.fall_asleep() {
            return;
        }
        let asleep = Instant::now();
        let is_crowded = has_worked && self.core.stats().sessions >= CROWD;
        if let Some(doze) = is_crowded.then(|| self.rhythm.doze(asleep)).flatten() {
            let timeout = self.core.next_timeout().map_or(NAP, |deadline| {
                deadline.saturating_duration_since(asleep).max(DOZE_MIN)
            });
            let mut bell = [PollFd::new(inbox.bell().as_fd(), PollFlags::POLLIN)];
            let _ = ppoll(&mut bell, Some(TimeSpec::from(doze.min(timeout))), None);
            self.load.slept(asleep.elapsed());
            return inbox.awake();
        }
        let wait = self.core.next_timeout().map_or(NAP, |deadline| {
            deadline.saturating_duration_since(asleep).min(NAP)
        });
        // The kernel counts whole milliseconds: rounded up, a timer is late, not early.
        let wait = u16::try_from(wait.as_micros().div_ceil(1000)).unwrap_or(u16::MAX);
        let mut events = [EpollEvent::empty(); 2];
        // Only an interruption can fail here, and the turn that follows looks at all.
        let _ = self.epoll.wait(&mut events, EpollTimeout::from(wait));
        self.load.slept(asleep.elapsed());
        inbox.awake();
    }

    fn tell(&mut self, now: Instant) {
        self.told = now;
        let is_full = self.load.is_full(now);
        if is_full && !self.core.is_full() {
            tracing::warn!(
                thread = self.number,
                sessions = self.core.stats().sessions,
                "an engine thread has no time left: new sessions are refused until it has"
            );
        }
        self.core.set_full(is_full);
        *self.stats.lock().unwrap_or_else(PoisonError::into_inner) = ThreadStats {
            core: self.core.stats(),
            packets_unsent: self.socket.failed,
            receives_failed: self.socket.receives_failed,
            packets_handed: self.handed,
            restarts: self.restarts,
            is_full,
        };
    }
}

/// A core that begins now.
pub(super) fn core(
    config: &Arc<Config>,
    secrets: &Secrets,
    number: usize,
    generation: u32,
) -> Result<Core, ConfigError> {
    let (seed, now) = (rand::rng().random(), Instant::now());
    Core::new(config.clone(), secrets, number as u8, generation, seed, now)
}
