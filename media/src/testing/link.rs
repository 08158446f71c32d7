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

/// How a link treats packets. The default is a clean link of 10 ms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinkConfig {
    /// Delay of every packet.
    pub delay: Duration,
    /// Mean of the exponentially distributed delay added to each packet; packets overtake.
    pub jitter: Duration,
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

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            delay: Duration::from_millis(10),
            jitter: Duration::ZERO,
            loss: 0.0,
            burst_enter: 0.0,
            burst_leave: 0.3,
            duplicate: 0.0,
            reorder: 0.0,
        }
    }
}

/// A link that carries values of `T`. Not bounded: drain it as time passes.
#[derive(Debug)]
pub struct Link<T> {
    /// May be changed at any time.
    pub config: LinkConfig,
    rng: Rng,
    in_burst: bool,
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
            flying: BTreeMap::new(),
            count: 0,
            lost: 0,
        }
    }

    /// Puts a packet on the link.
    pub fn send(&mut self, now: Duration, packet: T) {
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
        let mut delay = self.config.delay;
        delay += self.config.jitter.mul_f64(-(1.0 - self.rng.unit()).ln());
        if self.rng.chance(self.config.reorder) {
            delay += Duration::from_millis(60).mul_f64(self.rng.unit());
        }
        if self.rng.chance(self.config.duplicate) {
            let again = delay + Duration::from_millis(50).mul_f64(self.rng.unit());
            self.fly(now + again, packet.clone());
        }
        self.fly(now + delay, packet);
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
