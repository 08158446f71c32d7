//! Who may begin a handshake: those on air keep the processor.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::config::Config;

/// What to do with a first packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Accept,
    /// Come back with a token: costs us one packet and no memory.
    Retry,
    /// Keep it until the rate allows for another.
    Wait,
    /// Say no: the client need not repeat.
    Refuse,
    /// Say nothing: the client repeats after its timeout.
    Ignore,
}

/// What a connection is counted as.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted {
    address: Address,
    validated: bool,
    in_handshake: bool,
}

/// An IPv4 address, or the /64 of an IPv6 address: what one household has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Address(u64, bool);

impl Address {
    fn new(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(v4) => Self(u64::from(u32::from(v4)), false),
            IpAddr::V6(v6) => Self((u128::from(v6) >> 64) as u64, true),
        }
    }
}

/// What comes from one address.
#[derive(Debug, Clone, Copy, Default)]
struct There {
    sessions: usize,
    /// Of these, in handshake.
    handshakes: usize,
    /// First packets that wait.
    waiting: usize,
}

#[derive(Debug)]
pub(super) struct Admission {
    sessions: usize,
    handshakes: usize,
    unvalidated: usize,
    /// Validated connections; an address not validated may be anybody's.
    by_address: FxHashMap<Address, There>,
    /// Handshakes that may begin now, in millionths.
    budget: u64,
    refilled: Instant,
    /// The thread has no time for more.
    is_full: bool,
}

/// The budget saved up while nobody comes, in seconds' worth as a fraction: a quarter.
const BURST_PARTS: u64 = 4;

impl Admission {
    pub(super) fn new(now: Instant, config: &Config) -> Self {
        Self {
            sessions: 0,
            handshakes: 0,
            unvalidated: 0,
            by_address: FxHashMap::default(),
            budget: burst(config),
            refilled: now,
            is_full: false,
        }
    }

    pub(super) fn judge(
        &mut self,
        now: Instant,
        config: &Config,
        remote: SocketAddr,
        is_validated: bool,
    ) -> Verdict {
        self.refill(now, config);
        if self.is_full || self.sessions >= config.sessions_max {
            return Verdict::Refuse;
        }
        let address = Address::new(remote.ip());
        let there = self.by_address.get(&address).copied().unwrap_or_default();
        let is_full = there.sessions >= config.sessions_per_address_max;
        let is_pushing = there.handshakes + there.waiting >= config.handshakes_per_address_max;
        let crowded = self.unvalidated >= config.handshakes_unvalidated_max;
        let starved = self.budget < 1_000_000;
        if !is_validated {
            // Who is over a limit must first show that the address is its own.
            if crowded || starved || is_full || is_pushing {
                return Verdict::Retry;
            }
        } else if is_full {
            return Verdict::Refuse;
        } else if is_pushing {
            return Verdict::Ignore;
        }
        if self.handshakes >= config.handshakes_max {
            return Verdict::Ignore;
        }
        if starved {
            return Verdict::Wait;
        }
        Verdict::Accept
    }

    /// A first packet from there begins to wait.
    pub(super) fn wait(&mut self, remote: SocketAddr) {
        let address = Address::new(remote.ip());
        self.by_address.entry(address).or_default().waiting += 1;
    }

    /// It waits no more.
    pub(super) fn waited(&mut self, remote: SocketAddr) {
        let address = Address::new(remote.ip());
        if let Some(there) = self.by_address.get_mut(&address) {
            there.waiting -= 1;
            self.forget_empty(address);
        }
    }

    /// When another handshake may begin, if not now.
    pub(super) fn next_turn(&self, config: &Config) -> Instant {
        let missing = 1_000_000_u64.saturating_sub(self.budget);
        let rate = u64::from(config.handshakes_per_second).max(1);
        self.refilled + Duration::from_micros(missing.div_ceil(rate))
    }

    pub(super) fn begin(&mut self, remote: SocketAddr, is_validated: bool) -> Counted {
        self.budget = self.budget.saturating_sub(1_000_000);
        self.sessions += 1;
        self.handshakes += 1;
        let address = Address::new(remote.ip());
        if is_validated {
            let there = self.by_address.entry(address).or_default();
            there.sessions += 1;
            there.handshakes += 1;
        } else {
            self.unvalidated += 1;
        }
        Counted {
            address,
            validated: is_validated,
            in_handshake: true,
        }
    }

    /// A session is requested: the handshake is done, and so the address is valid.
    pub(super) fn arrived(&mut self, counted: &mut Counted) {
        if !std::mem::take(&mut counted.in_handshake) {
            return;
        }
        self.handshakes -= 1;
        if !std::mem::replace(&mut counted.validated, true) {
            self.unvalidated -= 1;
            self.by_address.entry(counted.address).or_default().sessions += 1;
        } else if let Some(there) = self.by_address.get_mut(&counted.address) {
            there.handshakes -= 1;
        }
    }

    pub(super) fn end(&mut self, counted: Counted) {
        self.sessions -= 1;
        self.handshakes -= usize::from(counted.in_handshake);
        if !counted.validated {
            self.unvalidated -= 1;
            return;
        }
        if let Some(there) = self.by_address.get_mut(&counted.address) {
            there.sessions -= 1;
            there.handshakes -= usize::from(counted.in_handshake);
            self.forget_empty(counted.address);
        }
    }

    fn forget_empty(&mut self, address: Address) {
        let there = self.by_address.get(&address);
        if there.is_some_and(|there| there.sessions == 0 && there.waiting == 0) {
            self.by_address.remove(&address);
        }
    }

    pub(super) fn set_full(&mut self, is_full: bool) {
        self.is_full = is_full;
    }

    pub(super) fn is_full(&self) -> bool {
        self.is_full
    }

    pub(super) fn sessions(&self) -> usize {
        self.sessions
    }

    pub(super) fn handshakes(&self) -> usize {
        self.handshakes
    }

    fn refill(&mut self, now: Instant, config: &Config) {
        let micros = now.saturating_duration_since(self.refilled).as_micros() as u64;
        let gained = micros.saturating_mul(u64::from(config.handshakes_per_second));
        self.budget = self.budget.saturating_add(gained).min(burst(config));
        self.refilled = now;
    }
}

fn burst(config: &Config) -> u64 {
    (u64::from(config.handshakes_per_second) * 1_000_000 / BURST_PARTS).max(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::server_tls;

    fn config() -> Config {
        let mut config = Config::new(server_tls());
        config.sessions_max = 100;
        config.sessions_per_address_max = 3;
        config.handshakes_unvalidated_max = 5;
        config.handshakes_per_second = 1_000_000;
        config
    }

    fn client(number: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, number], 5000))
    }

    #[test]
    fn a_flood_of_unvalidated_addresses_is_told_to_come_back() {
        let (now, config) = (Instant::now(), config());
        let mut admission = Admission::new(now, &config);
        for number in 0..5 {
            assert_eq!(
                admission.judge(now, &config, client(number), false),
                Verdict::Accept
            );
            admission.begin(client(number), false);
        }
        assert_eq!(
            admission.judge(now, &config, client(9), false),
            Verdict::Retry
        );
        assert_eq!(
            admission.judge(now, &config, client(9), true),
            Verdict::Accept
        );
    }

    #[test]
    fn one_address_has_its_share_and_gets_it_back() {
        let (now, config) = (Instant::now(), config());
        let mut admission = Admission::new(now, &config);
        let mut counted: Vec<_> = (0..3)
            .map(|_| {
                let mut counted = admission.begin(client(1), false);
                admission.arrived(&mut counted);
                counted
            })
            .collect();
        assert_eq!(
            admission.judge(now, &config, client(1), false),
            Verdict::Retry
        );
        assert_eq!(
            admission.judge(now, &config, client(1), true),
            Verdict::Refuse
        );
        assert_eq!(
            admission.judge(now, &config, client(2), true),
            Verdict::Accept
        );
        admission.end(counted.pop().unwrap());
        assert_eq!(
            admission.judge(now, &config, client(1), true),
            Verdict::Accept
        );
        for counted in counted {
            admission.end(counted);
        }
        assert_eq!((admission.sessions(), admission.handshakes()), (0, 0));
        assert!(admission.by_address.is_empty());
    }

    #[test]
    fn one_address_begins_so_many_handshakes_at_once() {
        let (now, mut config) = (Instant::now(), config());
        config.sessions_per_address_max = 100;
        config.handshakes_per_address_max = 2;
        let mut admission = Admission::new(now, &config);
        let mut first = admission.begin(client(1), true);
        let second = admission.begin(client(1), true);
        let judge = |admission: &mut Admission, number, is_validated| {
            admission.judge(now, &config, client(number), is_validated)
        };
        assert_eq!(judge(&mut admission, 1, true), Verdict::Ignore);
        assert_eq!(judge(&mut admission, 1, false), Verdict::Retry);
        assert_eq!(judge(&mut admission, 2, true), Verdict::Accept);
        admission.arrived(&mut first);
        assert_eq!(judge(&mut admission, 1, true), Verdict::Accept);
        let third = admission.begin(client(1), true);
        assert_eq!(judge(&mut admission, 1, true), Verdict::Ignore);
        admission.end(second);
        assert_eq!(judge(&mut admission, 1, true), Verdict::Accept);
        admission.end(first);
        admission.end(third);
        assert!(admission.by_address.is_empty());
    }

    #[test]
    fn handshakes_have_a_rate() {
        let (now, mut config) = (Instant::now(), config());
        config.handshakes_per_second = 8;
        let mut admission = Admission::new(now, &config);
        for _ in 0..2 {
            assert_eq!(
                admission.judge(now, &config, client(1), false),
                Verdict::Accept
            );
            admission.begin(client(1), false);
        }
        assert_eq!(
            admission.judge(now, &config, client(1), false),
            Verdict::Retry
        );
        assert_eq!(
            admission.judge(now, &config, client(1), true),
            Verdict::Wait
        );
        let later = now + Duration::from_millis(125);
        assert_eq!(admission.next_turn(&config), later);
        assert_eq!(
            admission.judge(later, &config, client(1), true),
            Verdict::Accept
        );
    }

    #[test]
    fn who_waits_counts_for_its_address() {
        let (now, mut config) = (Instant::now(), config());
        config.sessions_per_address_max = 100;
        config.handshakes_per_address_max = 3;
        config.handshakes_per_second = 4;
        let mut admission = Admission::new(now, &config);
        let judge =
            |admission: &mut Admission, number| admission.judge(now, &config, client(number), true);
        let begun = admission.begin(client(1), true);
        for _ in 0..2 {
            assert_eq!(judge(&mut admission, 1), Verdict::Wait);
            admission.wait(client(1));
        }
        assert_eq!(judge(&mut admission, 1), Verdict::Ignore);
        assert_eq!(judge(&mut admission, 2), Verdict::Wait);
        admission.end(begun);
        admission.waited(client(1));
        assert_eq!(judge(&mut admission, 1), Verdict::Wait);
        admission.waited(client(1));
        assert!(admission.by_address.is_empty());
    }

    #[test]
    fn a_full_house_says_so() {
        let (now, mut config) = (Instant::now(), config());
        config.sessions_max = 1;
        let mut admission = Admission::new(now, &config);
        admission.begin(client(1), false);
        assert_eq!(
            admission.judge(now, &config, client(2), false),
            Verdict::Refuse
        );
    }

    #[test]
    fn neighbours_in_a_64_count_as_one() {
        let near = Address::new("2001:db8::1".parse().unwrap());
        assert_eq!(near, Address::new("2001:db8::ffff".parse().unwrap()));
        assert_ne!(near, Address::new("2001:db8:0:1::1".parse().unwrap()));
        let mapped = Address::new("::ffff:10.0.0.1".parse().unwrap());
        assert_eq!(mapped, Address::new("10.0.0.1".parse().unwrap()));
    }
}
