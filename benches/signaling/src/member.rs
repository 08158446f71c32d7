//! Members of a room over WebSocket, in either protocol.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

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
    next_id: u64,
}

/// A place in a room's series of events.
pub(crate) type Position = (String, u64);

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
            next_id: 1,
        })
    }

    /// Joins the one room of a Socket.IO server, which puts everyone there.
    pub(crate) async fn enter(&mut self) -> anyhow::Result<()> {
        self.say("40".to_owned()).await?;
        while !self.hear().await?.starts_with("40") {}
        Ok(())
    }

    /// Says hello, subscribing a room; gives where it stands and whether it was recovered.
    pub(crate) async fn hello(
        &mut self,
        token: Option<&str>,
        room: Option<&str>,
        from: Option<&Position>,
    ) -> anyhow::Result<Option<(Position, bool)>> {
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
        let recovered = subscribed["recovered"].as_bool().unwrap_or(false);
        Ok(Some(((epoch.to_owned(), offset), recovered)))
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
        let id = self.next_id;
        self.next_id += 1;
        let frame = json!({ "id": id, "method": method, "params": params });
        self.say(frame.to_string()).await?;
        Ok(id)
    }

    /// Sends a message that tells when, and does not wait for more.
    pub(crate) async fn send(&mut self, room: &str) -> anyhow::Result<()> {
        let mut text = format!("{MARK}{} ", micros());
        text.extend(std::iter::repeat_n(
            'x',
            TEXT_BYTES.saturating_sub(text.len()),
        ));
        if self.kind == Kind::Skywave {
            let content = json!({ "type": "text", "text": text });
            let id = format!("m{}", self.next_id);
            let params = json!({ "channel": room, "client_id": id, "content": content });
            self.request("send", params).await.map(drop)
        } else {
            self.say(format!("42{}", json!(["send", text]))).await
        }
    }

    /// The next message's delay in microseconds, whatever else is told before it.
    pub(crate) async fn delay(&mut self) -> anyhow::Result<u64> {
        loop {
            let text = self.hear_for(Duration::MAX / 4).await?;
            if let Some(at) = text.find(MARK) {
                let digits = text[at + MARK.len()..].split(' ').next();
                let sent: u64 = digits.context("a time")?.parse()?;
                return Ok(micros().saturating_sub(sent));
            }
        }
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

fn micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros() as u64)
}
