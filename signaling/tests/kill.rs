//! The service under random SIGKILLs: every acknowledged message reaches every
//! member exactly once and in order, nothing else counts as sent, marks never go back.
//!
//! The test runs itself as a child, which is the service over a database: requests
//! come in on its standard input, a line each, and replies and pushes go out. The
//! parent kills it at random moments, starts it again, resumes and retries, as
//! clients do, and compares what they saw with what was acknowledged.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use signaling::token::{Grants, Identity};
use signaling::{Class, Config, Outbox, Rate, Rates, Service, SessionHandle};
use skywave_signaling as signaling;
use wire::code::CloseCode;
use wire::frame::{Batch, Request};
use wire::message::SubscribeParams;

const CHILD: &str = "SKYWAVE_KILL_TEST_DATABASE";
const USERS: [&str; 4] = ["ann", "bob", "cat", "dan"];
const MESSAGES: usize = 400;
const KILLS_MAX: usize = 12;

// ---- The child: the service behind lines of JSON.

#[derive(Debug)]
struct Lines {
    user: String,
}

fn say(line: &Value) {
    let mut out = std::io::stdout().lock();
    // The parent may be gone already; then so are we, soon.
    let _ = writeln!(out, "\n>{line}");
    let _ = out.flush();
}

impl Outbox for Lines {
    fn push(&self, batch: Batch, _class: Class) {
        for json in batch.texts() {
            let push: Value = serde_json::from_str(json).unwrap();
            say(&json!({ "user": self.user, "push": push }));
        }
    }

    fn close(&self, code: CloseCode, _reason: &str) {
        say(&json!({ "user": self.user, "closed": code }));
    }
}

fn config(url: String) -> Config {
    let plenty = Rate {
        burst: 1_000_000,
        per_minute: 1_000_000,
    };
    let mut config = Config::new(url);
    config.rates = Rates {
        write: plenty,
        touch: plenty,
        typing: plenty,
        read: plenty,
        manage: plenty,
        subscribe: plenty,
        guest: plenty,
    };
    config
}

async fn answer(service: Arc<Service>, session: SessionHandle, user: String, line: Value) {
    let id = line["id"].clone();
    let reply = if line["method"] == "subscribe" {
        let params: SubscribeParams = serde_json::from_value(line["params"].clone()).unwrap();
        let subscribed = service
            .subscribe(session, &params, 24 * 1024)
            .await
            .unwrap();
        json!({ "user": user, "id": id, "reply": subscribed.unwrap() })
    } else {
        let method = line["method"].as_str().unwrap();
        let request = Request::new(0, method, &line["params"]);
        match service.request(&session, &request).await.unwrap() {
            Ok(result) => {
                let result: Value = serde_json::from_str(result.get()).unwrap();
                json!({ "user": user, "id": id, "reply": result })
            }
            Err(error) => json!({ "user": user, "id": id, "error": error }),
        }
    };
    say(&reply);
    service.release(session);
}

fn serve(url: String) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let service = Arc::new(Service::start(&config(url)).await.unwrap());
        let mut sessions = BTreeMap::new();
        for user in USERS {
            let identity = Identity {
                sub: user.into(),
                name: None,
                token_id: None,
                expires_at: u64::MAX,
                grants: Grants::default(),
            };
            let outbox = Arc::new(Lines { user: user.into() });
            let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
            sessions.insert(user, service.connect(Some(&identity), address, outbox));
        }
        say(&json!({ "ready": true }));
        let (line_sender, mut lines) = tokio::sync::mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                if line_sender.send(line).is_err() {
                    break;
                }
            }
        });
        while let Some(line) = lines.recv().await {
            let line: Value = serde_json::from_str(&line).unwrap();
            let user = line["user"].as_str().unwrap().to_owned();
            let session = sessions[user.as_str()];
            tokio::spawn(answer(service.clone(), session, user, line));
        }
    });
}

// ---- The parent: clients, and the judge.

struct Server {
    child: Child,
    requests: ChildStdin,
    lines: Receiver<Value>,
}

impl Server {
    fn start(url: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "acknowledged_messages_survive_kills",
                "--nocapture",
            ])
            .env(CHILD, url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let requests = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // A killed writer leaves half a line; the test harness writes some, too.
                let Some(json) = line.strip_prefix('>') else {
                    continue;
                };
                let Ok(value) = serde_json::from_str(json) else {
                    continue;
                };
                if sender.send(value).is_err() {
                    break;
                }
            }
        });
        let server = Self {
            child,
            requests,
            lines,
        };
        let ready = server.lines.recv_timeout(Duration::from_secs(30)).unwrap();
        assert_eq!(ready, json!({ "ready": true }));
        server
    }

    /// What was written after a kill does not matter.
    fn ask(&mut self, user: &str, id: usize, method: &str, params: &Value) {
        let line = json!({ "user": user, "id": id, "method": method, "params": params });
        let _ = writeln!(self.requests, "{line}");
    }

    fn kill(mut self) -> Vec<Value> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        // What it had said before it died has been heard.
        self.lines.iter().collect()
    }
}

/// What one client holds, as a client library would.
#[derive(Debug, Default)]
struct Client {
    epoch: Option<String>,
    offset: u64,
    /// Texts of messages in the order they came.
    seen: Vec<String>,
    subscribed: bool,
    read: u64,
}

impl Client {
    fn handle_event(&mut self, push: &Value) {
        let offset = push["offset"].as_u64().unwrap();
        assert_eq!(
            offset,
            self.offset + 1,
            "events come one after the other, each once: {push}"
        );
        self.offset = offset;
        if push["type"] == "message" {
            assert_eq!(push["data"]["seq"], offset);
            self.seen
                .push(push["data"]["content"]["text"].as_str().unwrap().to_owned());
        }
    }

    fn handle_subscribed(&mut self, reply: &Value) {
        let epoch = reply["epoch"].as_str().unwrap().to_owned();
        if self.epoch.is_some() {
            assert_eq!(
                reply["recovered"], true,
                "a position that was given is never lost"
            );
            assert_eq!(self.epoch.as_deref(), Some(&*epoch));
            for event in reply["events"].as_array().into_iter().flatten() {
                self.handle_event(event);
            }
            assert_eq!(reply["offset"], self.offset);
        }
        self.epoch = Some(epoch);
        self.offset = reply["offset"].as_u64().unwrap();
        self.subscribed = true;
    }
}

#[derive(Debug, Default)]
struct Model {
    clients: BTreeMap<&'static str, Client>,
    /// By text, with the seq that was told.
    acknowledged: BTreeMap<String, u64>,
    /// Requests under way, by id.
    pending: BTreeMap<usize, (&'static str, Asked)>,
}

#[derive(Debug, Clone)]
enum Asked {
    Subscribe,
    Send(String),
    /// With what was known to be marked when it was asked: replies to requests that
    /// ran at the same time may come in any order.
    Mark(u64),
}

impl Model {
    fn handle(&mut self, line: &Value) {
        let user = USERS.into_iter().find(|user| line["user"] == *user);
        let client = user.and_then(|user| self.clients.get_mut(user));
        let Some(client) = client else { return };
        assert!(line.get("closed").is_none(), "{line}");
        if line["push"].get("offset").is_some() {
            assert!(
                client.subscribed,
                "no push overtakes the reply to its subscription"
            );
            client.handle_event(&line["push"]);
        }
        let Some(id) = line["id"].as_u64() else {
            return;
        };
        let Some((_, asked)) = self.pending.remove(&(id as usize)) else {
            return;
        };
        assert!(line.get("error").is_none(), "{asked:?}: {line}");
        match asked {
            Asked::Subscribe => client.handle_subscribed(&line["reply"]),
            Asked::Send(text) => {
                let seq = line["reply"]["seq"].as_u64().unwrap();
                let before = self.acknowledged.insert(text.clone(), seq);
                assert!(
                    before.is_none_or(|before| before == seq),
                    "{text} was stored twice"
                );
            }
            Asked::Mark(floor) => {
                let read = line["reply"]["read"].as_u64().unwrap();
                assert!(read >= floor, "a mark went back");
                client.read = client.read.max(read);
            }
        }
    }
}

fn set_up(url: &str) -> String {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let service = Service::start(&config(url.into())).await.unwrap();
        let mut channel = String::new();
        for user in USERS {
            let identity = Identity {
                sub: user.into(),
                name: None,
                token_id: None,
                expires_at: u64::MAX,
                grants: Grants::default(),
            };
            let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
            let outbox = Arc::new(Quiet::default());
            let session = service.connect(Some(&identity), address, outbox);
            let (method, params) = if channel.is_empty() {
                ("create_room", json!({ "name": "Storm" }))
            } else {
                ("join_room", json!({ "channel": channel }))
            };
            let request = Request::new(0, method, &params);
            let result = service.request(&session, &request).await.unwrap().unwrap();
            let result: Value = serde_json::from_str(result.get()).unwrap();
            channel = result["room"]["channel"].as_str().unwrap().to_owned();
        }
        channel
    })
}

#[derive(Debug, Default)]
struct Quiet(Mutex<u64>);

impl Outbox for Quiet {
    fn push(&self, batch: Batch, _class: Class) {
        *self.0.lock().unwrap() += batch.len() as u64;
    }

    fn close(&self, _code: CloseCode, _reason: &str) {}
}

#[test]
fn acknowledged_messages_survive_kills() {
    if let Ok(url) = std::env::var(CHILD) {
        return serve(url);
    }
    let seed = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| rand::rng().random());
    eprintln!("SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}/kill.db", directory.path().display());
    let room = set_up(&url);

    let mut model = Model::default();
    for user in USERS {
        model.clients.insert(user, Client::default());
    }
    // What each user has to say, and how far each has got: a message is sent until acknowledged.
    let mut unsent: Vec<(&'static str, String)> = (0..MESSAGES)
        .map(|number| (USERS[number % USERS.len()], format!("m{number}")))
        .collect();
    let (mut next_id, mut kills) = (0, 0);
    let give_up = Instant::now() + Duration::from_secs(120);
    let mut server = Server::start(&url);
    loop {
        assert!(Instant::now() < give_up, "{} messages unsent", unsent.len());
        for user in USERS {
            let client = &model.clients[user];
            let is_asked =
                |(by, asked): &(&str, Asked)| *by == user && matches!(asked, Asked::Subscribe);
            if !client.subscribed && !model.pending.values().any(is_asked) {
                let mut params = json!({ "channel": room });
                if let Some(epoch) = &client.epoch {
                    params["epoch"] = json!(epoch);
                    params["offset"] = json!(client.offset);
                }
                next_id += 1;
                model.pending.insert(next_id, (user, Asked::Subscribe));
                server.ask(user, next_id, "subscribe", &params);
            }
        }
        // Before everybody is subscribed for the first time nobody speaks: so all have seen all.
        let all_began = model.clients.values().all(|client| client.epoch.is_some());
        let in_flight: BTreeSet<_> = model
            .pending
            .values()
            .filter_map(|(_, asked)| match asked {
                Asked::Send(text) => Some(text.clone()),
                _ => None,
            })
            .collect();
        unsent.retain(|(_, text)| !model.acknowledged.contains_key(text));
        if all_began && in_flight.len() < 20 {
            let waiting: Vec<_> = unsent
                .iter()
                .filter(|(_, text)| !in_flight.contains(text))
                .take(rng.random_range(1..8))
                .cloned()
                .collect();
            for (user, text) in waiting {
                let params = json!({
                    "channel": room, "client_id": text, "content": { "type": "text", "text": text },
                });
                next_id += 1;
                model.pending.insert(next_id, (user, Asked::Send(text)));
                server.ask(user, next_id, "send", &params);
            }
            if rng.random_ratio(1, 5) {
                let user = USERS[rng.random_range(0..USERS.len())];
                let read = rng.random_range(0..=model.clients[user].offset);
                next_id += 1;
                model
                    .pending
                    .insert(next_id, (user, Asked::Mark(model.clients[user].read)));
                server.ask(
                    user,
                    next_id,
                    "mark",
                    &json!({ "channel": room, "read": read }),
                );
            }
        }
        match server
            .lines
            .recv_timeout(Duration::from_millis(rng.random_range(1..20)))
        {
            Ok(line) => model.handle(&line),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => panic!("the service died by itself"),
        }
        if unsent.is_empty() && model.pending.is_empty() {
            let newest = model.clients.values().map(|client| client.offset).max();
            if model.clients.values().all(|client| {
                client.subscribed && Some(client.offset) == newest && client.seen.len() >= MESSAGES
            }) {
                break;
            }
        }
        if kills < KILLS_MAX && rng.random_ratio(1, 40) {
            kills += 1;
            for line in server.kill() {
                model.handle(&line);
            }
            model.pending.clear();
            for client in model.clients.values_mut() {
                client.subscribed = false;
            }
            server = Server::start(&url);
        }
    }
    server.kill();

    assert!(kills > 0, "nothing was tried");
    assert_eq!(model.acknowledged.len(), MESSAGES);
    let mut in_order: Vec<_> = model.acknowledged.iter().collect();
    in_order.sort_by_key(|(_, seq)| **seq);
    let expected: Vec<_> = in_order.into_iter().map(|(text, _)| text.clone()).collect();
    for (user, client) in &model.clients {
        assert_eq!(client.seen, expected, "{user}");
    }
    eprintln!("{MESSAGES} messages, {kills} kills");
}
