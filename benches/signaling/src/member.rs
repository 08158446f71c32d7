//! Members of a room over WebSocket, in either protocol.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::contender::Kind;

/// How long any one step may take.
const STEP: Duration = Duration::from_secs(60);

/// Before the time in a message's text.
const MARK: &str = "sent=";

/// Bytes of a message's text.
const TEXT_BYTES: usize = 100;

/// One connection.
pub(crate) struct Member {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    kind: Kind,
    last_id: u64,
}

/// A place in a room's series of events.
pub(crate) type Position = (String, u64);

/// What a Skywave server says of a room that is subscribed.
#[derive(Debug)]
pub(crate) struct Greeted {
    pub(crate) position: Position,
    /// Whether `missed` is all there was since the position asked for.
    pub(crate) recovered: bool,
    /// Events as they would have been pushed.
    pub(crate) missed: Vec<String>,
}

/// Before a message's number in its text.
const NUMBER: &str = "number=";

impl Member {
    pub(crate) async fn connect(kind: Kind, address: &str) -> anyhow::Result<Self> {
        let path = match kind {
            Kind::Skywave => "v1",
            _ => "socket.io/?EIO=4&transport=websocket",
        };
        let mut request = format!("ws://{address}/{path}").into_client_request()?;
        if kind == Kind::Skywave {
            let name = "sec-websocket-protocol";
            request.headers_mut().insert(name, "skywave.v1".parse()?);
        }
        let connecting = tokio_tungstenite::connect_async(request);
        let (socket, _) = tokio::time::timeout(STEP, connecting).await??;
        Ok(Self {
            socket,
            kind,
            last_id: 0,
        })
    }

    /// Joins the one room of a Socket.IO server, which puts everyone there.
    pub(crate) async fn enter(&mut self) -> anyhow::Result<()> {
        self.say("40".to_owned()).await?;
        while !self.hear().await?.starts_with("40") {}
        Ok(())
    }

    /// Says hello, subscribing a room; gives where it stands and what was missed.
    pub(crate) async fn hello(
        &mut self,
        token: Option<&str>,
        room: Option<&str>,
        from: Option<&Position>,
    ) -> anyhow::Result<Option<Greeted>> {
        let mut params = json!({ "protocol": 1 });
        if let Some(token) = token {
            params["token"] = token.into();
        }
        if let Some(room) = room {
            let mut wanted = json!({ "channel": room });
            if let Some((epoch, offset)) = from {
                wanted["epoch"] = epoch.as_str().into();
                wanted["offset"] = (*offset).into();
            }
            params["subscriptions"] = json!([wanted]);
        }
        let greeted = self.ask("hello", params).await?;
        let Some(subscribed) = greeted["subscriptions"].get(0) else {
            return Ok(None);
        };
        let epoch = subscribed["epoch"].as_str();
        let epoch = epoch.with_context(|| format!("refused: {subscribed}"))?;
        let offset = subscribed["offset"].as_u64().context("an offset")?;
        let events = subscribed["events"].as_array();
        Ok(Some(Greeted {
            position: (epoch.to_owned(), offset),
            recovered: subscribed["recovered"].as_bool().unwrap_or(false),
            missed: events.into_iter().flatten().map(Value::to_string).collect(),
        }))
    }

    /// Asks a Skywave server and waits for the reply.
    pub(crate) async fn ask(&mut self, method: &str, params: Value) -> anyhow::Result<Value> {
        let id = self.request(method, params).await?;
        loop {
            let mut frame: Value = serde_json::from_str(&self.hear().await?)?;
            if frame["id"].as_u64() == Some(id) {
                let error = &frame["error"];
                anyhow::ensure!(error.is_null(), "{method}: {error}");
                return Ok(frame["result"].take());
            }
        }
    }

    async fn request(&mut self, method: &str, params: Value) -> anyhow::Result<u64> {
        self.last_id += 1;
        let id = self.last_id;
        let frame = json!({ "id": id, "method": method, "params": params });
        self.say(frame.to_string()).await?;
        Ok(id)
    }

    /// Sends a message that tells when, and does not wait for more; gives its number.
    pub(crate) async fn send(&mut self, room: &str) -> anyhow::Result<u64> {
        self.last_id += 1;
        let number = self.last_id;
        let mut text = format!("{MARK}{} {NUMBER}{number} ", micros());
        text.extend(std::iter::repeat_n(
            'x',
            TEXT_BYTES.saturating_sub(text.len()),
        ));
        if self.kind == Kind::Skywave {
            let content = json!({ "type": "text", "text": text });
            let id = format!("m{number}");
            let params = json!({ "channel": room, "client_id": id, "content": content });
            self.request("send", params).await?;
        } else {
            self.say(format!("42{}", json!(["send", text]))).await?;
        }
        Ok(number)
    }

    /// The next message's delay in microseconds, whatever else is told before it.
    pub(crate) async fn delay(&mut self) -> anyhow::Result<u64> {
        loop {
            let text = self.next().await?;
            if let Some(at) = text.find(MARK) {
                let digits = text[at + MARK.len()..].split(' ').next();
                let sent: u64 = digits.context("a time")?.parse()?;
                return Ok(micros().saturating_sub(sent));
            }
        }
    }

    /// Waits, and hears what it is told meanwhile: whoever does not is taken for gone.
    pub(crate) async fn rest(&mut self, until: Instant) -> anyhow::Result<()> {
        while let Ok(told) = tokio::time::timeout_at(until.into(), self.next()).await {
            told?;
        }
        Ok(())
    }

    /// Tells the server that one is there; Socket.IO asks for that itself.
    pub(crate) async fn ping(&mut self) -> anyhow::Result<()> {
        match self.kind {
            Kind::Skywave => self.request("ping", json!({})).await.map(drop),
            _ => Ok(()),
        }
    }

    async fn hear(&mut self) -> anyhow::Result<String> {
        self.hear_for(STEP).await
    }

    /// Whatever is told next, however long that takes.
    pub(crate) async fn next(&mut self) -> anyhow::Result<String> {
        self.hear_for(Duration::MAX / 4).await
    }

    async fn hear_for(&mut self, patience: Duration) -> anyhow::Result<String> {
        loop {
            let message = tokio::time::timeout(patience, self.socket.next()).await?;
            match message.context("the server closed")?? {
                // A ping of Socket.IO's own.
                Message::Text(text) if text.as_str() == "2" => self.say("3".to_owned()).await?,
                Message::Text(text) => return Ok(text.as_str().to_owned()),
                Message::Close(frame) => anyhow::bail!("closed: {frame:?}"),
                _ => {}
            }
        }
    }

    async fn say(&mut self, text: String) -> anyhow::Result<()> {
        let sending = self.socket.send(Message::Text(text.into()));
        Ok(tokio::time::timeout(STEP, sending).await??)
    }
}

/// The number of the message that a frame tells of, if it does.
pub(crate) fn number_in(frame: &str) -> Option<u64> {
    let at = frame.find(NUMBER)? + NUMBER.len();
    frame[at..].split(' ').next()?.parse().ok()
}

fn micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros() as u64)
}
