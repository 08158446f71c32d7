//! Sessions that keep what they are pushed.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wire::code::{CloseCode, ErrorCode};
use wire::frame::{Batch, Error, Request};
use wire::message::{SubscribeParams, Subscribed};

use crate::hub::{Class, Outbox};
use crate::limits::{Rate, Rates};
use crate::service::{Config, End, Service, SessionHandle};
use crate::testing::Database;
use crate::token::{Grants, Identity};

/// Keeps every push.
#[derive(Debug, Default)]
pub(super) struct Pushes {
    pub(super) frames: Mutex<Vec<Value>>,
    pub(super) closed: Mutex<Vec<CloseCode>>,
}

impl Outbox for Pushes {
    fn push(&self, batch: Batch, _class: Class) {
        let frames = batch
            .texts()
            .map(|json| serde_json::from_str(json).unwrap());
        self.frames
            .lock()
            .unwrap()
            .extend::<Vec<Value>>(frames.collect());
    }

    fn close(&self, code: CloseCode, _reason: &str) {
        self.closed.lock().unwrap().push(code);
    }
}

/// A service that limits nobody.
pub(super) async fn start(database: &Database) -> Arc<Service> {
    let plenty = Rate {
        burst: 1_000_000,
        per_minute: 1_000_000,
    };
    let mut config = Config::new(&database.url);
    config.rates = Rates {
        write: plenty,
        touch: plenty,
        typing: plenty,
        read: plenty,
        manage: plenty,
        subscribe: plenty,
        guest: plenty,
    };
    Arc::new(Service::start(&config).await.unwrap())
}

/// A session of a user's.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) service: Arc<Service>,
    pub(super) session: SessionHandle,
    pub(super) pushes: Arc<Pushes>,
}

pub(super) fn identity(sub: &str, grants: Grants) -> Identity {
    Identity {
        sub: sub.into(),
        name: Some(sub.to_uppercase()),
        token_id: None,
        expires_at: u64::MAX,
        grants,
    }
}

pub(super) fn admin_grants() -> Grants {
    Grants {
        admin: true,
        ..Grants::default()
    }
}

impl Client {
    pub(super) fn new(service: &Arc<Service>, sub: &str) -> Self {
        Self::with(service, Some(identity(sub, Grants::default())), 1)
    }

    pub(super) fn admin(service: &Arc<Service>) -> Self {
        Self::with(service, Some(identity("admin", admin_grants())), 1)
    }

    pub(super) fn anonymous(service: &Arc<Service>) -> Self {
        Self::with(service, None, 1)
    }

    /// A session from 192.0.2.`host`.
    pub(super) fn with(service: &Arc<Service>, identity: Option<Identity>, host: u8) -> Self {
        let pushes = Arc::new(Pushes::default());
        let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, host));
        let session = service.connect(identity.as_ref(), address, pushes.clone());
        Self {
            service: service.clone(),
            session,
            pushes,
        }
    }

    /// Asks, and gives the result.
    pub(super) async fn ask(&self, method: &str, params: Value) -> Result<Value, Error> {
        let request = Request::new(1, method, &params);
        let outcome = self.service.request(&self.session, &request).await;
        let outcome = outcome.unwrap_or_else(|| panic!("{method} is no method"));
        outcome.map(|result| serde_json::from_str(result.get()).unwrap())
    }

    /// Asks for what must work.
    pub(super) async fn get(&self, method: &str, params: Value) -> Value {
        let asked = params.to_string();
        match self.ask(method, params).await {
            Ok(value) => value,
            Err(error) => panic!("{method} {asked}: {error:?}"),
        }
    }

    /// Asks for what must be refused, and gives the code.
    pub(super) async fn refused(&self, method: &str, params: Value) -> ErrorCode {
        let asked = params.to_string();
        match self.ask(method, params).await {
            Ok(value) => panic!("{method} {asked} was allowed: {value}"),
            Err(error) => error.code,
        }
    }

    /// Says something; gives its `seq`.
    pub(super) async fn say(&self, channel: &str, text: &str) -> u64 {
        let client_id: String = format!("{channel}/{text}").chars().take(60).collect();
        let params = json!({
            "channel": channel, "client_id": client_id,
            "content": { "type": "text", "text": text },
        });
        self.get("send", params).await["seq"].as_u64().unwrap()
    }

    pub(super) async fn subscribe_at(
        &self,
        channel: &str,
        position: Option<(&str, u64)>,
    ) -> Result<Subscribed, Error> {
        let params = SubscribeParams {
            channel: channel.into(),
            epoch: position.map(|(epoch, _)| epoch.into()),
            offset: position.map(|(_, offset)| offset),
        };
        let subscribed = self
            .service
            .subscribe(self.session, &params, 24 * 1024)
            .await;
        let subscribed = subscribed.expect("a channel of this crate's");
        self.service.release(self.session);
        subscribed
    }

    pub(super) async fn subscribe(&self, channel: &str) -> Subscribed {
        self.subscribe_at(channel, None).await.unwrap()
    }

    pub(super) async fn room_of_its_own(&self, name: &str) -> String {
        let made = self.get("create_room", json!({ "name": name })).await;
        made["room"]["channel"].as_str().unwrap().to_owned()
    }

    /// All pushes of a type so far.
    pub(super) fn pushed(&self, kind: &str) -> Vec<Value> {
        let frames = self.pushes.frames.lock().unwrap();
        frames
            .iter()
            .filter(|frame| frame["type"] == kind)
            .cloned()
            .collect()
    }

    /// Waits until a push of that type fits.
    pub(super) async fn wait_for(&self, kind: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + Duration::from_secs(10);
        while Instant::now() < until {
            if let Some(push) = self.pushed(kind).into_iter().find(&fits) {
                return push;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let frames = self.pushes.frames.lock().unwrap();
        panic!("no such push of type {kind} among {frames:#?}");
    }

    pub(super) fn leave(&self, end: End) {
        self.service.disconnect(self.session, end);
    }
}

/// The state of a subscription, as JSON.
pub(super) fn state(subscribed: &Subscribed) -> Value {
    let state = subscribed.state.as_ref().expect("a state");
    serde_json::from_str(state.get()).unwrap()
}

/// A public room of ann's in which bob is.
pub(super) async fn ann_and_bob(service: &Arc<Service>) -> (Client, Client, String) {
    let ann = Client::new(service, "ann");
    let bob = Client::new(service, "bob");
    let room = ann.room_of_its_own("Tea").await;
    bob.get("join_room", json!({ "channel": room })).await;
    (ann, bob, room)
}
