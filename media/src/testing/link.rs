//! The seeded link model.

use std::collections::BTreeMap;
use std::time::Duration;

/// A small seeded generator (splitmix64), the same on every platform.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// A generator that always yields the same for the same seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in 0 to 1.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }
}

/// How the delay added to each packet is distributed, with [`LinkConfig::jitter`] as mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Jitter {
    /// Exponentially.
    #[default]
    Exponential,
    /// Evenly, from nothing to twice the mean.
    Uniform,
    /// With a heavy tail: a Pareto distribution of shape 2, cut off at 100 times the mean.
    HeavyTail,
}

impl Jitter {
    fn draw(self, mean: Duration, rng: &mut Rng) -> Duration {
        let rest = 1.0 - rng.unit();
        mean.mul_f64(match self {
            Self::Exponential => -rest.ln(),
            Self::Uniform => 2.0 * rest,
            Self::HeavyTail => (rest.powf(-0.5) - 1.0).min(100.0),
        })
    }
}

/// How a link treats packets. The default is a clean link of 10 ms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinkConfig {
    /// Delay of every packet.
    pub delay: Duration,
    /// Mean of the delay added to each packet.
    pub jitter: Duration,
    /// How it is distributed.
    pub jitter_shape: Jitter,
    /// Whether packets stay in order; else they overtake each other. Those held back by
    /// `reorder` are overtaken in any case.
    pub in_order: bool,
    /// Bytes per second the link carries; 0 for any number.
    pub bytes_per_s: u64,
    /// Longest wait for its turn on a link of limited rate; a packet beyond it is lost.
    pub queue: Duration,
    /// Share of packets lost in the good state.
    pub loss: f64,
    /// Probability per packet of entering the bad state (Gilbert-Elliott), where all are lost.
    pub burst_enter: f64,
    /// Probability per packet of leaving it: the mean burst is one over this.
    pub burst_leave: f64,
    /// Share of packets delivered twice, the second 0 to 50 ms later.
    pub duplicate: f64,
    /// Share of packets held back by another 0 to 60 ms.
    pub reorder: f64,
}

impl LinkConfig {
    /// A clean link of 10 ms, the default.
    pub const CLEAN: Self = Self {
        delay: Duration::from_millis(10),
        jitter: Duration::ZERO,
        jitter_shape: Jitter::Exponential,
        in_order: false,
        bytes_per_s: 0,
        queue: Duration::from_millis(200),
        loss: 0.0,
        burst_enter: 0.0,
        burst_leave: 0.3,
        duplicate: 0.0,
        reorder: 0.0,
    };
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self::CLEAN
    }
}

/// A link that carries values of `T`. Not bounded: drain it as time passes.
#[derive(Debug)]
pub struct Link<T> {
    /// May be changed at any time.
    pub config: LinkConfig,
    rng: Rng,
    in_burst: bool,
    /// When the sender's end is free again, and the last arrival.
    free_at: Duration,
    last_arrival: Duration,
    flying: BTreeMap<(Duration, u64), T>,
    count: u64,
    /// Packets lost so far.
    pub lost: u64,
}

impl<T: Clone> Link<T> {
    /// A link with its own random numbers.
    #[must_use]
    pub fn new(config: LinkConfig, seed: u64) -> Self {
        Self {
            config,
            rng: Rng::new(seed),
            in_burst: false,
            free_at: Duration::ZERO,
            last_arrival: Duration::ZERO,
            flying: BTreeMap::new(),
            count: 0,
            lost: 0,
        }
    }

    /// Puts a packet on the link that takes no time to send.
    pub fn send(&mut self, now: Duration, packet: T) {
        self.send_sized(now, 0, packet);
    }

    /// Puts a packet of `bytes` on the link.
    pub fn send_sized(&mut self, now: Duration, bytes: usize, packet: T) {
        let turn = if self.in_burst {
            self.config.burst_leave
        } else {
            self.config.burst_enter
        };
        if self.rng.chance(turn) {
            self.in_burst = !self.in_burst;
        }
        if self.rng.chance(self.config.loss) || self.in_burst {
            self.lost += 1;
            return;
        }
        let Some(queued) = self.queue(now, bytes) else {
            self.lost += 1;
            return;
        };
        let mut delay = self.config.delay + queued;
        delay += self
            .config
            .jitter_shape
            .draw(self.config.jitter, &mut self.rng);
        if self.config.in_order {
            delay = delay.max(self.last_arrival.saturating_sub(now));
            self.last_arrival = now + delay;
        }
        if self.rng.chance(self.config.reorder) {
            delay += Duration::from_millis(60).mul_f64(self.rng.unit());
        }
        if self.rng.chance(self.config.duplicate) {
            let again = delay + Duration::from_millis(50).mul_f64(self.rng.unit());
            self.fly(now + again, packet.clone());
        }
        self.fly(now + delay, packet);
    }

    /// How long the packet waits and takes at the rate; `None` when the queue is full.
    fn queue(&mut self, now: Duration, bytes: usize) -> Option<Duration> {
        if self.config.bytes_per_s == 0 {
            return Some(Duration::ZERO);
        }
        let begins = self.free_at.max(now);
        if begins - now > self.config.queue {
            return None;
        }
        let seconds = bytes as f64 / self.config.bytes_per_s as f64;
        self.free_at = begins + Duration::from_secs_f64(seconds);
        Some(self.free_at - now)
    }

    /// The next packet that has arrived by `now`, with its time of arrival.
    pub fn receive(&mut self, now: Duration) -> Option<(Duration, T)> {
        let first = self.flying.first_entry()?;
        if first.key().0 > now {
            return None;
        }
        let ((at, _), packet) = first.remove_entry();
        Some((at, packet))
    }

    fn fly(&mut self, arrival: Duration, packet: T) {
        self.count += 1;
        self.flying.insert((arrival, self.count), packet);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limited_rate_delays_and_then_drops() {
        let config = LinkConfig {
            bytes_per_s: 10_000,
            queue: Duration::from_millis(100),
            in_order: true,
            ..LinkConfig::default()
        };
        let mut link = Link::new(config, 1);
        for n in 0..10 {
            link.send_sized(Duration::ZERO, 200, n);
        }
        // 20 ms each: five wait up to 100 ms, the sixth begins just then.
        assert_eq!(link.lost, 4);
        let arrivals: Vec<_> =
            std::iter::from_fn(|| link.receive(Duration::from_secs(1))).collect();
        assert_eq!(arrivals[0], (Duration::from_millis(30), 0));
        assert_eq!(arrivals[5], (Duration::from_millis(130), 5));
    }

    #[test]
    fn jitter_keeps_its_mean_and_order_when_asked() {
        for shape in [Jitter::Exponential, Jitter::Uniform, Jitter::HeavyTail] {
            let mut rng = Rng::new(4);
            let mean = Duration::from_millis(10);
            let sum: Duration = (0..100_000).map(|_| shape.draw(mean, &mut rng)).sum();
            let mean_ms = sum.as_secs_f64() / 100.0;
            assert!((9.0..11.0).contains(&mean_ms), "{shape:?} {mean_ms}");
        }
        let config = LinkConfig {
            jitter: Duration::from_millis(30),
            in_order: true,
            ..LinkConfig::default()
        };
        let mut link = Link::new(config, 5);
        (0..1000).for_each(|n| link.send(Duration::from_millis(n), n));
        let order: Vec<u64> = std::iter::from_fn(|| link.receive(Duration::from_secs(9)))
            .map(|(_, n)| n)
            .collect();
        assert!(order.is_sorted() && order.len() == 1000);
    }

    #[test]
    fn loss_is_as_configured_and_repeats_for_a_seed() {
        let config = LinkConfig {
            loss: 0.05,
            burst_enter: 0.01,
            burst_leave: 0.25,
            ..LinkConfig::default()
        };
        let run = || {
            let mut link = Link::new(config, 9);
            (0..50_000).for_each(|n| link.send(Duration::ZERO, n));
            link.lost
        };
        // 5 % and bursts: 1 in 26 packets in the bad state.
        assert!((3_800..5_000).contains(&run()), "{}", run());
        assert_eq!(run(), run());
    }
}
