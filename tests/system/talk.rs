//! What is said beside the sound, through real sessions.

use client::{Connector, Events, Options, Prefer, Session, Transport};
use serde_json::{Value, json};
use wire::frame::Push;
use wire::message::{HelloResult, SubscribeParams};

use crate::harness::{PATIENCE, Server, ask, get, post};

const ROOM: &str = "room:@demo";

/// A guest's session.
struct Guest {
    session: Session,
    events: Events,
    hello: HelloResult,
    token: String,
}

impl Guest {
    async fn join(
        server: &Server,
        name: &str,
        transport: Transport,
        at: Option<(&str, u64)>,
    ) -> Self {
        let (status, guest) = post(
            server.http(),
            "/api/v1/guest",
            &json!({ "name": name }),
            None,
        );
        assert_eq!(status, 200, "{guest}");
        let token = guest["token"].as_str().unwrap().to_owned();
        Self::resume(server, &token, transport, at).await
    }

    async fn resume(
        server: &Server,
        token: &str,
        transport: Transport,
        at: Option<(&str, u64)>,
    ) -> Self {
        let connector = Connector::new(Options {
            server: server.url(),
            token: Some(token.to_owned()),
            prefer: Prefer::Only(transport),
            ..Options::default()
        });
        let room = SubscribeParams {
            channel: ROOM.into(),
            epoch: at.map(|(epoch, _)| epoch.to_owned()),
            offset: at.map(|(_, offset)| offset),
        };
        let (session, events, hello) = connector.unwrap().connect(vec![room]).await.unwrap();
        Self {
            session,
            events,
            hello,
            token: token.to_owned(),
        }
    }

    async fn ask(&self, method: &str, params: Value) -> Value {
        let answer: Result<Value, _> = self.session.request(method, &params).await;
        answer.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    async fn told(&mut self, kind: &str) -> Push {
        let told = tokio::time::timeout(PATIENCE, async {
            loop {
                let push = self.events.next().await.expect("the session lives");
                if push.kind == kind {
                    return push;
                }
            }
        });
        told.await.unwrap_or_else(|_| panic!("never told: {kind}"))
    }
}

fn text(text: &str, id: &str) -> Value {
    json!({ "channel": ROOM, "client_id": id, "content": { "type": "text", "text": text } })
}

/// The server's demo station makes its room in its own time.
async fn room(server: &Server) {
    let mut observer = server.observe().await;
    observer.is_live("demo").await;
    let path = || get(server.http(), "/api/v1/rooms/room:@demo");
    crate::harness::until("the server is ready", || (path().0 == 200).then_some(()));
}

#[tokio::test]
async fn guests_talk_over_both_transports_and_resume_in_one_round_trip() {
    let server = Server::start_with(&["--demo"]);
    room(&server).await;
    let mut ann = Guest::join(&server, "Ann", Transport::WebTransport, None).await;
    let mut bob = Guest::join(&server, "Bob", Transport::WebSocket, None).await;
    for guest in [&ann, &bob] {
        let subscribed = &guest.hello.subscriptions[0];
        assert!(subscribed.error.is_none(), "{subscribed:?}");
        assert!(!subscribed.recovered && subscribed.state.is_some());
        guest.ask("join_room", json!({ "channel": ROOM })).await;
    }
    let sent = ann.ask("send", text("hello", "a1")).await;
    let again = ann.ask("send", text("hello", "a1")).await;
    assert_eq!(sent, again, "a repeated send is the same message");
    for guest in [&mut ann, &mut bob] {
        let push = guest.told("message").await;
        let message: Value = serde_json::from_str(push.data.get()).unwrap();
        assert_eq!(message["content"]["text"], "hello");
        assert_eq!(message["from"]["name"], "Ann");
        assert_eq!(push.offset, message["seq"].as_u64());
    }
    bob.ask("typing", json!({ "channel": ROOM })).await;
    let typing: Value = serde_json::from_str(ann.told("typing").await.data.get()).unwrap();
    assert_eq!(typing["users"][0]["name"], "Bob");

    let subscribed = bob.hello.subscriptions[0].clone();
    let (epoch, offset) = (subscribed.epoch.unwrap(), subscribed.offset.unwrap());
    bob.session.close().await;
    ann.ask("send", text("where are you?", "a2")).await;
    let bob = Guest::resume(
        &server,
        &bob.token,
        Transport::WebTransport,
        Some((&epoch, offset)),
    )
    .await;
    let back = &bob.hello.subscriptions[0];
    assert!(back.recovered, "{back:?}");
    let texts: Vec<Value> = back
        .events
        .iter()
        .filter(|push| push.kind == "message")
        .map(|push| {
            serde_json::from_str::<Value>(push.data.get()).unwrap()["content"]["text"].take()
        })
        .collect();
    assert_eq!(texts, ["hello", "where are you?"]);
}

#[tokio::test]
async fn the_api_does_what_sessions_do_and_refuses_the_same() {
    let server = Server::start_with(&["--demo"]);
    room(&server).await;
    let http = server.http();
    let guest = |name: &str| {
        let (_, guest) = post(http, "/api/v1/guest", &json!({ "name": name }), None);
        guest["token"].as_str().unwrap().to_owned()
    };
    let (ann, bob) = (guest("Ann"), guest("Bob"));
    let (_, again) = post(
        http,
        "/api/v1/guest",
        &json!({ "name": "Anne" }),
        Some(&ann),
    );
    let mut watcher = Guest::resume(&server, &bob, Transport::WebSocket, None).await;
    let messages = "/api/v1/channels/room:@demo/messages";
    let message = json!({ "client_id": "1", "content": { "type": "text", "text": "hi" } });

    let table = [
        ("POST", messages, message.clone(), None, 401, "unauthorized"),
        (
            "POST",
            messages,
            message.clone(),
            Some("nonsense"),
            401,
            "unauthorized",
        ),
        (
            "POST",
            messages,
            message.clone(),
            Some(&*ann),
            403,
            "not_member",
        ),
        ("POST", messages, json!([]), Some(&ann), 400, "bad_request"),
        (
            "PATCH",
            messages,
            json!({ "read": 1 }),
            None,
            401,
            "unauthorized",
        ),
        (
            "GET",
            "/api/v1/rooms/room:nowhere",
            json!({}),
            None,
            404,
            "unknown_room",
        ),
        (
            "GET",
            "/api/v1/channels/room:@demo/messages?limit=x",
            json!({}),
            None,
            400,
            "bad_request",
        ),
        (
            "GET",
            "/api/v1/conversations",
            json!({}),
            None,
            401,
            "unauthorized",
        ),
        (
            "GET",
            "/api/v1/notifications",
            json!({}),
            None,
            401,
            "unauthorized",
        ),
        (
            "GET",
            "/api/v1/uploads/abcdefgh",
            json!({}),
            Some(&ann),
            404,
            "not_found",
        ),
        (
            "POST",
            "/api/v1/uploads",
            json!("<svg>"),
            None,
            401,
            "unauthorized",
        ),
        (
            "POST",
            "/api/v1/uploads",
            json!("<svg>"),
            Some(&ann),
            400,
            "bad_request",
        ),
        (
            "POST",
            "/api/v1/guest",
            json!({ "name": " " }),
            None,
            400,
            "bad_request",
        ),
    ];
    for (method, path, body, token, status, code) in table {
        let (got, answer) = ask(http, method, path, body.to_string().as_bytes(), token);
        assert_eq!(
            (got, answer["error"]["code"].as_str()),
            (status, Some(code)),
            "{method} {path}: {answer}"
        );
    }

    for token in [&ann, &bob] {
        let guest = Guest::resume(&server, token, Transport::WebSocket, None).await;
        guest.ask("join_room", json!({ "channel": ROOM })).await;
    }
    assert_eq!(again["user"]["name"], "Anne");
    let renewed = again["token"].as_str().unwrap();
    let (status, sent) = post(http, messages, &message, Some(renewed));
    assert_eq!(status, 201, "{sent}");
    assert_eq!(
        post(http, messages, &message, Some(&ann)),
        (201, sent.clone())
    );
    let told = watcher.told("message").await;
    assert_eq!(told.offset, sent["seq"].as_u64());
    let (status, page) = get(http, &format!("{messages}?limit=10"));
    assert_eq!(
        (status, page["messages"].as_array().unwrap().len()),
        (200, 1),
        "{page}"
    );
    let mark = json!({ "read": sent["seq"] }).to_string();
    let (status, marked) = ask(http, "PATCH", messages, mark.as_bytes(), Some(&bob));
    assert_eq!((status, &marked["unread"]), (200, &json!(0)), "{marked}");

    let png = b"\x89PNG\r\n\x1a\nnot much of a picture";
    let (status, upload) = ask(
        http,
        "POST",
        "/api/v1/uploads?name=a%22b.png",
        png,
        Some(&ann),
    );
    assert_eq!(
        (status, &upload["content_type"]),
        (201, &json!("image/png")),
        "{upload}"
    );
    let path = format!("/api/v1/uploads/{}", upload["id"].as_str().unwrap());
    assert_eq!(
        ask(http, "GET", &path, b"", Some(&bob)).0,
        404,
        "shown nowhere yet"
    );
    let media = json!({ "client_id": "2",
        "content": { "type": "media", "upload": upload["id"], "kind": "image" } });
    assert_eq!(post(http, messages, &media, Some(&ann)).0, 201);
    let (status, body) = ask(http, "GET", &path, b"", Some(&bob));
    assert_eq!(status, 200);
    assert!(body.as_str().unwrap().ends_with("not much of a picture"));
}
