//! Push services are real HTTP servers on loopback, devices decrypt what reaches them.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::hkdf;
use ring::rand::SystemRandom;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;
use wire::frame::{Batch, Request};

use super::*;
use crate::testing::{Database, on_both};
use crate::token::{Grants, Identity};
use crate::{Caller, Class, Outbox, Service};

const PATIENCE: Duration = Duration::from_secs(20);

/// A device with keys of its own. It reads one message: `ring` lets a key agree once.
struct Phone {
    secret: Option<EphemeralPrivateKey>,
    public: Vec<u8>,
    auth: [u8; 16],
}

impl Phone {
    fn new() -> Self {
        let secret = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).unwrap();
        Self {
            public: secret.compute_public_key().unwrap().as_ref().to_vec(),
            secret: Some(secret),
            auth: rand::random(),
        }
    }

    fn keys(&self) -> Value {
        json!({
            "p256dh": URL_SAFE_NO_PAD.encode(&self.public),
            "auth": URL_SAFE_NO_PAD.encode(self.auth),
        })
    }

    /// What a message says: RFC 8291 over RFC 8188, one record.
    fn read(&mut self, body: &[u8]) -> Vec<u8> {
        let (salt, rest) = body.split_at(16);
        let record = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
        let (sender, sealed) = rest[5..].split_at(usize::from(rest[4]));
        assert!(sealed.len() <= record, "one record");
        let secret = self.secret.take().expect("a phone reads one message");
        let theirs = UnparsedPublicKey::new(&ECDH_P256, sender);
        let shared = agree_ephemeral(secret, &theirs, <[u8]>::to_vec).unwrap();
        let about = [b"WebPush: info\0", &self.public[..], sender].concat();
        let common = derive::<32>(&self.auth, &shared, &about);
        let key = derive::<16>(salt, &common, b"Content-Encoding: aes128gcm\0");
        let nonce = derive::<12>(salt, &common, b"Content-Encoding: nonce\0");
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).unwrap());
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let opened = key.open_in_place(nonce, Aad::empty(), &mut sealed).unwrap();
        let end = opened.iter().rposition(|byte| *byte != 0).unwrap();
        assert_eq!(opened[end], 2, "the last record");
        opened[..end].to_vec()
    }
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn derive<const N: usize>(salt: &[u8], secret: &[u8], info: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
    let info = [info];
    let expanded = prk.expand(&info, Length(N)).unwrap();
    expanded.fill(&mut out).unwrap();
    out
}

type Received = (HeaderMap, Vec<u8>);

/// A push service that answers as told, the last answer for ever; none never answers.
#[derive(Clone)]
struct Script {
    answers: Arc<Mutex<VecDeque<Option<u16>>>>,
    received: mpsc::UnboundedSender<Received>,
}

async fn answer(State(script): State<Script>, headers: HeaderMap, body: Bytes) -> StatusCode {
    script.received.send((headers, body.to_vec())).unwrap();
    let answer = {
        let mut answers = script.answers.lock().unwrap();
        match answers.len() {
            0 | 1 => answers.front().copied(),
            _ => answers.pop_front(),
        }
    };
    match answer.flatten() {
        Some(status) => StatusCode::from_u16(status).unwrap(),
        None => std::future::pending().await,
    }
}

#[derive(Debug)]
struct Nowhere;

impl Outbox for Nowhere {
    fn push(&self, _batch: Batch, _class: Class) {}
    fn close(&self, _code: wire::code::CloseCode, _reason: &str) {}
}

/// A service, a push service, and bob's phone.
struct Scene {
    service: Service,
    key: PushKey,
    origin: String,
    received: mpsc::UnboundedReceiver<Received>,
    phone: Phone,
    _server: tokio::task::JoinSet<()>,
}

fn identity(sub: &str) -> Identity {
    Identity {
        sub: sub.into(),
        name: Some(sub.to_uppercase()),
        token_id: None,
        expires_at: u64::MAX,
        grants: Grants::default(),
    }
}

fn key() -> PushKey {
    let folder = tempfile::tempdir().unwrap();
    PushKey::load_or_create(folder.path()).unwrap()
}

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

impl Scene {
    async fn new(database: &Database, answers: &[Option<u16>]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let (sender, received) = mpsc::unbounded_channel();
        let script = Script {
            answers: Arc::new(Mutex::new(answers.iter().copied().collect())),
            received: sender,
        };
        let router = Router::new()
            .route("/push/{device}", post(answer))
            .with_state(script);
        let mut server = tokio::task::JoinSet::new();
        server.spawn(async { axum::serve(listener, router).await.unwrap() });
        let key = key();
        let mut push = Config::new(key.clone(), "mailto:radio@example.org");
        push.any_endpoint = true;
        push.effort = Effort {
            attempt: Duration::from_millis(500),
            attempts: 4,
            wait: Duration::from_millis(5),
            wait_max: Duration::from_millis(20),
        };
        let mut config = crate::Config::new(&database.url);
        config.push = Some(push);
        config.rates.manage.burst = 100;
        let scene = Self {
            service: Service::start(&config).await.unwrap(),
            key,
            origin,
            received,
            phone: Phone::new(),
            _server: server,
        };
        // The users are known, and who writes to them.
        scene
            .get("ann", "create_room", json!({ "name": "A" }))
            .await;
        scene
            .get("bob", "push_subscribe", scene.subscription("b"))
            .await;
        scene
    }

    fn endpoint(&self, device: &str) -> String {
        format!("{}/push/{device}", self.origin)
    }

    fn subscription(&self, device: &str) -> Value {
        json!({
            "endpoint": self.endpoint(device), "expirationTime": null, "keys": self.phone.keys(),
        })
    }

    async fn ask(
        &self,
        sub: &str,
        method: &str,
        params: Value,
    ) -> Result<Value, wire::frame::Error> {
        let caller = Arc::new(Caller::new(Some(&identity(sub)), ADDRESS));
        let request = Request::new(1, method, &params);
        let outcome = self.service.call(&caller, &request).await.unwrap();
        outcome.map(|result| serde_json::from_str(result.get()).unwrap())
    }

    async fn get(&self, sub: &str, method: &str, params: Value) -> Value {
        let answer = self.ask(sub, method, params).await;
        answer.unwrap_or_else(|error| panic!("{method}: {error:?}"))
    }

    /// Invites bob into another room: a notification each time.
    async fn invite(&self, name: &str) {
        let made = self
            .get("ann", "create_room", json!({ "name": name }))
            .await;
        let invitation = json!({ "channel": made["room"]["channel"], "user": "bob" });
        self.get("ann", "invite", invitation).await;
    }

    async fn comes(&mut self) -> Received {
        let received = timeout(PATIENCE, self.received.recv()).await;
        received.expect("a message comes").unwrap()
    }

    async fn received(&mut self) -> (HeaderMap, Value) {
        let (headers, body) = self.comes().await;
        let text = self.phone.read(&body);
        (headers, serde_json::from_slice(&text).unwrap())
    }

    async fn until(&self, what: &str, reached: impl Fn(&Counts) -> bool) {
        let waited = timeout(PATIENCE, async {
            while !reached(self.service.push_counts().unwrap()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("in vain: {what}"));
    }
}

on_both!(
    a_device_is_told_encrypted_and_signed,
    what_fails_is_tried_again_and_given_up,
    a_device_that_is_gone_is_forgotten,
    whoever_has_a_session_is_not_told,
    a_device_belongs_to_its_last_user_and_nobody_has_many,
    what_is_no_subscription_is_refused
);

async fn a_device_is_told_encrypted_and_signed(database: &Database) {
    let mut scene = Scene::new(database, &[Some(201)]).await;
    scene.invite("Tea \"and\" ☕").await;
    let (headers, told) = scene.received().await;
    assert_eq!(
        (&told["kind"], &told["name"], &told["from"]["sub"]),
        (
            &json!("invitation"),
            &json!("Tea \"and\" ☕"),
            &json!("ann")
        )
    );
    let text = |name: &str| headers[name].to_str().unwrap().to_owned();
    assert_eq!(text("content-encoding"), "aes128gcm");
    assert_eq!((&*text("ttl"), &*text("urgency")), ("86400", "normal"));
    let authorization = text("authorization");
    let (jwt, key) = authorization
        .strip_prefix("vapid t=")
        .unwrap()
        .split_once(", k=")
        .unwrap();
    assert_eq!(key, scene.key.public_base64());
    let told_key = scene.get("bob", "push_key", json!({})).await;
    assert_eq!(told_key["public_key"], key);
    let (signed, signature) = jwt.rsplit_once('.').unwrap();
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let verifying = ring::signature::UnparsedPublicKey::new(
        &ring::signature::ECDSA_P256_SHA256_FIXED,
        decode(key),
    );
    verifying
        .verify(signed.as_bytes(), &decode(signature))
        .expect("the signature is the key's");
    let claims = decode(signed.split_once('.').unwrap().1);
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(
        (&claims["aud"], &claims["sub"]),
        (&json!(scene.origin), &json!("mailto:radio@example.org"))
    );
    scene
        .until("it counts", |counts| counts.delivered() == 1)
        .await;
}

async fn what_fails_is_tried_again_and_given_up(database: &Database) {
    let failing = [Some(503), Some(429), None, Some(201), Some(500)];
    let mut scene = Scene::new(database, &failing).await;
    scene.invite("first").await;
    assert_eq!(scene.received().await.1["name"], "first");
    for _ in 0..3 {
        scene.comes().await;
    }
    scene
        .until("it is taken", |counts| counts.delivered() == 1)
        .await;
    scene.invite("second").await;
    for _ in 0..4 {
        scene.comes().await;
    }
    scene
        .until("it is given up", |counts| counts.failed() == 1)
        .await;
}

async fn a_device_that_is_gone_is_forgotten(database: &Database) {
    for status in [404, 410] {
        let mut scene = Scene::new(database, &[Some(status), Some(201)]).await;
        scene.invite("first").await;
        scene.received().await;
        scene
            .until("it is forgotten", |counts| counts.gone() == 1)
            .await;
        let mut reader = scene.service.store().read().await.unwrap();
        let left = crate::store::push::devices(&mut reader, "bob").await;
        assert!(left.unwrap().is_empty());
    }
}

async fn whoever_has_a_session_is_not_told(database: &Database) {
    let mut scene = Scene::new(database, &[Some(201)]).await;
    let bob = identity("bob");
    let session = scene
        .service
        .connect(Some(&bob), ADDRESS, Arc::new(Nowhere));
    scene.invite("seen").await;
    scene.service.disconnect(session, crate::End::Orderly);
    // Effects are handed out in order: had the first been pushed, it would come first.
    scene.invite("missed").await;
    assert_eq!(scene.received().await.1["name"], "missed");
}

async fn a_device_belongs_to_its_last_user_and_nobody_has_many(database: &Database) {
    let scene = Scene::new(database, &[Some(201)]).await;
    let store = scene.service.store().clone();
    let devices = async |sub: &str| {
        let mut reader = store.read().await.unwrap();
        let found = crate::store::push::devices(&mut reader, sub).await.unwrap();
        let endpoints = found.into_iter().map(|device| device.endpoint);
        endpoints.collect::<Vec<_>>()
    };
    scene
        .get("carl", "push_subscribe", scene.subscription("b"))
        .await;
    assert_eq!(devices("bob").await, Vec::<String>::new());
    let other = json!({ "endpoint": scene.endpoint("b") });
    scene.get("bob", "push_unsubscribe", other.clone()).await;
    assert_eq!(devices("carl").await.len(), 1, "it was not bob's to forget");
    scene.get("carl", "push_unsubscribe", other).await;
    assert!(devices("carl").await.is_empty());
    for number in 0..12 {
        let subscription = scene.subscription(&number.to_string());
        scene.get("bob", "push_subscribe", subscription).await;
    }
    let kept: Vec<_> = (2..12)
        .map(|number: u32| scene.endpoint(&number.to_string()))
        .collect();
    assert_eq!(devices("bob").await, kept);
}

async fn what_is_no_subscription_is_refused(database: &Database) {
    let scene = Scene::new(database, &[Some(201)]).await;
    let good = scene.subscription("x");
    let with = |key: &str, value: Value| {
        let mut bad = good.clone();
        *bad.pointer_mut(key).unwrap() = value;
        bad
    };
    let off_the_curve = URL_SAFE_NO_PAD.encode([4; 65]);
    for bad in [
        json!({}),
        with("/endpoint", json!("ftp://127.0.0.1/x")),
        with("/endpoint", json!("no URL")),
        with("/keys/auth", json!("AAAA")),
        with("/keys/p256dh", json!("AAAA")),
        with("/keys/p256dh", json!(off_the_curve)),
    ] {
        let asked = bad.to_string();
        let refused = scene.ask("bob", "push_subscribe", bad).await;
        assert_eq!(refused.unwrap_err().code, ErrorCode::BadRequest, "{asked}");
    }
    let anonymous = Arc::new(Caller::new(None, ADDRESS));
    for (method, params) in [
        ("push_subscribe", good.clone()),
        ("push_unsubscribe", json!({ "endpoint": "x" })),
    ] {
        let request = Request::new(1, method, &params);
        let refused = scene.service.call(&anonymous, &request).await.unwrap();
        assert_eq!(refused.unwrap_err().code, ErrorCode::Unauthorized);
    }
    let without = Service::start(&crate::Config::new(&database.url))
        .await
        .unwrap();
    let caller = Arc::new(Caller::new(Some(&identity("bob")), ADDRESS));
    let request = Request::new(1, "push_key", &json!({}));
    let refused = without.call(&caller, &request).await.unwrap();
    assert_eq!(refused.unwrap_err().code, ErrorCode::NotFound);
}

#[test]
fn a_key_is_made_once_and_does_not_show() {
    let folder = tempfile::tempdir().unwrap();
    let made = PushKey::load_or_create(folder.path()).unwrap();
    let again = PushKey::load_or_create(folder.path()).unwrap();
    assert_eq!(made.public_base64(), again.public_base64());
    let path = folder.path().join("push.pem");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("-----BEGIN PRIVATE KEY-----\n"), "{text}");
    let shown = format!("{made:?}");
    assert!(text.lines().all(|line| !shown.contains(line)), "{shown}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }
    std::fs::write(&path, "nonsense").unwrap();
    assert!(PushKey::load_or_create(folder.path()).is_err());
}

#[test]
fn payloads_fit_whatever_they_say() {
    let notification = |text: String| Notification {
        seq: 7,
        at: 8,
        read: false,
        event: NotificationEvent::Announcement { text },
    };
    let short = payload(&notification("hi".into()));
    assert!(short.contains("\"text\":\"hi\""), "{short}");
    let long = payload(&notification("\u{1f600}".repeat(1_000)));
    let long: Value = serde_json::from_str(&long).unwrap();
    assert_eq!(
        (&long["kind"], &long["seq"]),
        (&json!("announcement"), &json!(7))
    );
}

#[tokio::test]
async fn a_queue_that_is_full_drops_and_counts() {
    let key = key();
    let (push, _waiting) = Push::new(&Config::new(key, "mailto:radio@example.org"));
    let notification = Notification {
        seq: 1,
        at: 1,
        read: false,
        event: NotificationEvent::Announcement { text: "x".into() },
    };
    for _ in 0..QUEUE_MAX + 3 {
        push.tell("bob".into(), &notification);
    }
    assert_eq!(push.counts.dropped(), 3);
}
