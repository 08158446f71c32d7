//! The relay's gate over `signaling`: who a token's bearer is, what they may do, and
//! what they say to each other.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use relay::{Denied, Identity, Rights, Side, SourceDenied, SourceRight, Stations, Visitor};
use signaling::token::{Grants, Verifier};
use signaling::{Service, token};
use tokio::sync::mpsc;
use tokio::time::Instant;
use wire::StationId;
use wire::message::Station;

use crate::config::Settings;
use crate::passwords::{Busy, Passwords};

mod keys;
mod revoked;
mod side;

pub(crate) use keys::{check_keys, has_public_keys, mint};

use keys::{verifier, versions};
use revoked::Revoked;
use side::Registry;

/// The user whose password is a station's.
const SOURCE_USER: &str = "source";

/// How often the key files are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// Stations that went on air and whose rooms are not made yet. A further one's room
/// is made when it goes on air the next time.
const STARTED_MAX: usize = 1_024;

/// After the server's start sources return that were on air before: nobody is told.
const SOURCES_RETURN: Duration = Duration::from_secs(20);

/// Followers are told of the same station once in this time.
const TELL_INTERVAL: Duration = Duration::from_secs(600);

/// How often making a station's room is tried.
const TRIES: u32 = 5;

/// Answers the relay.
#[derive(Debug)]
pub(crate) struct Gate {
    settings: Settings,
    verifier: ArcSwap<Verifier>,
    service: Arc<Service>,
    registry: Arc<Registry>,
    started: mpsc::Sender<(StationId, String)>,
    passwords: Passwords,
}

/// Stations that went on air, for [`Gate::follow_stations`].
pub(crate) type Started = mpsc::Receiver<(StationId, String)>;

impl Gate {
    /// A gate with the configured keys; a secret is made when there are none.
    pub(crate) fn new(
        settings: &Settings,
        service: Arc<Service>,
    ) -> anyhow::Result<(Arc<Self>, Started)> {
        let (started, stations) = mpsc::channel(STARTED_MAX);
        let gate = Self {
            settings: settings.clone(),
            verifier: ArcSwap::from_pointee(verifier(settings)?),
            service,
            registry: Arc::new(Registry::new(Revoked::read(&settings.auth)?)),
            passwords: Passwords::new(settings)?,
            started,
        };
        Ok((Arc::new(gate), stations))
    }

    /// Reads the keys and the revoked tokens again whenever one of their files changes,
    /// for ever. Files that cannot be used leave things as they were.
    pub(crate) async fn follow_key_files(self: Arc<Self>) {
        let mut known = versions(&self.settings.auth);
        loop {
            tokio::time::sleep(LOOK).await;
            let found = versions(&self.settings.auth);
            if found == known {
                continue;
            }
            if let Err(error) = self.read_files() {
                tracing::error!(%error, "the keys of tokens stay as they were");
            } else {
                tracing::info!("the keys of tokens were read anew");
            }
            known = found;
        }
    }

    fn read_files(&self) -> anyhow::Result<()> {
        let verifier = verifier(&self.settings)?;
        let revoked = Revoked::read(&self.settings.auth)?;
        self.verifier.store(Arc::new(verifier));
        self.registry.set_revoked(revoked);
        Ok(())
    }

    /// Makes the rooms of the stations that are configured and of those that go on air,
    /// and tells their followers, for ever.
    pub(crate) async fn follow_stations(self: Arc<Self>, mut started: Started) {
        let begun = Instant::now();
        let mut told = HashMap::new();
        for station in &self.settings.stations {
            let name = station.name.clone();
            let name = name.unwrap_or_else(|| station.id.to_string());
            self.make_room(&station.id, &name, false).await;
        }
        while let Some((station, name)) = started.recv().await {
            told.retain(|_, at: &mut Instant| at.elapsed() < TELL_INTERVAL);
            let tell = begun.elapsed() > SOURCES_RETURN && !told.contains_key(&station);
            self.make_room(&station, &name, tell).await;
            told.insert(station, Instant::now());
        }
    }

    async fn make_room(&self, station: &StationId, name: &str, tell: bool) {
        for attempt in 1..=TRIES {
            match self.service.station_started(station, name, tell).await {
                Ok(()) => return,
                Err(error) if attempt == TRIES => {
                    tracing::error!(%station, %error, "the station has no room");
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(500) * attempt).await,
            }
        }
    }

    /// What is said beside the sound.
    pub(crate) fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Who a token is of, unless it is not to be trusted.
    pub(crate) fn identify(&self, token: &str) -> Result<token::Identity, Denied> {
        let found = self.verifier.load().verify(token, now_s());
        let found = found.map_err(|refused| Denied {
            reason: refused.to_string(),
        })?;
        let token_id = found.token_id.as_deref();
        if self.registry.is_revoked(&found.sub, token_id) {
            return Err(Denied {
                reason: revoked::REASON.to_owned(),
            });
        }
        Ok(found)
    }
}

#[async_trait::async_trait]
impl relay::Gate for Gate {
    async fn authenticate(&self, token: &str) -> Result<Identity, Denied> {
        let found = self.identify(token)?;
        Ok(Identity {
            sub: found.sub,
            name: found.name,
            token_id: found.token_id,
            expires_at: found.expires_at,
            rights: Rights {
                publish: stations(&found.grants.publish),
                moderate: stations(&found.grants.moderate),
                admin: found.grants.admin,
            },
        })
    }

    async fn authenticate_source(
        &self,
        station: &wire::StationId,
        user: &str,
        password: &str,
    ) -> Result<SourceRight, SourceDenied> {
        // A token is tried first: it costs microseconds, and no password looks like one.
        if password.split('.').count() == 3
            && let Ok(identity) = relay::Gate::authenticate(self, password).await
        {
            if !identity.may_publish(station) {
                return Err(SourceDenied::Forbidden);
            }
            return Ok(SourceRight {
                expires_at: Some(identity.expires_at),
                revoked: self.registry.watch_source(&identity, now_s()),
            });
        }
        if user != SOURCE_USER {
            return Err(SourceDenied::Unknown);
        }
        match self.passwords.check(station, password).await {
            Ok(true) => Ok(SourceRight::default()),
            Ok(false) => Err(SourceDenied::Unknown),
            Err(Busy) => Err(SourceDenied::Busy),
        }
    }

    fn open(&self, visitor: Visitor) -> Option<Arc<dyn Side>> {
        Some(side::open(&self.service, &self.registry, visitor))
    }

    fn method(&self, name: &str) -> Option<&'static str> {
        Service::method(name)
    }

    fn counts(&self) -> Vec<relay::Count> {
        let count = |name, help, value| relay::Count { name, help, value };
        let store = self.service.store().statements();
        let mut counts = vec![count(
            "store_statements",
            "Statements run by the database of what is said",
            store,
        )];
        if let Some(push) = self.service.push_counts() {
            let told = "Messages push services took";
            counts.push(count("push_delivered", told, push.delivered()));
            let given_up = "Messages to devices given up";
            counts.push(count("push_failed", given_up, push.failed()));
            let full = "Notifications no device was told of: the queue was full";
            counts.push(count("push_dropped", full, push.dropped()));
            let gone = "Devices forgotten because their push service knows them no more";
            counts.push(count("push_devices_gone", gone, push.gone()));
        }
        counts
    }

    async fn ready(&self) -> bool {
        self.service.store().ready().await.is_ok()
    }

    fn station_started(&self, station: &Station) {
        let started = (station.id.clone(), station.name.clone());
        if self.started.try_send(started).is_err() {
            tracing::warn!(station = %station.id, "too many stations at once: no room is made");
        }
    }
}

/// Seconds since the Unix epoch.
fn now_s() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}

/// The same identity as `signaling` knows it.
fn known(identity: &Identity) -> token::Identity {
    token::Identity {
        sub: identity.sub.clone(),
        name: identity.name.clone(),
        token_id: identity.token_id.clone(),
        expires_at: identity.expires_at,
        grants: Grants {
            publish: listed(&identity.rights.publish),
            moderate: listed(&identity.rights.moderate),
            admin: identity.rights.admin,
        },
    }
}

fn listed(stations: &Stations) -> Vec<String> {
    match stations {
        Stations::All => vec!["*".to_owned()],
        Stations::Only(stations) => stations.iter().map(ToString::to_string).collect(),
    }
}

/// What names no station grants nothing; the verifier has dropped it already.
fn stations(list: &[String]) -> Stations {
    if list.iter().any(|entry| entry == "*") {
        return Stations::All;
    }
    Stations::Only(list.iter().filter_map(|entry| entry.parse().ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_become_sets_of_stations() {
        let list = |entries: &[&str]| {
            entries
                .iter()
                .map(|&entry| entry.to_owned())
                .collect::<Vec<_>>()
        };
        let demo = "demo".parse().unwrap();
        assert!(stations(&list(&["a", "*"])).contains(&demo));
        assert!(stations(&list(&["demo"])).contains(&demo));
        assert!(!stations(&list(&["demo2", "No Station"])).contains(&demo));
        assert!(!stations(&[]).contains(&demo));
        for entries in [list(&["*"]), list(&["a", "demo"])] {
            assert_eq!(listed(&stations(&entries)), entries);
        }
    }
}
