//! Web Push through the program: configured, subscribed to over HTTP, sent. What is inside is
//! decrypted in the tests of `signaling::push` and in those of the page.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use client::{Connector, Options, Prefer, Transport};
use serde_json::{Value, json};

use crate::harness::{PATIENCE, Server, ask, get, until};

const WEBSOCKET: Prefer = Prefer::Only(Transport::WebSocket);

#[tokio::test]
async fn a_device_is_told_by_web_push_while_its_user_is_away() {
    let settings = "[push]\ncontact = 'mailto:radio@example.org'\nany_endpoint = true\n";
    let server = Server::start_within(&[], settings, &[]);
    let http = server.http();
    let (ann, bob) = (server.token_of("ann", &[]), server.token_of("bob", &[]));
    let (status, key) = get(http, "/api/v1/push/key");
    assert_eq!(status, 200, "{key}");
    let public = key["public_key"].as_str().unwrap();
    assert_eq!(public.len(), 87, "an uncompressed point in base64url");

    let push_service = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = push_service.local_addr().unwrap();
    let subscription = json!({
        "endpoint": format!("http://{address}/device"), "expirationTime": null,
        // Any point of the curve is a device's key; that of RFC 8291's example.
        "keys": {
            "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
            "auth": "BTBZMqHH6r4Tts7J_aSIgg",
        },
    });
    let path = "/api/v1/push/subscriptions";
    let body = subscription.to_string();
    assert_eq!(ask(http, "POST", path, body.as_bytes(), None).0, 401);
    let (status, answer) = ask(http, "POST", path, body.as_bytes(), Some(&bob));
    assert_eq!(status, 200, "{answer}");
    let (session, _events) = server.session(Some(ann), WEBSOCKET).await;
    let direct: Value = session
        .request("create_conversation", &json!({ "users": ["bob"] }))
        .await
        .unwrap();
    let message = json!({
        "channel": direct["room"]["channel"], "client_id": "1",
        "content": { "type": "text", "text": "are you there?" },
    });
    let _: Value = session.request("send", &message).await.unwrap();

    let taken = tokio::task::spawn_blocking(move || take_request(&push_service));
    let taken = tokio::time::timeout(PATIENCE, taken).await;
    let (head, body) = taken.expect("a push comes").unwrap();
    let head = head.to_lowercase();
    assert!(head.starts_with("post /device "), "{head}");
    for line in ["content-encoding: aes128gcm", "ttl: 86400", "urgency: high"] {
        assert!(head.contains(line), "{line} in {head}");
    }
    assert!(head.contains("authorization: vapid t="), "{head}");
    assert!(head.contains(&public.to_lowercase()), "{head}");
    let text = String::from_utf8_lossy(&body);
    assert!(body.len() > 86 && !text.contains("there"), "it is sealed");
    let counted = || {
        let (_, metrics) = get(server.http(), "/metrics");
        let told = "skywave_push_delivered_total 1";
        metrics.as_str().unwrap().contains(told).then_some(())
    };
    until("the push counts as delivered", counted);

    let (status, _) = ask(
        http,
        "DELETE",
        path,
        subscription.to_string().as_bytes(),
        Some(&bob),
    );
    assert_eq!(status, 200);
}

#[tokio::test]
async fn a_server_without_web_push_says_so() {
    let server = Server::start();
    let (status, answer) = get(server.http(), "/api/v1/push/key");
    assert_eq!(
        (status, &answer["error"]["code"]),
        (404, &json!("not_found"))
    );
    let connector = Connector::new(Options {
        server: server.url(),
        prefer: WEBSOCKET,
        ..Options::default()
    });
    let (session, _events, _) = connector.unwrap().connect(Vec::new()).await.unwrap();
    let refused: Result<Value, _> = session.request("push_key", &json!({})).await;
    let refused = refused.expect_err("there is none").to_string();
    assert!(refused.contains("not_found"), "{refused}");
}

/// Takes one HTTP request, answers 201, and gives its head and its body.
fn take_request(listener: &TcpListener) -> (String, Vec<u8>) {
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = Vec::new();
    let end = loop {
        let mut piece = [0; 1_024];
        let count = stream.read(&mut piece).unwrap();
        assert!(count > 0, "it ended early");
        bytes.extend_from_slice(&piece[..count]);
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse::<usize>().unwrap())
    });
    let mut body = bytes[end..].to_vec();
    let have = body.len();
    body.resize(length.expect("a length"), 0);
    stream.read_exact(&mut body[have..]).unwrap();
    let answer = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    stream.write_all(answer).unwrap();
    // What is unread when it is dropped would reset the connection before the answer is seen.
    std::thread::sleep(Duration::from_millis(50));
    (head, body)
}
