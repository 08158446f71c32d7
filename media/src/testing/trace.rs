//! Arrival traces: what a network did to packets over time, as data.
//!
//! A trace has one entry per 20 ms: the delay in ms beyond the path's least that a packet sent
//! then would see, or `x` where it would be lost. What is sent twice at one time meets the
//! same fate twice. Packets stay in order. A trace repeats when it ends.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::Duration;

use super::Rng;

/// Time one entry stands for.
pub const ENTRY: Duration = Duration::from_millis(20);

/// Entries of a generated trace: two minutes.
const ENTRIES: usize = 6000;

/// Entries lost in a row that make an outage.
const OUTAGE: usize = 3;

/// An outage is over once the delay is within this of what it was before, in ms.
const OUTAGE_OVER_MS: u16 = 10;

/// A network's behaviour over time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// The least delay of one way.
    pub base: Duration,
    /// Delay in ms beyond it, or lost.
    pub entries: Vec<Option<u16>>,
}

/// The networks there are traces of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// A quiet wired network: 5 ms, next to no jitter.
    Clean,
    /// A home's Wi-Fi: 12 ms, some loss, and every few seconds a burst of other traffic.
    Wifi,
    /// A moving phone: 30 ms, wandering delay, an outage at each handover.
    Lte,
    /// A full uplink: 25 ms, a queue that fills and drains, losses when it is full.
    Congested,
    /// A geostationary satellite: 280 ms, random loss and short fades.
    Satellite,
}

impl Network {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Clean,
        Self::Wifi,
        Self::Lte,
        Self::Congested,
        Self::Satellite,
    ];

    /// Its short name, that of its file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Wifi => "wifi",
            Self::Lte => "lte",
            Self::Congested => "congested",
            Self::Satellite => "satellite",
        }
    }

    /// The trace of that seed; that of seed 1 is kept with the sources.
    #[must_use]
    pub fn trace(self, seed: u64) -> Trace {
        match seed {
            1 => self.kept(),
            _ => self.generate(seed),
        }
    }

    /// How much later in the trace the way back begins. A handover cuts both ways at once;
    /// else they have little to do with each other.
    #[must_use]
    pub fn shift_back(self) -> Duration {
        match self {
            Self::Lte => Duration::ZERO,
            _ => Duration::from_secs(57),
        }
    }

    fn kept(self) -> Trace {
        let text = match self {
            Self::Clean => include_str!("../../traces/clean.txt"),
            Self::Wifi => include_str!("../../traces/wifi.txt"),
            Self::Lte => include_str!("../../traces/lte.txt"),
            Self::Congested => include_str!("../../traces/congested.txt"),
            Self::Satellite => include_str!("../../traces/satellite.txt"),
        };
        Trace::parse(text).expect("the kept traces are well formed")
    }

    /// Makes the trace anew; it is the one kept for seed 1.
    #[must_use]
    pub fn generate(self, seed: u64) -> Trace {
        let mut rng = Rng::new(seed ^ (self as u64) << 32);
        let base_ms = match self {
            Self::Clean => 5,
            Self::Wifi => 12,
            Self::Lte => 30,
            Self::Congested => 25,
            Self::Satellite => 280,
        };
        let mut entries = vec![Some(0u16); ENTRIES];
        match self {
            Self::Clean => jitter(&mut entries, &mut rng, 0.4),
            Self::Wifi => wifi(&mut entries, &mut rng),
            Self::Lte => lte(&mut entries, &mut rng),
            Self::Congested => congested(&mut entries, &mut rng),
            Self::Satellite => satellite(&mut entries, &mut rng),
        }
        Trace {
            base: Duration::from_millis(base_ms),
            entries,
        }
    }
}

fn exponential(rng: &mut Rng, mean: f64) -> f64 {
    -(1.0 - rng.unit()).ln() * mean
}

fn add(entry: &mut Option<u16>, ms: f64) {
    if let Some(delay) = entry {
        *delay += ms.round() as u16;
    }
}

fn jitter(entries: &mut [Option<u16>], rng: &mut Rng, mean_ms: f64) {
    for entry in entries {
        add(entry, exponential(rng, mean_ms));
    }
}

fn lose(entries: &mut [Option<u16>], rng: &mut Rng, share: f64, more: f64) {
    let mut losing = false;
    for entry in entries {
        losing = rng.chance(if losing { more } else { share });
        if losing {
            *entry = None;
        }
    }
}

/// Calls `event` with the entries from each event on, `mean_s` seconds apart on average.
fn events(
    entries: &mut [Option<u16>],
    rng: &mut Rng,
    mean_s: f64,
    mut event: impl FnMut(&mut [Option<u16>], &mut Rng),
) {
    let mut at = 0;
    loop {
        at += 25 + (exponential(rng, mean_s) * 50.0) as usize;
        if at >= entries.len() {
            return;
        }
        event(&mut entries[at..], rng);
    }
}

/// A delay that jumps up and drains away, as a queue does.
fn peak(entries: &mut [Option<u16>], height_ms: f64, drain_ms: f64) {
    let mut height = height_ms;
    for entry in entries {
        add(entry, height);
        height -= drain_ms;
        if height <= 0.0 {
            return;
        }
    }
}

fn wifi(entries: &mut [Option<u16>], rng: &mut Rng) {
    jitter(entries, rng, 2.0);
    events(entries, rng, 4.0, |entries, rng| {
        let height = 15.0 + rng.unit() * 30.0;
        peak(entries, height, 6.0);
    });
    lose(entries, rng, 0.008, 0.25);
}

fn lte(entries: &mut [Option<u16>], rng: &mut Rng) {
    let mut wander = 8.0f64;
    for entry in &mut *entries {
        wander = (wander + (rng.unit() - 0.5) * 3.0).clamp(0.0, 25.0);
        add(entry, wander + exponential(rng, 2.5));
    }
    lose(entries, rng, 0.002, 0.2);
    events(entries, rng, 15.0, |entries, rng| {
        let lost = 3 + (rng.unit() * 9.0) as usize;
        let lost = lost.min(entries.len());
        entries[..lost].fill(None);
        let height = 40.0 + rng.unit() * 60.0;
        peak(&mut entries[lost..], height, 12.0);
    });
}

fn congested(entries: &mut [Option<u16>], rng: &mut Rng) {
    let mut queue = 0.0f64;
    let mut filling = true;
    for entry in entries.iter_mut() {
        queue += if filling { 1.2 } else { -2.5 } * (0.5 + rng.unit());
        if !(0.0..=110.0).contains(&queue) {
            filling = queue < 0.0;
        }
        queue = queue.clamp(0.0, 120.0);
        add(entry, queue + exponential(rng, 1.5));
        if queue > 90.0 && rng.chance(0.12) {
            *entry = None;
        }
    }
}

fn satellite(entries: &mut [Option<u16>], rng: &mut Rng) {
    jitter(entries, rng, 4.0);
    lose(entries, rng, 0.01, 0.1);
    events(entries, rng, 20.0, |entries, rng| {
        let fade = 2 + (rng.unit() * 5.0) as usize;
        let fade = fade.min(entries.len());
        entries[..fade].fill(None);
    });
}

impl Trace {
    /// Reads a trace: lines that begin with `#` are comments, `base N` gives the least delay
    /// in ms, all else is entries.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut base = None;
        let mut entries = Vec::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some(ms) = line.strip_prefix("base ") {
                base = Some(Duration::from_millis(ms.trim().parse().ok()?));
                continue;
            }
            for word in line.split_whitespace() {
                entries.push(match word {
                    "x" => None,
                    ms => Some(ms.parse().ok()?),
                });
            }
        }
        let base = base?;
        (!entries.is_empty()).then_some(Self { base, entries })
    }

    /// Writes it in the form [`Self::parse`] reads.
    #[must_use]
    pub fn to_text(&self, comment: &str) -> String {
        let mut text = format!("# {comment}\nbase {}\n", self.base.as_millis());
        for line in self.entries.chunks(50) {
            for (n, entry) in line.iter().enumerate() {
                text.push_str(if n == 0 { "" } else { " " });
                match entry {
                    Some(ms) => write!(text, "{ms}").expect("a string takes it"),
                    None => text.push('x'),
                }
            }
            text.push('\n');
        }
        text
    }

    /// Whether each entry is part of an outage: [`OUTAGE`] entries or more lost in a row, and
    /// those behind them, until the delay is back at what it was before.
    fn outages(&self) -> Vec<bool> {
        let mut outages = vec![false; self.entries.len()];
        let mut usual = 0;
        let mut run = 0;
        let mut recovering = false;
        for (n, entry) in self.entries.iter().enumerate() {
            match *entry {
                None => {
                    run += 1;
                    if run == OUTAGE {
                        recovering = true;
                        outages[n + 1 - OUTAGE..n].fill(true);
                    }
                }
                Some(delay) => {
                    run = 0;
                    recovering &= delay > usual + OUTAGE_OVER_MS;
                    if !recovering {
                        usual = delay;
                    }
                }
            }
            outages[n] = recovering;
        }
        outages
    }

    fn index(&self, now: Duration) -> usize {
        (now.as_nanos() / ENTRY.as_nanos()) as usize % self.entries.len()
    }

    fn at(&self, now: Duration) -> Option<Duration> {
        self.entries[self.index(now)].map(|ms| self.base + Duration::from_millis(u64::from(ms)))
    }
}

/// A path that does what a trace says. Not bounded: drain it as time passes.
#[derive(Debug)]
pub struct Replay<T> {
    trace: Trace,
    outages: Vec<bool>,
    /// Where in the trace it begins.
    shift: Duration,
    last_arrival: Duration,
    flying: VecDeque<(Duration, T)>,
}

impl<T> Replay<T> {
    /// Plays the trace from `shift` on at time 0.
    #[must_use]
    pub fn new(trace: Trace, shift: Duration) -> Self {
        Self {
            outages: trace.outages(),
            trace,
            shift,
            last_arrival: Duration::ZERO,
            flying: VecDeque::new(),
        }
    }

    /// How long a packet would take now; `None` if it would be lost.
    #[must_use]
    pub fn delay(&self, now: Duration) -> Option<Duration> {
        self.trace.at(now + self.shift)
    }

    /// Whether what is sent now meets an outage, or its aftermath.
    #[must_use]
    pub fn is_outage(&self, now: Duration) -> bool {
        self.outages[self.trace.index(now + self.shift)]
    }

    /// Puts a packet on the path.
    pub fn send(&mut self, now: Duration, packet: T) {
        let Some(delay) = self.trace.at(now + self.shift) else {
            return;
        };
        self.last_arrival = self.last_arrival.max(now + delay);
        self.flying.push_back((self.last_arrival, packet));
    }

    /// The next packet that has arrived by `now`, with its time of arrival.
    pub fn receive(&mut self, now: Duration) -> Option<(Duration, T)> {
        let (at, _) = self.flying.front()?;
        if *at > now {
            return None;
        }
        self.flying.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kept_traces_are_those_the_generator_makes() {
        for network in Network::ALL {
            let trace = network.generate(1);
            if std::env::var_os("SKYWAVE_WRITE_TRACES").is_some() {
                let path = format!(
                    "{}/traces/{}.txt",
                    env!("CARGO_MANIFEST_DIR"),
                    network.name()
                );
                let comment =
                    "Delay in ms beyond the base per 20 ms, x for lost; see testing::Trace.";
                std::fs::write(path, trace.to_text(comment)).unwrap();
            }
            assert_eq!(network.trace(1), trace, "{}", network.name());
        }
    }

    #[test]
    fn an_outage_lasts_until_the_delay_is_back() {
        let trace = Trace::parse("base 10\n5 x x 5 x x x 60 40 15 5 x 5\n").unwrap();
        let outage: Vec<usize> = (0..13).filter(|&n| trace.outages()[n]).collect();
        assert_eq!(outage, [4, 5, 6, 7, 8]);
    }

    #[test]
    fn packets_stay_in_order_and_lost_entries_lose_them() {
        let trace = Trace::parse("# a comment\nbase 10\n0 50 x\n0\n").unwrap();
        let mut replay = Replay::new(trace, Duration::ZERO);
        for n in 0..4u64 {
            replay.send(Duration::from_millis(20 * n), n);
        }
        let arrivals: Vec<_> =
            std::iter::from_fn(|| replay.receive(Duration::from_secs(1))).collect();
        let ms = Duration::from_millis;
        assert_eq!(arrivals, [(ms(10), 0), (ms(80), 1), (ms(80), 3)]);
    }
}
