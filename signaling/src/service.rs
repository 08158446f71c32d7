//! The service: sessions come, ask, subscribe and go; what is committed reaches whom it concerns.

mod clock;
mod dispatch;
mod effects;
mod messages;
mod moderation;
mod people;
mod push;
mod rooms;
mod subscribe;
mod ticker;
mod uploads;

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::task::JoinSet;
use wire::StationId;
use wire::code::{CloseCode, ErrorCode};
use wire::frame::Error;
use wire::message::conversation::Watermarks;
use wire::message::notification::NotificationEvent;

use crate::batch::Batch;
use crate::caller::Caller;
use crate::hub::{Hub, Outbox, SessionId};
use crate::limits::{Holder, Kind, Limits, Rates};
use crate::presence::Users;
use crate::push::Push;
use crate::store::inbox::{self, Announcement, Target};
use crate::store::rooms::StationRoom;
use crate::store::{self, Asking, Retention, Store, StoreError};
use crate::text::Filter;
use crate::token::Identity;
use crate::typing::Writers;

use clock::Clock;

/// How to run the service.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where what is said is kept.
    pub store: store::Options,
    /// How often a user may do what.
    pub rates: Rates,
    /// How long things are kept.
    pub retention: Retention,
    /// Web Push; none, the default, when there is none.
    pub push: Option<crate::push::Config>,
}

impl Config {
    /// The defaults over that database.
    pub fn new(database_url: impl Into<String>) -> Self {
        Self {
            store: store::Options::new(database_url),
            rates: Rates::default(),
            retention: Retention::default(),
            push: None,
        }
    }
}

/// Rooms, conversations, presence and notifications. Dropping it ends its tasks;
/// what was acknowledged is in the database.
#[derive(Debug)]
pub struct Service {
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

/// A connected session; ends with [`Service::disconnect`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionHandle(SessionId);

/// How a session ended, as far as others are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The client closed it: its user is gone at once.
    Orderly,
    /// It vanished: its user has 15 s to come back before others are told.
    Abrupt,
}

/// What requests, effects and the ticker share.
#[derive(Debug)]
struct Shared {
    store: Store,
    hub: Hub,
    clock: Clock,
    cores: Mutex<Cores>,
    /// Wakes the ticker: something is due earlier than it knows.
    due: Notify,
    retention: Retention,
    push: Option<Push>,
    next_session: AtomicU64,
}

/// State in memory: all of it may be lost with the process.
#[derive(Debug)]
struct Cores {
    limits: Limits,
    presence: Users,
    writers: Writers,
    /// Marks of conversations' members, told every 250 ms.
    marks: Batch<(Arc<str>, String), Watermarks>,
    /// Members of rooms whose counts are to be told, at most once a second.
    counts: Batch<Arc<str>, u64>,
    /// Members of the rooms that somebody looks at.
    members: HashMap<Arc<str>, u64>,
    /// When users were last there, to be kept.
    seen: Batch<String, i64>,
    /// Users whose name is in the store.
    known: HashSet<(String, Option<String>)>,
    /// Word filters of rooms; of the empty name the one that holds everywhere.
    filters: HashMap<String, Arc<Filter>>,
}

const MARKS_INTERVAL: i64 = 250_000;
const COUNTS_INTERVAL: i64 = 1_000_000;
const SEEN_INTERVAL: i64 = 1_000_000;

/// Above so many remembered names or filters they are looked up anew.
const REMEMBERED_MAX: usize = 50_000;

impl Service {
    /// Opens the store and starts. It must be called within a tokio runtime.
    pub async fn start(config: &Config) -> Result<Self, StoreError> {
        let (store, effects) = Store::open(&config.store).await?;
        let cores = Cores {
            limits: Limits::new(config.rates),
            presence: Users::default(),
            writers: Writers::default(),
            marks: Batch::new(MARKS_INTERVAL),
            counts: Batch::new(COUNTS_INTERVAL),
            members: HashMap::new(),
            seen: Batch::new(SEEN_INTERVAL),
            known: HashSet::new(),
            filters: HashMap::new(),
        };
        let mut tasks = JoinSet::new();
        let push = config.push.as_ref().map(|config| {
            let (push, waiting) = Push::new(config);
            let (store, counts) = (store.clone(), Arc::clone(&push.counts));
            tasks.spawn(crate::push::run(store, config.clone(), counts, waiting));
            push
        });
        let shared = Arc::new(Shared {
            store,
            hub: Hub::default(),
            clock: Clock::start(),
            cores: Mutex::new(cores),
            due: Notify::new(),
            retention: config.retention,
            push,
            next_session: AtomicU64::new(1),
        });
        tasks.spawn(effects::run(shared.clone(), effects));
        tasks.spawn(ticker::run(shared.clone()));
        tasks.spawn(ticker::forget(shared.clone()));
        Ok(Self {
            shared,
            _tasks: tasks,
        })
    }

    /// Begins a session. Its pushes go to the outbox until [`Self::disconnect`].
    pub fn connect(
        &self,
        identity: Option<&Identity>,
        address: IpAddr,
        outbox: Arc<dyn Outbox>,
    ) -> SessionHandle {
        let shared = &self.shared;
        let id = SessionId(shared.next_session.fetch_add(1, Ordering::Relaxed));
        let caller = Arc::new(Caller::new(identity, address));
        shared.hub.connect(id, caller.clone(), outbox);
        shared.arrived(&caller);
        SessionHandle(id)
    }

    /// Ends a session: its subscriptions are gone. A second call does nothing.
    pub fn disconnect(&self, session: SessionHandle, end: End) {
        let shared = &self.shared;
        let rooms = shared.hub.rooms_of(session.0);
        let Some(caller) = shared.hub.disconnect(session.0) else {
            return;
        };
        for (room, _) in rooms {
            shared.count_again(&room, None);
        }
        shared.departed(&caller, end == End::Orderly);
    }

    /// Gives a session a new token, or none. Subscriptions it no longer allows end,
    /// each with a push `unsubscribed`.
    pub async fn identity_changed(&self, session: SessionHandle, identity: Option<&Identity>) {
        let shared = &self.shared;
        let Some(before) = shared.hub.caller(session.0) else {
            return;
        };
        let address = IpAddr::V6(before.address());
        let caller = Arc::new(Caller::new(identity, address));
        shared.hub.set_caller(session.0, caller.clone());
        if before.sub() != caller.sub() {
            shared.departed(&before, true);
            shared.arrived(&caller);
            shared
                .hub
                .unsubscribe(session.0, &inbox::inbox_name(before.sub()));
            shared.hub.unwatch(session.0, crate::hub::PRESENCE_PREFIX);
        }
        shared.judge_subscriptions(session.0).await;
    }

    /// Takes one of the guests an address may sign in, or says how long to wait.
    pub fn admit_guest(&self, address: IpAddr) -> Result<(), Error> {
        self.shared.limit(&Caller::new(None, address), Kind::Guest)
    }

    /// Ends all sessions of a user whose token was revoked.
    pub fn revoke(&self, sub: &str) {
        for id in self.shared.hub.sessions_of(sub) {
            let hub = &self.shared.hub;
            hub.close(id, CloseCode::Unauthorized, "the token was revoked");
        }
    }

    /// A station is on air: its room is made unless it is there, and its followers
    /// are told when `tell` is set. Costs a transaction per 200 followers.
    pub async fn station_started(
        &self,
        station: &StationId,
        name: &str,
        tell: bool,
    ) -> Result<(), Error> {
        let shared = &self.shared;
        let now = shared.clock.now();
        let new = StationRoom {
            station: station.clone(),
            name: crate::text::clean_line(name),
            now,
        };
        let name = new.name.clone();
        let made = shared.store.write(new, |tx, new| {
            Box::pin(store::rooms::ensure_station(tx, new))
        });
        made.await.map_err(store::Fail::into_wire)?;
        if tell {
            let event = NotificationEvent::StationLive {
                station: station.clone(),
                name,
            };
            let target = Target::Followers(station.to_string());
            shared
                .tell(target, event)
                .await
                .map_err(store::Fail::into_wire)?;
        }
        Ok(())
    }

    /// Ends all sessions, as before the process ends: `reason` is for people.
    pub fn drain(&self, reason: &str) {
        self.shared.hub.close_all(CloseCode::Draining, reason);
    }

    /// The store, for readiness checks.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.shared.store
    }

    /// How many sessions subscribe a channel: `room:@demo` and the like.
    #[must_use]
    pub fn subscribers(&self, channel: &str) -> u64 {
        match crate::channel::Channel::parse(channel) {
            Some(crate::channel::Channel::Room(id)) => self.shared.hub.count(&id),
            _ => 0,
        }
    }
}

impl Shared {
    // A panic elsewhere leaves the cores as consistent as each call does.
    fn cores(&self) -> MutexGuard<'_, Cores> {
        self.cores.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asking(&self, caller: &Arc<Caller>) -> Asking {
        Asking {
            caller: caller.clone(),
            now: self.clock.now(),
        }
    }

    /// Takes one from whoever asks, or says how long to wait. Administrators are exempt.
    fn limit(&self, caller: &Caller, kind: Kind) -> Result<(), Error> {
        if caller.is_admin() {
            return Ok(());
        }
        let mut holders = vec![Holder::Address(caller.address())];
        if !caller.is_anonymous() {
            holders.push(Holder::User(caller.sub().to_owned()));
        }
        let taken = self.cores().limits.take(kind, &holders, self.clock.now());
        taken.map_err(|wait_ms| {
            Error::new(
                ErrorCode::RateLimited,
                format!("too many requests: {}", kind.name()),
            )
            .retry_after_ms(wait_ms)
        })
    }

    fn arrived(&self, caller: &Caller) {
        if caller.is_anonymous() {
            return;
        }
        let now = self.clock.now();
        let change = self.cores().presence.handle_connected(caller.sub(), now);
        self.tell_presence(&change);
    }

    fn departed(&self, caller: &Caller, orderly: bool) {
        if caller.is_anonymous() {
            return;
        }
        let now = self.clock.now();
        let mut cores = self.cores();
        let change = cores
            .presence
            .handle_disconnected(caller.sub(), orderly, now);
        if cores
            .presence
            .presence(caller.sub())
            .is_none_or(|presence| presence.devices == 0)
        {
            cores.seen.handle(caller.sub().to_owned(), now, now);
        }
        drop(cores);
        self.due.notify_one();
        if let Some(change) = change {
            self.tell_presence(&change);
        }
    }

    /// Puts something into many inboxes, a page per transaction.
    async fn tell(&self, target: Target, event: NotificationEvent) -> Result<(), store::Fail> {
        let mut after = Some(String::new());
        while let Some(from) = after {
            let page = Announcement {
                target: target.clone(),
                event: event.clone(),
                now: self.clock.now(),
                after: from,
            };
            after = self
                .store
                .write(page, |tx, page| Box::pin(inbox::tell(tx, page)))
                .await?;
        }
        Ok(())
    }

    /// Notes that a room's counts are others now.
    fn count_again(&self, room: &Arc<str>, members: Option<u64>) {
        let now = self.clock.now();
        let mut cores = self.cores();
        let members = match members {
            Some(members) => {
                cores.members.insert(room.clone(), members);
                members
            }
            None => match cores.members.get(room) {
                Some(members) => *members,
                None => return,
            },
        };
        cores.counts.handle(room.clone(), members, now);
        drop(cores);
        self.due.notify_one();
    }
}

#[cfg(test)]
mod tests;
