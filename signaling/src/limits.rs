//! How often somebody may do something: token buckets, all in one place.

use std::collections::HashMap;

/// What is limited separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// Messages, edits, deletions.
    Write,
    /// Reactions, interactions, marks.
    Touch,
    Typing,
    /// History, lists, search.
    Read,
    /// Making and changing rooms, inviting, reporting.
    Manage,
    Subscribe,
    /// Signing in as a guest.
    Guest,
}

impl Kind {
    /// What the one who is refused is told.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Touch => "touch",
            Self::Typing => "typing",
            Self::Read => "read",
            Self::Manage => "manage",
            Self::Subscribe => "subscribe",
            Self::Guest => "guest",
        }
    }
}

/// A bucket's measure: `burst` at once, then `per_minute` over any longer time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many at once.
    pub burst: u32,
    /// How many in a minute.
    pub per_minute: u32,
}

/// The rates of one user, by kind. An address has four times as much, for all
/// its users together; whoever is anonymous has the address's alone.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    /// Messages, edits, deletions. Default 10 at once, 60 a minute.
    pub write: Rate,
    /// Reactions, interactions, marks. Default 60 at once, 600 a minute.
    pub touch: Rate,
    /// Typing. Default 5 at once, 40 a minute.
    pub typing: Rate,
    /// History, lists, search. Default 60 at once, 600 a minute.
    pub read: Rate,
    /// Making and changing rooms, inviting, reporting. Default 10 at once, 30 a minute.
    pub manage: Rate,
    /// Subscriptions. Default 128 at once, 600 a minute.
    pub subscribe: Rate,
    /// Signing in as a guest, which only an address can do. Default 5 at once, 10 a minute.
    pub guest: Rate,
}

impl Default for Rates {
    fn default() -> Self {
        let rate = |burst, per_minute| Rate { burst, per_minute };
        Self {
            write: rate(10, 60),
            touch: rate(60, 600),
            typing: rate(5, 40),
            read: rate(60, 600),
            manage: rate(10, 30),
            subscribe: rate(128, 600),
            guest: rate(5, 10),
        }
    }
}

impl Rates {
    fn of(&self, kind: Kind) -> Rate {
        match kind {
            Kind::Write => self.write,
            Kind::Touch => self.touch,
            Kind::Typing => self.typing,
            Kind::Read => self.read,
            Kind::Manage => self.manage,
            Kind::Subscribe => self.subscribe,
            Kind::Guest => self.guest,
        }
    }
}

/// What an address may do beside what a user may.
const ADDRESS_FACTOR: u32 = 4;

/// Above so many buckets the full ones are thrown away: they say nothing.
const BUCKETS_MAX: usize = 20_000;

/// Whose bucket it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Holder {
    User(String),
    Address(std::net::Ipv6Addr),
}

/// All buckets.
#[derive(Debug)]
pub(crate) struct Limits {
    rates: Rates,
    buckets: HashMap<(Kind, Holder), Bucket>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// In units of which one request costs [`COST`].
    level: u64,
    at: i64,
}

/// Microseconds in a minute: a bucket gains its `per_minute` units each microsecond.
const COST: u64 = 60_000_000;

impl Limits {
    pub(crate) fn new(rates: Rates) -> Self {
        Self {
            rates,
            buckets: HashMap::new(),
        }
    }

    /// Takes one from every holder's bucket, or from none and tells how many
    /// milliseconds to wait.
    pub(crate) fn take(&mut self, kind: Kind, holders: &[Holder], now: i64) -> Result<(), u64> {
        self.prune(now);
        let mut wait = 0;
        let mut filled = Vec::with_capacity(holders.len());
        for holder in holders {
            let key = (kind, holder.clone());
            let rate = self.rate(&key);
            let bucket = fill(self.buckets.get(&key).copied(), rate, now);
            if bucket.level < COST {
                let missing = COST - bucket.level;
                wait = wait.max(missing.div_ceil(u64::from(rate.per_minute.max(1)) * 1_000));
            }
            filled.push((key, bucket));
        }
        if wait > 0 {
            return Err(wait);
        }
        for (key, mut bucket) in filled {
            bucket.level -= COST;
            self.buckets.insert(key, bucket);
        }
        Ok(())
    }

    fn rate(&self, key: &(Kind, Holder)) -> Rate {
        let rate = self.rates.of(key.0);
        match key.1 {
            Holder::User(_) => rate,
            Holder::Address(_) => Rate {
                burst: rate.burst.saturating_mul(ADDRESS_FACTOR),
                per_minute: rate.per_minute.saturating_mul(ADDRESS_FACTOR),
            },
        }
    }

    fn prune(&mut self, now: i64) {
        if self.buckets.len() < BUCKETS_MAX {
            return;
        }
        let mut buckets = std::mem::take(&mut self.buckets);
        buckets.retain(|key, bucket| {
            let rate = self.rate(key);
            fill(Some(*bucket), rate, now).level < full(rate)
        });
        // A flood from that many addresses at once starts anew.
        if buckets.len() >= BUCKETS_MAX {
            buckets.clear();
        }
        self.buckets = buckets;
    }
}

fn full(rate: Rate) -> u64 {
    u64::from(rate.burst.max(1)) * COST
}

fn fill(bucket: Option<Bucket>, rate: Rate, now: i64) -> Bucket {
    let level = bucket.map_or(full(rate), |bucket| {
        let passed = u64::try_from(now - bucket.at).unwrap_or(0);
        let gained = passed.saturating_mul(u64::from(rate.per_minute));
        bucket.level.saturating_add(gained).min(full(rate))
    });
    Bucket { level, at: now }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        let write = Rate {
            burst: 3,
            per_minute: 60,
        };
        Limits::new(Rates {
            write,
            ..Rates::default()
        })
    }

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let mut limits = limits();
        let ann = [Holder::User("ann".into())];
        for _ in 0..3 {
            assert_eq!(limits.take(Kind::Write, &ann, 0), Ok(()));
        }
        assert_eq!(limits.take(Kind::Write, &ann, 0), Err(1_000));
        assert_eq!(limits.take(Kind::Write, &ann, 400_000), Err(600));
        assert_eq!(limits.take(Kind::Write, &ann, 1_000_000), Ok(()));
        assert_eq!(limits.take(Kind::Write, &ann, 1_000_000), Err(1_000));
        assert_eq!(limits.take(Kind::Read, &ann, 1_000_000), Ok(()));
        let mut passed = 0;
        for millis in 0..60_000 {
            passed += u32::from(
                limits
                    .take(Kind::Write, &ann, 2_000_000 + millis * 1_000)
                    .is_ok(),
            );
        }
        assert!((58..=62).contains(&passed), "{passed}");
    }

    #[test]
    fn users_behind_one_address_share_its_bucket_and_a_refusal_costs_nothing() {
        let mut limits = limits();
        let address = Holder::Address(std::net::Ipv6Addr::LOCALHOST);
        let mut passed = 0;
        for user in 0..100 {
            let holders = [Holder::User(format!("u{user}")), address.clone()];
            passed += u32::from(limits.take(Kind::Write, &holders, 0).is_ok());
        }
        assert_eq!(passed, 12);
        let one = [Holder::User("u99".into())];
        for _ in 0..3 {
            assert_eq!(
                limits.take(Kind::Write, &one, 0),
                Ok(()),
                "u99 was refused before and paid nothing"
            );
        }
    }

    #[test]
    fn buckets_are_bounded() {
        let mut limits = limits();
        for user in 0..(3 * BUCKETS_MAX) {
            let now = i64::try_from(user).unwrap();
            let _ = limits.take(Kind::Write, &[Holder::User(format!("u{user}"))], now);
        }
        assert!(limits.buckets.len() <= BUCKETS_MAX);
    }
}
