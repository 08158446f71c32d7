//! What clients and machines do wrong, and what it does to those who do nothing wrong.

mod raw;

use std::time::{Duration, Instant};

use client::{Prefer, Transport};
use serde_json::{Value, json};
use wire::code::CloseCode;

use crate::harness::{PATIENCE, Server, ask, get, until};
use raw::{Ended, Raw};

const WEBSOCKET: Prefer = Prefer::Only(Transport::WebSocket);

/// The secret in a file: tokens are made beside a data folder that may not be writable.
const SECRET: &str = "[auth]\nsecret = 'a secret that is long enough for HS256'\n";

/// A public room of ann's, over HTTP and raw sessions.
struct Room {
    channel: String,
    token: String,
}

impl Room {
    /// Made by a session of an administrator's, whom no rates bind.
    async fn new(server: &Server) -> Self {
        let token = server.token_of("ann", &["--admin"]);
        let (session, _events) = server.session(Some(token.clone()), WEBSOCKET).await;
        let made: Value = session
            .request("create_room", &json!({ "name": "Faults" }))
            .await
            .unwrap();
        let channel = made["room"]["channel"].as_str().unwrap().to_owned();
        Self { channel, token }
    }

    fn messages(&self) -> String {
        format!("/api/v1/channels/{}/messages", self.channel)
    }

    /// Sends by HTTP; the offset it was stored at, or why not.
    fn send(&self, server: &Server, id: &str, text: &str) -> Result<u64, Value> {
        let message = json!({ "client_id": id, "content": { "type": "text", "text": text } });
        let body = message.to_string();
        let token = Some(&*self.token);
        let (status, answer) = ask(
            server.http(),
            "POST",
            &self.messages(),
            body.as_bytes(),
            token,
        );
        match status {
            201 => Ok(answer["seq"].as_u64().unwrap()),
            _ => Err(answer["error"].clone()),
        }
    }

    /// All texts after an offset, in order, with their offsets.
    fn history(&self, server: &Server, mut after: u64) -> Vec<(u64, String)> {
        let mut found = Vec::new();
        loop {
            let path = format!("{}?after={after}&limit=50", self.messages());
            let (status, page) = get(server.http(), &path);
            assert_eq!(status, 200, "{page}");
            let messages = page["messages"].as_array().unwrap();
            found.extend(messages.iter().map(|message| {
                let text = message["content"]["text"].as_str().unwrap_or_default();
                (message["seq"].as_u64().unwrap(), text.to_owned())
            }));
            match found.last() {
                Some((last, _)) if page["more"] == true => after = *last,
                _ => return found,
            }
        }
    }
}

#[tokio::test]
async fn a_session_ends_with_its_token_unless_it_is_renewed_in_place() {
    let server = Server::start();
    let room = Room::new(&server).await;
    let short = ["--ttl", "4s"];
    let (renewed, mut quiet) = server
        .session(Some(server.token_of("bob", &short)), WEBSOCKET)
        .await;
    let (_left, mut expired) = server
        .session(Some(server.token_of("eve", &short)), WEBSOCKET)
        .await;
    let stranger = json!({ "token": server.token_of("carl", &[]) });
    let refused: Result<Value, _> = renewed.request("authenticate", &stranger).await;
    refused.expect_err("another user's token");
    let token = json!({ "token": server.token_of("bob", &[]) });
    let _: Value = renewed.request("authenticate", &token).await.unwrap();
    let ended = tokio::time::timeout(PATIENCE, async {
        loop {
            if let Err(ended) = expired.next().await {
                return ended;
            }
        }
    });
    let ended = ended.await.expect("the session ends");
    assert_eq!(ended.code, Some(CloseCode::TokenExpired), "{ended:?}");
    let join = json!({ "channel": room.channel });
    let joined: Result<Value, _> = renewed.request("join_room", &join).await;
    joined.expect("the new token holds");
    let still = tokio::time::timeout(Duration::from_millis(200), async {
        while quiet.next().await.is_ok() {}
    });
    still.await.expect_err("the session goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_is_closed_and_resumes_with_nothing_lost() {
    let server = Server::start();
    let room = Room::new(&server).await;
    // Little fits into its receive buffer: what is sent waits at the server.
    let mut slow = Raw::connect(server.http(), Some(4_096));
    let subscription = json!([{ "channel": room.channel }]);
    let hello = slow.hello(Some(&room.token), &subscription);
    let start = hello["subscriptions"][0]["offset"].as_u64().unwrap();
    let text = "x".repeat(3_000);
    let (mut sent, mut stored) = (0, 0);
    let metrics = || get(server.http(), "/metrics").1;
    let closed = "code=\"slow_consumer\"} 1";
    let deadline = Instant::now() + 2 * PATIENCE;
    let senders: Vec<_> = (0..8).map(|_| Raw::connect(server.http(), None)).collect();
    let mut senders = senders;
    for sender in &mut senders {
        sender.hello(Some(&room.token), &json!([]));
    }
    while !metrics().as_str().unwrap().contains(closed) {
        assert!(Instant::now() < deadline, "never closed after {sent}");
        // A round of each sender at the same time: the store takes them together.
        for sender in &mut senders {
            for _ in 0..20 {
                sent += 1;
                sender.request(
                    "send",
                    &json!({
                        "channel": room.channel, "client_id": sent.to_string(),
                        "content": { "type": "text", "text": format!("{sent} {text}") },
                    }),
                );
            }
        }
        for sender in &mut senders {
            for _ in 0..20 {
                let reply = sender.reply();
                // A machine this quick is told to wait.
                let wait_ms = reply["error"]["retry_after_ms"].as_u64();
                std::thread::sleep(Duration::from_millis(wait_ms.unwrap_or(0)));
                let is_stored = reply["result"]["seq"].is_u64();
                assert!(is_stored || wait_ms.is_some(), "{reply}");
                stored += usize::from(is_stored);
            }
        }
    }
    let mut got = Vec::new();
    let ended = loop {
        match slow.read() {
            Ok(frame) if frame["type"] == "message" => got.push(frame["offset"].as_u64().unwrap()),
            Ok(frame) if frame["type"] == "bye" => {
                assert_eq!(frame["data"]["code"], "slow_consumer");
            }
            Ok(_) => {}
            Err(ended) => break ended,
        }
    };
    // The transport may give up on somebody who reads nothing at all, too.
    assert!(
        ended == Ended::Closed(CloseCode::SlowConsumer.websocket()) || ended == Ended::Cut,
        "{ended:?}"
    );
    assert!(got.windows(2).all(|pair| pair[1] == pair[0] + 1), "{got:?}");
    assert!(got.len() < stored, "it was not slow");
    let mut position = json!({
        "channel": room.channel, "offset": got.last().copied().unwrap_or(start),
        "epoch": hello["subscriptions"][0]["epoch"],
    });
    let mut back = Raw::connect(server.http(), None);
    let again = back.hello(Some(&room.token), &json!([position.take()]));
    let subscribed = &again["subscriptions"][0];
    assert!(subscribed["error"].is_null(), "{subscribed}");
    // So much was missed that the state takes its place; history has the rest.
    let texts = room.history(&server, got.last().copied().unwrap_or(start));
    assert_eq!(got.len() + texts.len(), stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_frames_get_defined_answers_and_hurt_nobody() {
    let server = Server::start();
    let room = Room::new(&server).await;
    let mut witness = Raw::connect(server.http(), None);
    witness.hello(Some(&room.token), &json!([{ "channel": room.channel }]));
    let nested = |open: &str, close: &str| {
        let nest = format!("{}{}", open.repeat(10_000), close.repeat(10_000));
        format!("{{\"id\":2,\"method\":\"send\",\"params\":{nest}}}")
    };
    let text = |text: &str| text.as_bytes().to_vec();
    // What is sent, and the code of its error or of the session's end.
    let table = [
        ("1 MiB", vec![b' '; 1 << 20], "frame_too_large"),
        ("65,537 bytes", vec![b' '; 65_537], "frame_too_large"),
        ("brackets", text(&nested("[", "]")), "bad_request"),
        ("braces", text(&nested("{\"a\":", "}")), "protocol_error"),
        ("no UTF-8", vec![0xff, 0xfe, 0x80], "protocol_error"),
        ("no JSON", text("hello"), "protocol_error"),
        ("no request", text("[1,2]"), "protocol_error"),
        (
            "a method that is a number",
            text(r#"{"id":2,"method":7}"#),
            "protocol_error",
        ),
        (
            "parameters that are a list",
            text(r#"{"id":2,"method":"send","params":[1]}"#),
            "bad_request",
        ),
        (
            "a channel that is a number",
            text(r#"{"id":2,"method":"history","params":{"channel":7}}"#),
            "bad_request",
        ),
        (
            "a number out of range",
            text(r#"{"id":2,"method":"history","params":{"channel":"room:x","before":-1}}"#),
            "bad_request",
        ),
        (
            "a method there is not",
            text(r#"{"id":2,"method":"launch"}"#),
            "unknown_method",
        ),
    ];
    for (what, bytes, expected) in table {
        let mut hostile = Raw::connect(server.http(), None);
        hostile.hello(None, &json!([]));
        hostile.send(1, &bytes);
        let code = loop {
            match hostile.read() {
                Ok(frame) if frame["id"] == 2 => break frame["error"]["code"].clone(),
                Ok(frame) if frame["type"] == "bye" => break frame["data"]["code"].clone(),
                Ok(_) => {}
                Err(ended) => break json!(format!("{ended:?}")),
            }
        };
        assert_eq!(code, expected, "{what}");
    }
    room.send(&server, "after", "unaffected").unwrap();
    witness.until("message");
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_are_refused_and_hurt_nobody() {
    let server = Server::start();
    let room = Room::new(&server).await;
    let mut witness = Raw::connect(server.http(), None);
    witness.hello(Some(&room.token), &json!([{ "channel": room.channel }]));

    // 10,000 subscriptions, in one hello and one by one.
    let many: Vec<_> = (0..2_000)
        .map(|number| json!({ "channel": format!("room:r{number}") }))
        .collect();
    let mut greedy = Raw::connect(server.http(), None);
    let hello = json!({ "protocol": 1, "subscriptions": many });
    greedy.request("hello", &hello);
    let reply = greedy.reply();
    assert_eq!(reply["error"]["code"], "too_many_subscriptions", "{reply}");
    let mut greedy = Raw::connect(server.http(), None);
    greedy.hello(Some(&server.token_of("eve", &[])), &json!([]));
    let codes = greedy.flood(10_000, |number| {
        ("subscribe", json!({ "channel": format!("room:r{number}") }))
    });
    assert!(
        codes.iter().all(|code| matches!(
            &**code,
            "unknown_room" | "rate_limited" | "too_many_subscriptions" | "closed"
        )),
        "{codes:?}"
    );

    // 1,000 messages a second by a member.
    let mut loud = Raw::connect(server.http(), None);
    loud.hello(Some(&server.token_of("mallory", &[])), &json!([]));
    loud.request("join_room", &json!({ "channel": room.channel }));
    let joined = loud.reply();
    assert!(joined["error"].is_null(), "{joined}");
    let channel = room.channel.clone();
    let codes = loud.flood(1_000, move |number| {
        let message = json!({
            "channel": channel, "client_id": format!("m{number}"),
            "content": { "type": "text", "text": "noise" },
        });
        ("send", message)
    });
    assert!(
        codes
            .iter()
            .all(|code| matches!(&**code, "ok" | "rate_limited" | "closed")),
        "{codes:?}"
    );
    let stored = codes.iter().filter(|code| **code == "ok").count();
    assert!((1..=60).contains(&stored), "{stored} were stored");

    room.send(&server, "after", "unaffected").unwrap();
    let told = witness.until_that(|frame| {
        frame["type"] == "message" && frame["data"]["content"]["text"] == "unaffected"
    });
    assert!(told["offset"].is_u64());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_for_a_while_and_loses_nothing() {
    // No file may grow above 2 MiB: writing fails as on a full disk.
    let limit = "trap '' XFSZ; ulimit -S -f 4096; exec \"$0\" \"$@\"";
    let mut server = Server::start_within(&["sh", "-c", limit], SECRET, &[]);
    let room = Room::new(&server).await;
    let text = "y".repeat(3_500);
    let mut stored = Vec::new();
    let refused = until("the disk is full", || {
        for _ in 0..50 {
            let number = stored.len();
            let said = format!("{number} {text}");
            match room.send(&server, &format!("f{number}"), &said) {
                Ok(seq) => stored.push((seq, said)),
                Err(error) => return Some(error),
            }
        }
        None
    });
    assert_eq!(
        (&refused["code"], &refused["temporary"]),
        (&json!("unavailable"), &json!(true)),
        "{refused}"
    );
    assert!(refused["retry_after_ms"].is_u64(), "{refused}");
    assert!(stored.len() > 20, "{} were stored", stored.len());
    assert_eq!(room.history(&server, 0), stored, "reading goes on");

    let pid = server.process().id().to_string();
    let freed = std::process::Command::new("prlimit")
        .args(["--pid", &pid, "--fsize=unlimited:unlimited"])
        .status();
    assert!(freed.unwrap().success());
    let number = stored.len();
    let said = format!("{number} {text}");
    // The very message that was refused, as a client sends it again.
    let seq = until("there is space again", || {
        room.send(&server, &format!("f{number}"), &said).ok()
    });
    stored.push((seq, said));
    let server = server.restart_with_wrapper(&[]);
    assert_eq!(room.history(&server, 0), stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_database_refuses_for_a_while_and_loses_nothing() {
    use sqlx::{Connection as _, Executor as _};
    let server = Server::start();
    let room = Room::new(&server).await;
    let before = room.send(&server, "1", "before").unwrap();
    let file = server.folder().join("data/skywave.db");
    let url = format!("sqlite:{}", file.display());
    let mut other = sqlx::SqliteConnection::connect(&url).await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let refused = room.send(&server, "2", "meanwhile").unwrap_err();
    assert_eq!(
        (&refused["code"], &refused["temporary"]),
        (&json!("unavailable"), &json!(true)),
        "{refused}"
    );
    assert_eq!(room.history(&server, 0), [(before, "before".to_owned())]);
    other.execute("ROLLBACK").await.unwrap();
    let after = room.send(&server, "2", "meanwhile").unwrap();
    assert_eq!(
        room.history(&server, 0),
        [
            (before, "before".to_owned()),
            (after, "meanwhile".to_owned())
        ]
    );
}
