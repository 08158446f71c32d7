//! A client that says exactly what a test wants said.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_util::task::AbortOnDropHandle;
use wire::frame::Splitter;
use wtransport::tls::Sha256Digest;
use wtransport::{ClientConfig, Endpoint};

use super::{PATIENCE, Place, publish_params};

/// Which transport a client takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    WebTransport,
    WebSocket,
}

pub(crate) const TRANSPORTS: [Kind; 2] = [Kind::WebTransport, Kind::WebSocket];

/// What a test may have a client send.
enum Outgoing {
    /// JSON framed as the transport does.
    Frame(String),
    /// Bytes as they are: on the control stream, or as one text message that need not be text.
    Raw(Vec<u8>),
    Datagram(Bytes),
}

/// One session's client side. What arrives waits in queues.
pub(crate) struct Client {
    pub(crate) kind: Kind,
    outgoing: mpsc::UnboundedSender<Outgoing>,
    frames: mpsc::UnboundedReceiver<Value>,
    pub(crate) datagrams: mpsc::UnboundedReceiver<Bytes>,
    closed: Option<oneshot::Receiver<u64>>,
    /// Pushes that came while a reply was awaited.
    pushes: std::collections::VecDeque<Value>,
    last_id: u64,
    /// Ends the WebSocket without a goodbye when the client is dropped.
    _reader: Option<AbortOnDropHandle<()>>,
    _wt: Option<(
        Endpoint<wtransport::endpoint::endpoint_side::Client>,
        wtransport::Connection,
    )>,
}

impl Client {
    /// Opens a transport and says nothing yet.
    pub(crate) async fn open(relay: &Place, kind: Kind) -> Self {
        Self::open_at(relay, kind, "/v1").await
    }

    pub(crate) async fn open_at(relay: &Place, kind: Kind, path: &str) -> Self {
        match kind {
            Kind::WebTransport => {
                let address = std::net::Ipv4Addr::LOCALHOST.into();
                Self::open_webtransport_at(relay, address, path).await
            }
            Kind::WebSocket => Self::open_websocket(relay, path, Some("skywave.v1")).await,
        }
    }

    /// Opens a session and greets.
    pub(crate) async fn greet(relay: &Place, kind: Kind, token: Option<&str>) -> Self {
        let mut client = Self::open(relay, kind).await;
        client.hello(token).await;
        client
    }

    pub(crate) async fn hello(&mut self, token: Option<&str>) -> Value {
        let mut params = json!({ "protocol": 1 });
        if let Some(token) = token {
            params["token"] = token.into();
        }
        self.request("hello", params).await.unwrap()
    }

    /// Greets and publishes; gives back the track's id.
    pub(crate) async fn publisher(relay: &Place, kind: Kind, station: &str) -> (Self, u64) {
        let mut client = Self::greet(relay, kind, Some("dj:*:600")).await;
        let result = client
            .request("publish", publish_params(station))
            .await
            .unwrap();
        let track = result["track"]["id"].as_u64().unwrap();
        (client, track)
    }

    /// Opens WebTransport to that address of this machine.
    pub(crate) async fn open_webtransport_at(relay: &Place, address: IpAddr, path: &str) -> Self {
        let connect = relay.json("/api/v1/connect").await;
        let webtransport = &connect["webtransport"];
        let hashes = webtransport["certificateHashes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|hash| {
                use base64::Engine;
                let value = hash["value"].as_str().unwrap();
                let bytes = base64::prelude::BASE64_STANDARD.decode(value).unwrap();
                Sha256Digest::new(bytes.try_into().unwrap())
            });
        let config = ClientConfig::builder()
            .with_bind_address((address, 0).into())
            .with_server_certificate_hashes(hashes)
            .build();
        let endpoint = Endpoint::client(config).unwrap();
        let told = webtransport["url"].as_str().unwrap();
        let port = told.rsplit(':').next().unwrap().split('/').next().unwrap();
        let port = port.parse().unwrap();
        let url = format!("https://{}{path}", SocketAddr::new(address, port));
        let connection = endpoint.connect(url).await.unwrap();
        let (outgoing, mut waiting) = mpsc::unbounded_channel();
        let (frame_sender, frames) = mpsc::unbounded_channel();
        let (datagram_sender, datagrams) = mpsc::unbounded_channel();
        let (close_sender, closed) = oneshot::channel();
        let (mut send, receive) = connection.open_bi().await.unwrap().await.unwrap();
        let mine = connection.clone();
        tokio::spawn(async move {
            while let Some(outgoing) = waiting.recv().await {
                match outgoing {
                    Outgoing::Frame(json) => {
                        let mut framed = Vec::new();
                        wire::varint::encode(json.len() as u64, &mut framed);
                        framed.extend_from_slice(json.as_bytes());
                        let _ = send.write_all(&framed).await;
                    }
                    Outgoing::Raw(bytes) => {
                        let _ = send.write_all(&bytes).await;
                    }
                    Outgoing::Datagram(bytes) => {
                        let _ = mine.send_datagram(bytes);
                    }
                }
            }
        });
        tokio::spawn(read_stream(receive, frame_sender.clone()));
        let mine = connection.clone();
        tokio::spawn(async move {
            while let Ok(stream) = mine.accept_uni().await {
                tokio::spawn(read_stream(stream, frame_sender.clone()));
            }
        });
        let mine = connection.clone();
        tokio::spawn(async move {
            // The session's own end tells the code it closed with; the connection's does not.
            let end = loop {
                match mine.receive_datagram().await {
                    Ok(datagram) => {
                        let _ = datagram_sender.send(datagram.payload());
                    }
                    Err(end) => break end,
                }
            };
            let code = match end {
                wtransport::error::ConnectionError::ApplicationClosed(close) => {
                    close.code().into_inner()
                }
                other => panic!("closed by {other}"),
            };
            let _ = close_sender.send(code);
        });
        Self {
            kind: Kind::WebTransport,
            outgoing,
            frames,
            datagrams,
            closed: Some(closed),
            pushes: Default::default(),
            last_id: 0,
            _reader: None,
            _wt: Some((endpoint, connection)),
        }
    }

    pub(crate) async fn open_websocket(relay: &Place, path: &str, protocol: Option<&str>) -> Self {
        let url = format!("ws://{}{path}", relay.http);
        let mut request = url.into_client_request().unwrap();
        if let Some(protocol) = protocol {
            let headers = request.headers_mut();
            headers.insert("sec-websocket-protocol", protocol.parse().unwrap());
        }
        let (socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
        let (mut sink, mut stream) = socket.split();
        let (outgoing, mut waiting) = mpsc::unbounded_channel();
        let (frame_sender, frames) = mpsc::unbounded_channel();
        let (datagram_sender, datagrams) = mpsc::unbounded_channel();
        let (close_sender, closed) = oneshot::channel();
        tokio::spawn(async move {
            while let Some(outgoing) = waiting.recv().await {
                let message = match outgoing {
                    Outgoing::Frame(json) => Message::text(json),
                    Outgoing::Raw(bytes) => {
                        use tungstenite::protocol::frame::Frame;
                        use tungstenite::protocol::frame::coding::{Data, OpCode};
                        Message::Frame(Frame::message(bytes, OpCode::Data(Data::Text), true))
                    }
                    Outgoing::Datagram(bytes) => Message::binary(bytes),
                };
                if sink.send(message).await.is_err() {
                    return;
                }
            }
        });
        let reader = tokio::spawn(async move {
            while let Some(Ok(message)) = stream.next().await {
                match message {
                    Message::Text(json) => {
                        let _ = frame_sender.send(serde_json::from_str(&json).unwrap());
                    }
                    Message::Binary(bytes) => {
                        let _ = datagram_sender.send(bytes);
                    }
                    Message::Close(Some(frame)) => {
                        let _ = close_sender.send(u16::from(frame.code).into());
                        return;
                    }
                    _ => {}
                }
            }
        });
        Self {
            kind: Kind::WebSocket,
            outgoing,
            frames,
            datagrams,
            closed: Some(closed),
            pushes: Default::default(),
            last_id: 0,
            _reader: Some(AbortOnDropHandle::new(reader)),
            _wt: None,
        }
    }

    /// Sends a request and waits for its reply.
    pub(crate) async fn request(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let id = self.send_request(method, params);
        self.reply(id).await
    }

    /// Sends a request and does not wait.
    pub(crate) fn send_request(&mut self, method: &str, params: Value) -> u64 {
        self.last_id += 1;
        let frame = json!({ "id": self.last_id, "method": method, "params": params });
        self.send_frame(&frame.to_string());
        self.last_id
    }

    pub(crate) fn send_frame(&self, json: &str) {
        let _ = self.outgoing.send(Outgoing::Frame(json.to_owned()));
    }

    pub(crate) fn send_raw(&self, bytes: &[u8]) {
        let _ = self.outgoing.send(Outgoing::Raw(bytes.to_vec()));
    }

    pub(crate) fn send_datagram(&self, bytes: Vec<u8>) {
        let _ = self.outgoing.send(Outgoing::Datagram(bytes.into()));
    }

    pub(crate) async fn reply(&mut self, id: u64) -> Result<Value, Value> {
        loop {
            let frame = self.frame().await.expect("the session goes on");
            if frame["id"] == id {
                return match frame.get("error") {
                    Some(error) => Err(error.clone()),
                    None => Ok(frame["result"].clone()),
                };
            }
            self.pushes.push_back(frame);
        }
    }

    /// The code of the error a request must give.
    pub(crate) async fn refusal(&mut self, method: &str, params: Value) -> String {
        let error = self.request(method, params).await.unwrap_err();
        assert!(!error["message"].as_str().unwrap().is_empty());
        error["code"].as_str().unwrap().to_owned()
    }

    /// The next push of that type; pushes of others are kept for later.
    pub(crate) async fn push(&mut self, kind: &str) -> Value {
        if let Some(at) = self.pushes.iter().position(|push| push["type"] == kind) {
            return self.pushes.remove(at).unwrap();
        }
        loop {
            let frame = self
                .frame()
                .await
                .unwrap_or_else(|| panic!("no {kind} before the end"));
            if frame["type"] == kind {
                return frame;
            }
            self.pushes.push_back(frame);
        }
    }

    /// Whether a push of that type has come within a short while.
    pub(crate) async fn heard(&mut self, kind: &str, wait: Duration) -> bool {
        timeout(wait, self.push(kind)).await.is_ok()
    }

    /// The next frame, whatever it is; none when the transport has ended.
    pub(crate) async fn frame(&mut self) -> Option<Value> {
        timeout(PATIENCE, self.frames.recv())
            .await
            .expect("a frame in time")
    }

    /// The code of the `bye`, after checking that the close that follows has the same.
    pub(crate) async fn end(&mut self) -> String {
        let bye = self.push("bye").await;
        assert_eq!(bye["channel"], "session");
        let code = bye["data"]["code"].as_str().unwrap().to_owned();
        let known: wire::code::CloseCode = serde_json::from_value(code.clone().into()).unwrap();
        let comes_back = bye["data"]["reconnect_after_ms"].is_u64();
        assert_eq!(comes_back, known.invites_back(), "{code}");
        let number = self.close_number().await;
        let base = if self.kind == Kind::WebSocket {
            4000
        } else {
            0
        };
        assert_eq!(number, base + u64::from(known.number()));
        code
    }

    /// The number of the transport's close.
    pub(crate) async fn close_number(&mut self) -> u64 {
        let closed = self.closed.take().expect("asked once");
        timeout(PATIENCE, closed)
            .await
            .expect("closed in time")
            .unwrap()
    }

    /// The next datagram's track, sequence and timestamp.
    pub(crate) async fn sound(&mut self) -> (u64, u64, u64) {
        let bytes = timeout(PATIENCE, self.datagrams.recv())
            .await
            .expect("sound in time")
            .unwrap();
        let datagram = wire::audio::Datagram::decode(&bytes).unwrap();
        (datagram.track.into(), datagram.sequence, datagram.timestamp)
    }

    /// The WebTransport connection, for tests that misuse it.
    pub(crate) fn connection(&self) -> &wtransport::Connection {
        &self._wt.as_ref().expect("a WebTransport client").1
    }
}

async fn read_stream(mut stream: wtransport::RecvStream, frames: mpsc::UnboundedSender<Value>) {
    let mut splitter = Splitter::default();
    let mut buffer = [0; 4096];
    while let Ok(Some(count)) = stream.read(&mut buffer).await {
        splitter.handle_bytes(&buffer[..count]);
        while let Some(json) = splitter.poll_frame().unwrap() {
            let _ = frames.send(serde_json::from_slice(json).unwrap());
        }
    }
}
