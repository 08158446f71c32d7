//! One player: a receiver with its buffers at fixed addresses.

use std::time::Duration;

use media::receiver::{Arrival, Config, Profile, REQUEST_MAX, Receiver, Repair, State, Stats};
use media::renumber::Renumber;
use wire::audio::{DATAGRAM_BYTES_MAX, Datagram};
use wire::{TrackId, repair};

/// Sample frames one call of [`Player::process`] can make: more than any quantum.
pub(crate) const FRAMES_MAX: usize = 4096;

/// Values in the block of statistics; see the README for their order.
pub const STATS_LEN: usize = 25;

/// What became of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Status {
    /// It is stored and will play.
    Stored = 0,
    /// Its packet came too late.
    Late = 1,
    /// Its packet had come before.
    Duplicate = 2,
    /// It does not fit the stream; if more like it follow, the stream restarts.
    Doubtful = 3,
    /// It belongs to another track.
    OtherTrack = 4,
    /// It is no audio datagram, or holds no Opus packet.
    Malformed = -1,
}

/// A receiver of one track at a time, with buffers that never move.
#[derive(Debug)]
pub struct Player {
    receiver: Receiver,
    numbers: Renumber,
    /// The track listened to; 0 takes any.
    track: u64,
    input: Box<[u8]>,
    interleaved: Box<[f32]>,
    left: Box<[f32]>,
    right: Box<[f32]>,
    stats: Box<[f64]>,
    ignored: u64,
    /// Whether anything is to be repaired.
    repairs: bool,
    /// Of fixed capacity, so that it never moves.
    request: Vec<u8>,
}

impl Player {
    /// A player for an audio context of `output_rate` Hz.
    #[must_use]
    pub fn new(output_rate: u32) -> Self {
        let config = Config {
            output_rate,
            ..Config::default()
        };
        let zeros = |count: usize| vec![0.0f32; count].into_boxed_slice();
        Self {
            receiver: Receiver::new(config),
            numbers: Renumber::default(),
            track: 0,
            input: vec![0; DATAGRAM_BYTES_MAX].into_boxed_slice(),
            interleaved: zeros(FRAMES_MAX * 2),
            left: zeros(FRAMES_MAX),
            right: zeros(FRAMES_MAX),
            stats: vec![0.0; STATS_LEN].into_boxed_slice(),
            ignored: 0,
            repairs: true,
            request: Vec::with_capacity(repair::BYTES_MAX),
        }
    }

    /// Where a datagram is to be written, [`DATAGRAM_BYTES_MAX`] bytes.
    pub fn input(&mut self) -> &mut [u8] {
        &mut self.input
    }

    /// The left and right channel of the last [`Self::process`].
    #[must_use]
    pub fn output(&self) -> [&[f32]; 2] {
        [&self.left, &self.right]
    }

    /// Handles the first `length` bytes of the input, a datagram that arrived at `now`.
    pub fn datagram(&mut self, length: usize, now: Duration) -> Status {
        let decoded = self.input.get(..length).map(Datagram::decode);
        let Some(Ok(datagram)) = decoded else {
            self.ignored += 1;
            return Status::Malformed;
        };
        if self.track != 0 && u64::from(datagram.track) != self.track {
            self.ignored += 1;
            return Status::OtherTrack;
        }
        let Some(datagram) = self.numbers.map(datagram) else {
            return Status::Late;
        };
        match self.receiver.handle_datagram(now, &datagram) {
            Ok(Arrival::Stored) => Status::Stored,
            Ok(Arrival::Late) => Status::Late,
            Ok(Arrival::Duplicate) => Status::Duplicate,
            Ok(Arrival::Doubtful) => Status::Doubtful,
            Err(_) => Status::Malformed,
        }
    }

    /// Makes `frames` (at most 4,096) sample frames; answers how many it made.
    pub fn process(&mut self, frames: usize, now: Duration) -> usize {
        let frames = frames.min(FRAMES_MAX);
        let sound = &mut self.interleaved[..frames * 2];
        self.receiver.pull(now, sound);
        let sides = self.left.iter_mut().zip(self.right.iter_mut());
        for ((left, right), pair) in sides.zip(sound.chunks_exact(2)) {
            *left = pair[0];
            *right = pair[1];
        }
        frames
    }

    /// Listens to this track from now on, 0 to any; another one than before begins anew.
    pub fn set_track(&mut self, track: u64) {
        if self.track != track {
            self.track = track;
            self.restart();
        }
    }

    /// Listens to this track from now on, which is on the media time of the one before: what
    /// came of that plays out, and the new one follows without a seam.
    pub fn change_track(&mut self, track: u64) {
        if self.track != track {
            self.track = track;
            self.numbers.change();
        }
    }

    /// Forgets the stream: the next packet begins anew.
    pub fn restart(&mut self) {
        self.receiver.restart();
        self.numbers.reset();
    }

    /// Weighs delay against faults: 0 interactive, 1 live, 2 safe; others change nothing.
    pub fn set_latency(&mut self, profile: u32) {
        let profile = match profile {
            0 => Profile::Interactive,
            1 => Profile::Live,
            2 => Profile::Safe,
            _ => return,
        };
        self.receiver.set_profile(profile);
    }

    /// Whether datagrams are bundles of packets.
    pub fn set_bundled(&mut self, bundled: bool) {
        self.receiver.set_bundled(bundled);
    }

    /// How many bytes repair may cost: 0 nothing, 1 economy, 2 auto, 3 robust; others change
    /// nothing.
    pub fn set_repair(&mut self, budget: u32) {
        let budget = match budget {
            0 => None,
            1 => Some(Repair::Economy),
            2 => Some(Repair::Auto),
            3 => Some(Repair::Robust),
            _ => return,
        };
        self.repairs = budget.is_some();
        self.receiver.set_repair(budget.unwrap_or_default());
    }

    /// Writes the request for what is missing now; answers its length, 0 for none. Allocates
    /// nothing.
    pub fn poll_request(&mut self, now: Duration) -> usize {
        self.request.clear();
        let track = TrackId::new(self.track).filter(|_| self.repairs);
        if let Some(track) = track
            && let Some(wanted) = self.receiver.poll_request(now)
        {
            let mut sequences = [0; REQUEST_MAX];
            let numbers = wanted.sequences().iter();
            let own = numbers.filter_map(|number| self.numbers.unmap(*number));
            let mut count = 0;
            for (sequence, own) in sequences.iter_mut().zip(own) {
                *sequence = own;
                count += 1;
            }
            // What a receiver asks for fits a request; else there is none.
            let _ = repair::encode(track, &sequences[..count], &mut self.request);
        }
        self.request.len()
    }

    /// The request written last.
    #[must_use]
    pub fn request(&self) -> &[u8] {
        &self.request
    }

    /// The level of redundancy that would serve best, 0 to 2.
    #[must_use]
    pub fn redundancy_wanted(&self) -> u8 {
        match self.repairs {
            true => self.receiver.redundancy_wanted(),
            false => 0,
        }
    }

    /// The receiver.
    pub fn receiver(&mut self) -> &mut Receiver {
        &mut self.receiver
    }

    /// Brings the block of statistics up to date.
    pub fn refresh_stats(&mut self) -> &[f64] {
        let stats = self.receiver.stats();
        self.stats.copy_from_slice(&block(&stats));
        self.stats[0] = state_code(self.receiver.state());
        self.stats[1] = self.position();
        self.stats[22] = self.ignored as f64;
        &self.stats
    }

    /// Media time of the next sample, or -1.
    #[must_use]
    pub fn position(&self) -> f64 {
        self.receiver
            .position()
            .map_or(-1.0, |position| position as f64)
    }
}

/// 0 buffering, 1 playing, 2 interrupted.
pub(crate) fn state_code(state: State) -> f64 {
    match state {
        State::Buffering => 0.0,
        State::Playing => 1.0,
        State::Interrupted => 2.0,
    }
}

fn block(stats: &Stats) -> [f64; STATS_LEN] {
    let play = stats
        .play
        .map_or([-1.0; 3], |play| [play.p50, play.p95, play.p99]);
    [
        0.0,
        0.0,
        stats.packets as f64,
        stats.lost as f64,
        stats.late as f64,
        stats.duplicates as f64,
        stats.recovered as f64,
        stats.rejected as f64,
        stats.concealed_ms,
        stats.skipped_ms,
        stats.underruns as f64,
        stats.restarts as f64,
        stats.buffer_ms,
        stats.target_ms,
        stats.delay_ms,
        stats.speed_ppm,
        stats.arrival.p50,
        stats.arrival.p95,
        stats.arrival.p99,
        play[0],
        play[1],
        play[2],
        0.0,
        stats.retransmitted as f64,
        stats.jitter_ms,
    ]
}
