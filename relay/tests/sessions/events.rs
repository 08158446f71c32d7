//! Sessions over server-sent events and POST.

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::support::TestRelay;

/// A session's stream of events and where its frames go.
struct Events {
    lines: BufReader<TcpStream>,
    http: std::net::SocketAddr,
    secret: String,
}

impl Events {
    async fn open(relay: &TestRelay) -> Self {
        let mut stream = TcpStream::connect(relay.http).await.unwrap();
        let head = "GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut events = Self {
            lines: BufReader::new(stream),
            http: relay.http,
            secret: String::new(),
        };
        events.secret = events.data().await.expect("the session's secret");
        events
    }

    /// The next event's data; none when the stream ends.
    async fn data(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).await.unwrap() == 0 || line == "0\r\n" {
                return None;
            }
            if let Some(data) = line.trim_end().strip_prefix("data: ") {
                return Some(data.to_owned());
            }
        }
    }

    async fn frame(&mut self) -> Value {
        serde_json::from_str(&self.data().await.expect("a frame")).unwrap()
    }

    /// Posts lines; answers the status.
    async fn post(&self, secret: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(self.http).await.unwrap();
        let request = format!(
            "POST /v1/frames HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Skywave-Session: {secret}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    }

    async fn send(&self, frames: &[Value]) {
        let lines: Vec<_> = frames.iter().map(Value::to_string).collect();
        assert_eq!(self.post(&self.secret, &lines.join("\n")).await, "202");
    }
}

#[tokio::test]
async fn frames_travel_both_ways_without_sound() {
    let relay = TestRelay::start().await;
    let mut events = Events::open(&relay).await;
    events
        .send(&[
            json!({ "id": 1, "method": "hello", "params": {
                "protocol": 1, "subscriptions": [{ "channel": "stations" }] } }),
            json!({ "id": 2, "method": "ping" }),
        ])
        .await;
    let hello = events.frame().await;
    assert_eq!(hello["id"], 1, "{hello}");
    assert!(hello["result"]["subscriptions"][0]["state"].is_object());
    assert_eq!(events.frame().await["id"], 2);
    events
        .send(&[json!({ "id": 3, "method": "listen", "params": { "station": "demo" } })])
        .await;
    assert_eq!(events.frame().await["error"]["code"], "forbidden");

    let other = Events::open(&relay).await;
    assert_ne!(other.secret, events.secret);
    assert_eq!(events.post("guess", "{}").await, "404");

    events.send(&[json!({ "no": "request" })]).await;
    let bye = events.frame().await;
    assert_eq!(bye["data"]["code"], "protocol_error", "{bye}");
    assert_eq!(events.data().await, None);
    assert_eq!(events.post(&events.secret, "{}").await, "404");
}
