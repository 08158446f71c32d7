//! One session's side of the gate: its requests to `signaling`, and what it is told.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use relay::{Identity, PushClass, Pushes, SessionEnd, Visitor};
use serde_json::value::RawValue;
use signaling::{Class, End, Outbox, Service, SessionHandle};
use wire::code::{CloseCode, ErrorCode};
use wire::frame::{Batch, Error, Request};
use wire::message::{SubscribeParams, Subscribed};

use super::revoked::{REASON, Revoked};

/// The sessions and sources that have a token, and the tokens that are revoked.
#[derive(Debug)]
pub(super) struct Registry {
    bearers: Mutex<HashMap<u64, Bearer>>,
    sources: Mutex<HashMap<(String, Option<String>), SourceToken>>,
    revoked: ArcSwap<Revoked>,
    last: AtomicU64,
}

#[derive(Debug)]
struct Bearer {
    sub: String,
    token_id: Option<String>,
    pushes: Pushes,
}

/// A token that encoders use as their password, by its user and id: as many as were
/// accepted and have not expired.
#[derive(Debug)]
struct SourceToken {
    revoked: relay::CancellationToken,
    expires_at: u64,
}

impl Registry {
    pub(super) fn new(revoked: Revoked) -> Self {
        Self {
            bearers: Mutex::default(),
            sources: Mutex::default(),
            revoked: ArcSwap::from_pointee(revoked),
            last: AtomicU64::new(0),
        }
    }

    /// Whether a token is revoked.
    pub(super) fn is_revoked(&self, sub: &str, token_id: Option<&str>) -> bool {
        self.revoked.load().holds(sub, token_id)
    }

    /// Takes another list of revoked tokens, and ends their sessions.
    pub(super) fn set_revoked(&self, revoked: Revoked) {
        // Before the look around: who comes later is judged by it in `keep`.
        self.revoked.store(Arc::new(revoked));
        for bearer in self.lock().values() {
            self.end_if_revoked(bearer);
        }
        self.source_tokens().retain(|(sub, token_id), token| {
            let revoked = self.is_revoked(sub, token_id.as_deref());
            if revoked {
                token.revoked.cancel();
            }
            !revoked
        });
    }

    /// What is cancelled when the token of an encoder is revoked.
    pub(super) fn watch_source(&self, identity: &Identity, now_s: u64) -> relay::CancellationToken {
        let mut tokens = self.source_tokens();
        tokens.retain(|_, token| token.expires_at > now_s);
        let name = (identity.sub.clone(), identity.token_id.clone());
        let token = tokens.entry(name).or_insert_with(|| SourceToken {
            revoked: relay::CancellationToken::new(),
            expires_at: 0,
        });
        token.expires_at = token.expires_at.max(identity.expires_at);
        // It was checked a moment ago, maybe by the list before.
        if self.is_revoked(&identity.sub, identity.token_id.as_deref()) {
            token.revoked.cancel();
        }
        token.revoked.clone()
    }

    fn source_tokens(&self) -> MutexGuard<'_, HashMap<(String, Option<String>), SourceToken>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end_if_revoked(&self, bearer: &Bearer) {
        if self.is_revoked(&bearer.sub, bearer.token_id.as_deref()) {
            bearer.pushes.close(CloseCode::Unauthorized, REASON);
        }
    }

    fn keep(&self, number: u64, identity: &Identity, pushes: &Pushes) {
        let bearer = Bearer {
            sub: identity.sub.clone(),
            token_id: identity.token_id.clone(),
            pushes: pushes.clone(),
        };
        let mut bearers = self.lock();
        // Its token was checked a moment ago, maybe by the list before.
        self.end_if_revoked(&bearer);
        bearers.insert(number, bearer);
    }

    // Every change is one step: a panic elsewhere leaves the map whole.
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Bearer>> {
        self.bearers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The side of one session.
#[derive(Debug)]
struct Side {
    service: Arc<Service>,
    session: SessionHandle,
    registry: Arc<Registry>,
    number: u64,
    pushes: Pushes,
}

pub(super) fn open(
    service: &Arc<Service>,
    registry: &Arc<Registry>,
    visitor: Visitor,
) -> Arc<dyn relay::Side> {
    let number = registry.last.fetch_add(1, Ordering::Relaxed);
    if let Some(identity) = &visitor.identity {
        registry.keep(number, identity, &visitor.pushes);
    }
    let identity = visitor.identity.as_ref().map(super::known);
    let outbox = Arc::new(Told(visitor.pushes.clone()));
    let session = service.connect(identity.as_ref(), visitor.address, outbox);
    Arc::new(Side {
        service: Arc::clone(service),
        session,
        registry: Arc::clone(registry),
        number,
        pushes: visitor.pushes,
    })
}

#[async_trait::async_trait]
impl relay::Side for Side {
    async fn request(&self, request: &Request) -> Result<Box<RawValue>, Error> {
        let answered = self.service.request(&self.session, request).await;
        answered.unwrap_or_else(|| {
            let message = "the session has ended";
            Err(Error::new(ErrorCode::Internal, message))
        })
    }

    async fn subscribe(
        &self,
        params: &SubscribeParams,
        bytes_max: usize,
    ) -> Result<Subscribed, Error> {
        let subscribed = self.service.subscribe(self.session, params, bytes_max);
        subscribed.await.unwrap_or_else(|| Err(unknown_channel()))
    }

    fn release(&self) {
        self.service.release(self.session);
    }

    fn unsubscribe(&self, channel: &str) -> Result<(), Error> {
        let ended = self.service.unsubscribe(self.session, channel);
        ended.map(drop).ok_or_else(unknown_channel)
    }

    async fn identity_changed(&self, identity: &Identity) {
        self.registry.keep(self.number, identity, &self.pushes);
        let identity = super::known(identity);
        self.service
            .identity_changed(self.session, Some(&identity))
            .await;
    }

    fn end(&self, end: SessionEnd) {
        self.registry.lock().remove(&self.number);
        let end = match end {
            SessionEnd::Orderly => End::Orderly,
            SessionEnd::Abrupt => End::Abrupt,
        };
        self.service.disconnect(self.session, end);
    }
}

/// Hands what `signaling` tells a session to the relay.
#[derive(Debug)]
struct Told(Pushes);

impl Outbox for Told {
    fn push(&self, batch: Batch, class: Class) {
        let class = match class {
            Class::Durable => PushClass::Durable,
            Class::Volatile { key } => PushClass::Latest(key),
        };
        self.0.push(batch, class);
    }

    fn close(&self, code: CloseCode, reason: &str) {
        self.0.close(code, reason);
    }
}

fn unknown_channel() -> Error {
    Error::new(ErrorCode::UnknownChannel, "there is no such channel")
}
