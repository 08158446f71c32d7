//! Listeners who hear what passed before, as late as they asked for.
//!
//! They get the very packets their track carried, from its ring, each as long after it was
//! live as the listener is behind: at the pace of the media clock and never in a burst. A
//! thread of the track's own sends them while there are any such listeners, so that those
//! who hear the present are not held up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use prometheus_client::metrics::gauge::Gauge;

use super::queue::packets_in;
use super::repair::redundant;
use super::{Level, Listener, Packet, Ring, Sent, Track};
use crate::station::{Back, MediaClock, samples};

/// How often the thread looks for packets that are due.
const TICK: Duration = Duration::from_millis(10);

/// Sound sent to one listener in a tick at most, so that one who was held up catches up at
/// twice the pace of the sound.
const TICK_SOUND: Duration = Duration::from_millis(20);

/// The listeners of one track who are behind. Touched when they come and go, and by the
/// thread that serves them, never while packets pass.
#[derive(Debug, Default)]
pub(super) struct Past(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    listeners: Vec<Behind>,
    served: bool,
}

#[derive(Debug)]
struct Behind {
    listener: Arc<Listener>,
    clock: Arc<MediaClock>,
    /// Samples the media clock is ahead of what is due.
    lag: i64,
    /// The sequence of the next packet.
    next: u64,
    counted: Gauge,
}

impl Drop for Behind {
    fn drop(&mut self) {
        self.counted.dec();
    }
}

impl Past {
    /// Takes a listener off; false when it is not there.
    pub(super) fn leave(&self, listener: &Arc<Listener>) -> bool {
        let listeners = &mut self.lock().listeners;
        let at = listeners
            .iter()
            .position(|other| Arc::ptr_eq(&other.listener, listener));
        at.map(|at| listeners.swap_remove(at)).is_some()
    }

    /// Takes all off.
    pub(super) fn take(&self) -> Vec<Arc<Listener>> {
        let listeners = std::mem::take(&mut self.lock().listeners);
        listeners
            .iter()
            .map(|one| Arc::clone(&one.listener))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a listener begins who asked for the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Begin {
    /// The sequence of the first packet.
    sequence: u64,
    /// Its media time.
    pub(crate) timestamp: u64,
    /// How long ago it was live.
    pub(crate) behind: Duration,
}

impl Track {
    /// Where one begins who goes back so far, or as far as is kept; none is live.
    pub(crate) fn begin(&self, time: Duration) -> Option<Begin> {
        let ring = self.ring.get()?;
        let newest = ring.newest()?;
        let wanted = newest.timestamp.saturating_sub(samples(time));
        let first = ring
            .find(wanted)
            .filter(|first| first.sequence < newest.sequence)?;
        let behind = (newest.timestamp - first.timestamp) * 1000 / 48;
        Some(Begin {
            sequence: first.sequence,
            timestamp: first.timestamp,
            behind: Duration::from_micros(behind),
        })
    }

    /// Starts the packets for a listener who takes none, from so far back on; live when
    /// nothing of that is kept.
    pub(crate) fn attach_back(
        self: &Arc<Self>,
        listener: &Arc<Listener>,
        back: Back,
        now: Instant,
    ) {
        let Some(begin) = self.begin(back.time) else {
            return self.attach(listener);
        };
        listener.turn_back_on(self);
        let lag = back.clock.timestamp(now) as i64 - begin.timestamp as i64;
        let counted = self.metrics.listeners_behind.clone();
        counted.inc();
        let mut state = self.past.lock();
        state.listeners.push(Behind {
            listener: Arc::clone(listener),
            clock: back.clock,
            lag,
            next: begin.sequence,
            counted,
        });
        if !std::mem::replace(&mut state.served, true) {
            let track = Arc::downgrade(self);
            let thread = std::thread::Builder::new().name("rewind".into());
            if let Err(error) = thread.spawn(move || serve(&track)) {
                tracing::error!(%error, "no thread for listeners who are behind");
                state.served = false;
            }
        }
    }

    /// Bytes of sound kept.
    pub(crate) fn kept_bytes(&self) -> u64 {
        self.ring.get().map_or(0, Ring::bytes)
    }

    /// Sends what is due at `now`; false when nobody is behind any more.
    pub(super) fn send_past(&self, now: Instant) -> bool {
        let mut state = self.past.lock();
        let Some(ring) = self.ring.get().filter(|_| !state.listeners.is_empty()) else {
            state.served = false;
            return false;
        };
        let (mut queued, mut dropped) = (0, 0);
        for behind in &mut state.listeners {
            behind.send_due(ring, now, |sent| match sent {
                Sent::Queued => queued += 1,
                Sent::Displaced(count) => {
                    queued += 1;
                    dropped += u64::from(count);
                }
                Sent::Refused => dropped += 1,
                Sent::Aside => {}
            });
        }
        self.metrics.datagrams_out.inc_by(queued);
        self.metrics.datagrams_dropped.inc_by(dropped);
        true
    }
}

impl Behind {
    fn send_due(&mut self, ring: &Ring, now: Instant, mut count: impl FnMut(Sent)) {
        let due = self.clock.timestamp(now) as i64 - self.lag;
        let mut room = None;
        while let Some(packet) = ring
            .get_from(self.next)
            .filter(|next| next.timestamp as i64 <= due)
        {
            let room = room.get_or_insert_with(|| packets_in(TICK_SOUND, packet.frame_us));
            if *room == 0 {
                break;
            }
            *room -= 1;
            self.next = packet.sequence + 1;
            count(self.send(&packet, ring));
        }
    }

    fn send(&self, packet: &Packet, ring: &Ring) -> Sent {
        match self.listener.level() {
            Level::Plain => self.listener.send(packet),
            // Hardly anybody is at the same place, so that there is nobody to share it with.
            more => self.listener.send(&redundant(packet, more, ring)),
        }
    }
}

fn serve(track: &Weak<Track>) {
    loop {
        std::thread::sleep(TICK);
        let Some(track) = track.upgrade() else {
            return;
        };
        if !track.send_past(Instant::now()) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fanout::{Kept, Sink};
    use wire::TrackId;
    use wire::audio::{Copies, Datagram, SendTime};

    /// A track in virtual time: what is heard when, in milliseconds.
    struct Scene {
        track: Arc<Track>,
        clock: Arc<MediaClock>,
        start: Instant,
    }

    type Log = Arc<Mutex<Vec<u64>>>;

    struct Heard(Log);

    impl Sink for Heard {
        fn send(&self, packet: &Packet) -> Sent {
            self.0.lock().unwrap().push(packet.sequence);
            Sent::Queued
        }
    }

    fn listener() -> (Log, Arc<Listener>) {
        let log = Log::default();
        let listener = Listener::new(Box::new(Heard(Arc::clone(&log))), Arc::default());
        (log, listener)
    }

    impl Scene {
        fn new() -> Self {
            let kept = Kept {
                time: Duration::from_secs(60),
                bytes: 1 << 20,
            };
            let start = Instant::now();
            let track = Track::new(TrackId::new(1).unwrap(), kept, Arc::default());
            // The test serves in virtual time, not the thread.
            track.past.lock().served = true;
            Self {
                track,
                clock: Arc::new(MediaClock::new(start)),
                start,
            }
        }

        fn at(&self, ms: u64) -> Instant {
            self.start + Duration::from_millis(ms)
        }

        /// Live packets as they pass from `from` to `to` milliseconds, and ticks all the time.
        fn run(&self, from: u64, to: u64, live: bool) {
            for ms in (from..to).step_by(10) {
                if live && ms % 20 == 0 {
                    self.track.fan_out(&packet(ms / 20));
                }
                self.track.send_past(self.at(ms));
            }
        }

        fn join(&self, listener: &Arc<Listener>, ms: u64, seconds: u64) {
            let back = Back {
                time: Duration::from_secs(seconds),
                clock: Arc::clone(&self.clock),
            };
            self.track.attach_back(listener, back, self.at(ms));
        }
    }

    fn packet(sequence: u64) -> Packet {
        let datagram = Datagram {
            track: TrackId::new(1).unwrap(),
            sequence,
            timestamp: sequence * 960,
            send_time: SendTime(7),
            copies: Copies::none(),
            packet: &[1, 2, 3],
        };
        Packet::encode(20_000, &datagram).unwrap()
    }

    #[test]
    fn the_past_comes_at_the_pace_of_the_sound_and_only_to_who_asked() {
        let scene = Scene::new();
        let ((live, a), (back, b)) = (listener(), listener());
        scene.track.attach(&a);
        scene.run(0, 30_000, true);
        let begin = scene.track.begin(Duration::from_secs(20)).unwrap();
        assert_eq!(begin.behind, Duration::from_secs(20));
        scene.join(&b, 30_000, 20);
        for second in 30..40 {
            let before = back.lock().unwrap().len();
            scene.run(second * 1000, second * 1000 + 1000, true);
            let got = back.lock().unwrap().len() - before;
            assert!((49..=51).contains(&got), "{got} packets in a second");
        }
        let heard = back.lock().unwrap().clone();
        let expected: Vec<_> = (499..499 + heard.len() as u64).collect();
        assert_eq!(heard, expected, "from 10 s on, without a hole");
        assert_eq!(live.lock().unwrap().len(), 2_000);

        // Back to the present, which has no hole either.
        scene.track.detach(&b);
        scene.track.attach(&b);
        scene.run(40_000, 41_000, true);
        assert_eq!(
            back.lock().unwrap()[heard.len()..],
            (2_000..2_050).collect::<Vec<_>>()
        );
        assert_eq!(scene.track.metrics.listeners_behind.get(), 0);
    }

    #[test]
    fn one_goes_back_as_far_as_is_kept_and_hears_on_when_the_source_is_gone() {
        let scene = Scene::new();
        let (back, b) = listener();
        assert!(scene.track.begin(Duration::from_secs(20)).is_none());
        scene.run(0, 5_000, true);
        let begin = scene.track.begin(Duration::from_secs(20)).unwrap();
        assert_eq!(
            (begin.timestamp, begin.behind),
            (0, Duration::from_millis(4_980))
        );
        scene.join(&b, 5_000, 20);
        // The source sends nothing any more; what it sent comes all the same.
        scene.run(5_000, 20_000, false);
        assert_eq!(*back.lock().unwrap(), (0..250).collect::<Vec<_>>());
    }

    #[test]
    fn a_thread_that_was_held_up_does_not_flood() {
        let scene = Scene::new();
        let (back, b) = listener();
        scene.run(0, 30_000, true);
        scene.join(&b, 30_000, 20);
        scene.run(30_000, 30_100, true);
        let before = back.lock().unwrap().len();
        scene.track.send_past(scene.at(40_000));
        assert!(back.lock().unwrap().len() - before <= 2);
        // It catches up at twice the pace.
        for tick in 0..1_100 {
            scene.track.send_past(scene.at(40_000 + tick * 10));
        }
        let heard = back.lock().unwrap().len();
        assert!(heard > 1_000, "{heard}");
    }

    #[test]
    fn closing_and_moving_takes_those_behind_along() {
        let scene = Scene::new();
        let (_, b) = listener();
        scene.run(0, 5_000, true);
        scene.join(&b, 5_000, 3);
        let other = Track::new(TrackId::new(2).unwrap(), Kept::default(), Arc::default());
        scene.track.move_listeners(&other);
        assert!(!scene.track.send_past(scene.at(5_010)), "nobody is left");
        assert!(b.tuned.is_to(other.id()));
        other.close();
        assert!(!b.tuned.is_to(other.id()));
    }
}
