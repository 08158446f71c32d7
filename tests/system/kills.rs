//! Members talk while the server is killed again and again, and a member too: what was
//! acknowledged reaches each of them once and in order, and marks never go back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use client::{Chat, ChatEvent, ChatEvents, Connector, Options, Prefer, Transport};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use tokio::task::JoinHandle;
use wire::frame::read;
use wire::message::SubscribeParams;
use wire::message::chat::{Content, Message};
use wire::message::room::RoomState;

use crate::harness::{Server, until};

const ROOM: &str = "room:@demo";
const MEMBERS: usize = 4;
const KILLS: usize = 3;

/// What one member has seen, as an application that keeps it on disk would.
#[derive(Default)]
struct Log {
    /// Messages in the order they were shown: number and text.
    shown: Vec<(u64, String)>,
    position: Option<(String, u64)>,
    resumed: usize,
}

type SharedLog = Arc<Mutex<Log>>;

/// Everything acknowledged, by number.
type Acknowledged = Arc<Mutex<BTreeMap<u64, String>>>;

struct Member {
    options: Options,
    log: SharedLog,
    task: Option<JoinHandle<()>>,
    chat: Option<Chat>,
}

impl Member {
    fn new(server: &Server, number: usize) -> Self {
        // Administrators are bound by no rates: the test is about loss.
        let token = server.token_of(&format!("user{number}"), &["--admin"]);
        let transport = match number % 2 {
            0 => Transport::WebSocket,
            _ => Transport::WebTransport,
        };
        let options = Options {
            server: server.url(),
            token: Some(token),
            prefer: Prefer::Only(transport),
            ..Options::default()
        };
        Self {
            options,
            log: SharedLog::default(),
            task: None,
            chat: None,
        }
    }

    /// Starts, or comes back after a crash, from where its log ends.
    async fn start(&mut self) {
        let connector = Connector::new(self.options.clone()).unwrap();
        let position = self.log.lock().unwrap().position.clone();
        let room = SubscribeParams {
            channel: ROOM.into(),
            epoch: position.as_ref().map(|(epoch, _)| epoch.clone()),
            offset: position.map(|(_, offset)| offset),
        };
        let (chat, events) = Chat::start(connector, vec![room]).await.unwrap();
        self.task = Some(tokio::spawn(show(events, Arc::clone(&self.log))));
        self.chat = Some(chat);
    }

    /// Dies without a word.
    fn crash(&mut self) {
        self.task.take().unwrap().abort();
        self.chat = None;
    }
}

/// Shows what happens, each event with its position in one step.
async fn show(mut events: ChatEvents, log: SharedLog) {
    while let Some(event) = events.next().await {
        let mut log = log.lock().unwrap();
        match event {
            ChatEvent::State(subscribed) => {
                let state: RoomState = read(&subscribed.state.unwrap()).unwrap();
                let last = log.shown.last().map_or(0, |(seq, _)| *seq);
                let fresh = state.messages.iter().filter(|message| message.seq > last);
                let fresh: Vec<_> = fresh.map(shown).collect();
                log.shown.extend(fresh);
                log.position = subscribed.epoch.zip(subscribed.offset);
            }
            ChatEvent::Push(push) => {
                if push.kind == "message" {
                    log.shown.push(shown(&read(&push.data).unwrap()));
                }
                if let (Some(position), Some(offset)) = (&mut log.position, push.offset) {
                    position.1 = offset;
                }
            }
            ChatEvent::Connected => log.resumed += 1,
            ChatEvent::Disconnected(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn shown(message: &Message) -> (u64, String) {
    match &message.content {
        Some(Content::Text { text }) => (message.seq, text.clone()),
        other => panic!("{other:?}"),
    }
}

/// Says numbered texts until told to stop; each is acknowledged at last.
async fn talk(
    chat: Chat,
    name: String,
    seed: u64,
    stop: Arc<std::sync::atomic::AtomicBool>,
    acknowledged: Acknowledged,
) {
    let mut random = StdRng::seed_from_u64(seed);
    for number in 0.. {
        if stop.load(std::sync::atomic::Ordering::Relaxed) {
            return;
        }
        let text = format!("{name} {number}");
        let content = Content::Text { text: text.clone() };
        let sent = chat.send(ROOM, &format!("{name}-{number}"), content).await;
        let before = acknowledged.lock().unwrap().insert(sent.unwrap().seq, text);
        assert_eq!(before, None, "two messages with one number");
        let pause = random.random_range(5..120);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

/// A member writes to another, who marks it read: what was acknowledged as marked stays so.
/// Gives how many were.
async fn mark(
    writer: Chat,
    reader: Chat,
    reader_sub: &'static str,
    stop: Arc<std::sync::atomic::AtomicBool>,
) -> u64 {
    let users = json!({ "users": [reader_sub] });
    let made = writer.request_surely("create_conversation", &users).await;
    let made: serde_json::Value = made.unwrap();
    let channel = made["room"]["channel"].as_str().unwrap();
    for number in 0.. {
        if stop.load(std::sync::atomic::Ordering::Relaxed) {
            return number;
        }
        let content = Content::Text {
            text: number.to_string(),
        };
        let id = format!("mark-{number}");
        let seq = writer.send(channel, &id, content).await.unwrap().seq;
        let read = json!({ "channel": channel, "read": seq });
        let _: serde_json::Value = reader.request_surely("mark", &read).await.unwrap();
        let asked = json!({ "channel": channel });
        let told = writer.request_surely("members", &asked).await;
        let told: serde_json::Value = told.unwrap();
        let members = told["members"].as_array().unwrap();
        let other = members.iter().find(|member| member["sub"] == reader_sub);
        let other = other.expect("the other is a member");
        assert_eq!(
            (&other["read"], &other["delivered"]),
            (&json!(seq), &json!(seq)),
            "a mark went back"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    unreachable!("numbers do not end")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_reaches_everyone_once_and_in_order() {
    talk_and_kill("").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_holds_over_postgresql() {
    let postgres = crate::databases::Server::start();
    let database = postgres.database("kills");
    talk_and_kill(&format!("database_url = '{}'\n", database.url)).await;
}

async fn talk_and_kill(settings: &str) {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut server = Server::start_within(&[], settings, &["--demo"]);
    until("the server is ready", || {
        let (status, _) = crate::harness::get(server.http(), "/api/v1/rooms/room:@demo");
        (status == 200).then_some(())
    });
    let mut members: Vec<_> = (0..MEMBERS)
        .map(|number| Member::new(&server, number))
        .collect();
    for member in &mut members {
        member.start().await;
    }
    let acknowledged = Acknowledged::default();
    let stop = Arc::<std::sync::atomic::AtomicBool>::default();
    // The member that crashes only reads: what it did not hear of was not acknowledged to it.
    let mut talkers = Vec::new();
    for (number, member) in members.iter().enumerate().skip(1) {
        let chat = member.chat.clone().unwrap();
        let join = json!({ "channel": ROOM });
        let _: serde_json::Value = chat.request_surely("join_room", &join).await.unwrap();
        let name = format!("user{number}");
        let (stop, acknowledged) = (Arc::clone(&stop), Arc::clone(&acknowledged));
        talkers.push(tokio::spawn(talk(
            chat,
            name,
            random.random(),
            stop,
            acknowledged,
        )));
    }
    let chat = |number: usize| members[number].chat.clone().unwrap();
    let marking = tokio::spawn(mark(chat(1), chat(2), "user2", Arc::clone(&stop)));
    for kill in 0..KILLS {
        let life = random.random_range(800..2_000);
        tokio::time::sleep(Duration::from_millis(life)).await;
        if kill == 1 {
            members[0].crash();
        }
        server = tokio::task::spawn_blocking(|| server.restart())
            .await
            .unwrap();
        if kill == 1 {
            members[0].start().await;
        }
    }
    tokio::time::sleep(Duration::from_millis(random.random_range(500..1_500))).await;
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    for talker in talkers {
        let talked = tokio::time::timeout(crate::harness::PATIENCE, talker).await;
        talked
            .expect("every message is acknowledged at last")
            .unwrap();
    }
    let marked = tokio::time::timeout(crate::harness::PATIENCE, marking).await;
    let marked = marked.expect("every mark is acknowledged at last").unwrap();
    assert!(marked > 10, "only {marked} marks");
    let acknowledged = acknowledged.lock().unwrap().clone();
    assert!(
        acknowledged.len() > 20,
        "only {} messages",
        acknowledged.len()
    );
    for (number, member) in members.iter().enumerate() {
        let all_shown = || {
            let log = member.log.lock().unwrap();
            let last = log.shown.last().map_or(0, |(seq, _)| *seq);
            (last >= *acknowledged.keys().last().unwrap()).then_some(())
        };
        tokio::task::block_in_place(|| until(&format!("the last message at {number}"), all_shown));
        let log = member.log.lock().unwrap();
        let in_order = log.shown.windows(2).all(|pair| pair[0].0 < pair[1].0);
        assert!(in_order, "seed {seed}, member {number}: {:?}", log.shown);
        let seen: BTreeMap<_, _> = log.shown.iter().cloned().collect();
        for (seq, text) in &acknowledged {
            assert_eq!(
                seen.get(seq),
                Some(text),
                "seed {seed}, member {number}, {seq}"
            );
        }
        let texts: std::collections::BTreeSet<_> = seen.values().collect();
        assert_eq!(
            texts.len(),
            seen.len(),
            "seed {seed}, member {number}: one twice"
        );
        assert!(log.resumed > 1, "member {number} was never cut off");
    }
}
