//! Settings of what is said beside the sound.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use signaling::Rate;
use signaling::store;

use crate::cli::value;
use crate::config::Settings;

/// Where a database is. It shows without its password.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The SQLite file in the data folder.
    pub(crate) fn in_folder(folder: &Path) -> Self {
        // In the address a `?` begins parameters and a `%` an escape.
        let path = folder.join("skywave.db").display().to_string();
        Self(format!(
            "sqlite:{}",
            path.replace('%', "%25").replace('?', "%3f")
        ))
    }

    /// The address itself.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for DatabaseUrl {
    type Error = &'static str;

    fn try_from(url: String) -> Result<Self, Self::Error> {
        let known = ["sqlite:", "postgres:", "postgresql:"];
        match known.iter().any(|scheme| url.starts_with(scheme)) {
            true => Ok(Self(url)),
            false => Err("a database is sqlite:FILE or postgres://USER@HOST/DATABASE"),
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.starts_with("sqlite:") {
            return f.write_str(&self.0);
        }
        // A password may stand before the host and among the parameters.
        let (address, parameters) = match self.0.split_once('?') {
            Some((address, _)) => (address, "?(more)"),
            None => (&*self.0, ""),
        };
        let (scheme, rest) = address.split_once("://").unwrap_or((address, ""));
        let shown = match rest.rsplit_once('@') {
            Some((user, host)) => {
                let name = user.split(':').next().unwrap_or_default();
                let secret = if name == user { "" } else { ":(secret)" };
                format!("{name}{secret}@{host}")
            }
            None => rest.to_owned(),
        };
        write!(f, "{scheme}://{shown}{parameters}")
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for DatabaseUrl {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// How often a user may do what; `signaling::Rates` tells what is what.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Rates {
    write: PerMinute,
    touch: PerMinute,
    typing: PerMinute,
    read: PerMinute,
    manage: PerMinute,
    subscribe: PerMinute,
    guest: PerMinute,
}

impl Default for Rates {
    fn default() -> Self {
        let rates = signaling::Rates::default();
        Self {
            write: PerMinute(rates.write),
            touch: PerMinute(rates.touch),
            typing: PerMinute(rates.typing),
            read: PerMinute(rates.read),
            manage: PerMinute(rates.manage),
            subscribe: PerMinute(rates.subscribe),
            guest: PerMinute(rates.guest),
        }
    }
}

impl Rates {
    pub(super) fn service(&self) -> signaling::Rates {
        signaling::Rates {
            write: self.write.0,
            touch: self.touch.0,
            typing: self.typing.0,
            read: self.read.0,
            manage: self.manage.0,
            subscribe: self.subscribe.0,
            guest: self.guest.0,
        }
    }
}

impl Settings {
    /// What is said beside the sound, as its service takes it.
    /// It makes the key of Web Push when there is to be one.
    pub(crate) fn service(&self) -> anyhow::Result<signaling::Config> {
        let own = || DatabaseUrl::in_folder(&self.data_dir);
        let url = self.database_url.clone().unwrap_or_else(own);
        Ok(signaling::Config {
            push: self.push()?,
            rates: self.rates.service(),
            retention: self.retention.store(),
            ..signaling::Config::new(url.expose())
        })
    }
}

/// A rate as people write it: `60/min burst 10`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct PerMinute(Rate);

impl FromStr for PerMinute {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once("/min burst ").and_then(|(rate, burst)| {
            let rate = Rate {
                burst: burst.trim().parse().ok()?,
                per_minute: rate.trim().parse().ok()?,
            };
            (rate.burst > 0 && rate.per_minute > 0).then_some(rate)
        });
        parsed
            .map(Self)
            .ok_or_else(|| format!("'{text}' is no rate like '60/min burst 10'"))
    }
}

impl TryFrom<String> for PerMinute {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<PerMinute> for String {
    fn from(PerMinute(rate): PerMinute) -> Self {
        format!("{}/min burst {}", rate.per_minute, rate.burst)
    }
}

/// How long things are kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Retention {
    /// Events for clients that return.
    events: Kept,
    /// Messages in rooms.
    messages: Kept,
    /// Notifications.
    notifications: Kept,
}

impl Default for Retention {
    fn default() -> Self {
        let retention = store::Retention::default();
        Self {
            events: Kept(Some(retention.events)),
            messages: Kept(retention.messages),
            notifications: Kept(Some(retention.notifications)),
        }
    }
}

impl Retention {
    pub(super) fn store(&self) -> store::Retention {
        // A hundred years, which is for ever.
        const EVER: Duration = Duration::from_secs(3_155_760_000);
        store::Retention {
            events: self.events.0.unwrap_or(EVER),
            messages: self.messages.0,
            notifications: self.notifications.0.unwrap_or(EVER),
        }
    }
}

/// A time as people write it: `7d`, or `forever`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Kept(Option<Duration>);

impl TryFrom<String> for Kept {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match &*text {
            "forever" => Ok(Self(None)),
            text => value::duration(text).map(|time| Self(Some(time))),
        }
    }
}

impl From<Kept> for String {
    fn from(Kept(kept): Kept) -> Self {
        let Some(kept) = kept else {
            return "forever".to_owned();
        };
        match kept.as_secs() {
            days if days % 86_400 == 0 => format!("{}d", days / 86_400),
            seconds => format!("{seconds}s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_of_databases_do_not_show() {
        for (url, shown) in [
            ("sqlite:data/skywave.db", "sqlite:data/skywave.db"),
            (
                "postgres://ann:hunter2@db/sky",
                "postgres://ann:(secret)@db/sky",
            ),
            (
                "postgres://ann:hun@ter2@db/sky",
                "postgres://ann:(secret)@db/sky",
            ),
            ("postgres://ann@db/sky", "postgres://ann@db/sky"),
            (
                "postgresql:///sky?password=hunter2",
                "postgresql:///sky?(more)",
            ),
        ] {
            let url = DatabaseUrl::try_from(url.to_owned()).unwrap();
            assert_eq!(format!("{url}"), shown);
            assert_eq!(format!("{url:?}"), shown);
        }
        assert!(DatabaseUrl::try_from("mysql://x".to_owned()).is_err());
        let odd = DatabaseUrl::in_folder(Path::new("a?b%c"));
        assert_eq!(odd.expose(), "sqlite:a%3fb%25c/skywave.db");
    }

    #[test]
    fn rates_and_times_are_written_as_they_are_read() {
        for text in ["60/min burst 10", "1/min burst 1"] {
            let rate: PerMinute = text.parse().unwrap();
            assert_eq!(String::from(rate), text);
        }
        for bad in [
            "",
            "60",
            "60/min",
            "0/min burst 1",
            "1/min burst 0",
            "-1/min burst 1",
        ] {
            assert!(bad.parse::<PerMinute>().is_err(), "{bad}");
        }
        for text in ["7d", "90s", "forever"] {
            let kept = Kept::try_from(text.to_owned()).unwrap();
            assert_eq!(String::from(kept), text);
        }
        assert!(Kept::try_from("soon".to_owned()).is_err());
    }
}
