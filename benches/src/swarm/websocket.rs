//! WebSocket listeners on sockets that never block.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::Context;
use load::ears::{Ears, Listener};
use tungstenite::client::IntoClientRequest;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Error, Message, WebSocket};
use wire::audio::Datagram;

use super::sockets::{Sockets, connect_from};
use super::{Arguments, Flock, PING, home, now};

pub(super) struct Listeners {
    server: SocketAddr,
    idle: bool,
    sockets: Sockets,
    members: Vec<Option<Member>>,
    /// Numbers in the order they joined.
    order: VecDeque<usize>,
    pings: VecDeque<(Instant, usize)>,
    ready: Vec<usize>,
    newly_idle: usize,
}

struct Member {
    listener: Listener,
    socket: WebSocket<TcpStream>,
}

impl Listeners {
    pub(super) fn new(arguments: &Arguments) -> anyhow::Result<Self> {
        Ok(Self {
            server: arguments.server,
            idle: arguments.idle,
            sockets: Sockets::new()?,
            members: Vec::new(),
            order: VecDeque::new(),
            pings: VecDeque::new(),
            ready: Vec::new(),
            newly_idle: 0,
        })
    }

    fn send(&mut self, number: usize, frame: String) -> anyhow::Result<()> {
        let member = self.members[number].as_mut().context("a member")?;
        // Control frames are small; a server that does not take them is lost anyway.
        member.socket.send(Message::text(frame))?;
        Ok(())
    }

    fn ping(&mut self, now: Instant) {
        while self.pings.front().is_some_and(|(due, _)| *due <= now) {
            let Some((_, number)) = self.pings.pop_front() else {
                return;
            };
            if self.members[number].is_some() && self.send(number, super::ping()).is_ok() {
                self.pings.push_back((now + PING, number));
            }
        }
    }

    fn read(&mut self, number: usize, ears: &mut Ears) {
        let Some(Some(member)) = self.members.get_mut(number) else {
            return;
        };
        let (_, micros) = now();
        loop {
            let why = match member.socket.read() {
                Ok(Message::Binary(bytes)) => {
                    if let Ok(datagram) = Datagram::decode(&bytes) {
                        ears.hear(&mut member.listener, datagram.packet, micros);
                    }
                    continue;
                }
                Ok(Message::Text(text)) => match super::refusal(text.as_bytes()) {
                    Some(why) => why,
                    None => continue,
                },
                Ok(_) => continue,
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => error.to_string(),
            };
            ears.lose(&why);
            self.members[number] = None;
            return;
        }
    }
}

impl Flock for Listeners {
    fn join(&mut self, station: u32) -> anyhow::Result<()> {
        let asked = Instant::now();
        let number = self.members.len();
        let stream = connect_from(home(number), self.server)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut request = format!("ws://{}/v1", self.server).into_client_request()?;
        let protocol = wire::SUBPROTOCOL.parse()?;
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
        let config = WebSocketConfig::default().read_buffer_size(2048);
        let (socket, _) = tungstenite::client::client_with_config(request, stream, Some(config))?;
        socket.get_ref().set_nonblocking(true)?;
        self.sockets.add(number, socket.get_ref())?;
        let listener = Listener::join(station, asked);
        self.members.push(Some(Member { listener, socket }));
        for frame in super::opening((!self.idle).then_some(station))? {
            self.send(number, frame)?;
        }
        self.newly_idle += usize::from(self.idle);
        self.order.push_back(number);
        self.pings.push_back((asked + PING, number));
        Ok(())
    }

    fn leave(&mut self) -> bool {
        while let Some(number) = self.order.pop_front() {
            if let Some(mut member) = self.members[number].take() {
                let _ = member.socket.close(None);
                return true;
            }
        }
        false
    }

    fn zap(&mut self, number: usize, station: u32) -> anyhow::Result<()> {
        let number = self.order[number];
        self.send(number, super::listen(station)?)?;
        let member = self.members[number].as_mut().context("a member")?;
        member.listener.zap(station);
        Ok(())
    }

    fn turn(&mut self, ears: &mut Ears) -> anyhow::Result<bool> {
        self.ping(Instant::now());
        ears.open += std::mem::take(&mut self.newly_idle);
        if self.ready.is_empty() {
            self.ready = self.sockets.ready(0)?;
        }
        let ready = std::mem::take(&mut self.ready);
        for &number in &ready {
            self.read(number, ears);
        }
        Ok(!ready.is_empty())
    }

    fn wait(&mut self) -> anyhow::Result<()> {
        self.ready = self.sockets.ready(1)?;
        Ok(())
    }
}
