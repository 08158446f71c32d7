//! Players of HTTP streams, for a relay and for Icecast alike.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use load::ears::{Ears, Listener};
use media::ogg::{Demuxer, Event};

use super::sockets::{Sockets, connect_from};
use super::{Arguments, Flock, home, now};

pub(super) struct Listeners {
    server: SocketAddr,
    suffix: String,
    sockets: Sockets,
    members: Vec<Option<Member>>,
    order: VecDeque<usize>,
    ready: Vec<usize>,
    buffer: Vec<u8>,
}

struct Member {
    listener: Listener,
    stream: TcpStream,
    /// What came before the stream itself.
    head: Option<Vec<u8>>,
    ogg: Demuxer,
}

impl Listeners {
    pub(super) fn new(arguments: &Arguments) -> anyhow::Result<Self> {
        Ok(Self {
            server: arguments.server,
            suffix: arguments.suffix.clone(),
            sockets: Sockets::new()?,
            members: Vec::new(),
            order: VecDeque::new(),
            ready: Vec::new(),
            buffer: vec![0; 16 * 1024],
        })
    }

    fn read(&mut self, number: usize, ears: &mut Ears) {
        let Some(Some(member)) = self.members.get_mut(number) else {
            return;
        };
        let (_, micros) = now();
        let why = match member.stream.read(&mut self.buffer) {
            Ok(0) => "the stream has ended".to_owned(),
            Ok(count) => match member.take(&self.buffer[..count], micros, ears) {
                Ok(()) => return,
                Err(error) => error.to_string(),
            },
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) => error.to_string(),
        };
        ears.lose(&why);
        self.members[number] = None;
    }
}

impl Member {
    fn take(&mut self, bytes: &[u8], micros: u64, ears: &mut Ears) -> anyhow::Result<()> {
        if let Some(head) = &mut self.head {
            head.extend_from_slice(bytes);
            let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") else {
                anyhow::ensure!(head.len() < 16 * 1024, "a head without end");
                return Ok(());
            };
            let status = head.split(|byte| *byte == b'\r').next();
            let status = String::from_utf8_lossy(status.unwrap_or_default()).into_owned();
            anyhow::ensure!(status.contains(" 200"), "the answer was {status}");
            let rest = head.split_off(end + 4);
            self.head = None;
            self.ogg.push(&rest)?;
        } else {
            self.ogg.push(bytes)?;
        }
        while let Some(event) = self.ogg.poll() {
            if let Event::Packet { data, .. } = event {
                ears.hear(&mut self.listener, &data, micros);
            }
        }
        Ok(())
    }
}

impl Flock for Listeners {
    fn join(&mut self, station: u32) -> anyhow::Result<()> {
        let asked = Instant::now();
        let number = self.members.len();
        let mut stream = connect_from(home(number), self.server)?;
        // HTTP/1.0 has no chunks.
        write!(
            stream,
            "GET /{}{} HTTP/1.0\r\nHost: {}\r\n\r\n",
            super::station(station),
            self.suffix,
            self.server
        )?;
        stream.set_nonblocking(true)?;
        self.sockets.add(number, &stream)?;
        self.members.push(Some(Member {
            listener: Listener::join(station, asked),
            stream,
            head: Some(Vec::new()),
            ogg: Demuxer::new(),
        }));
        self.order.push_back(number);
        Ok(())
    }

    fn leave(&mut self) -> bool {
        while let Some(number) = self.order.pop_front() {
            if self.members[number].take().is_some() {
                return true;
            }
        }
        false
    }

    fn zap(&mut self, _number: usize, _station: u32) -> anyhow::Result<()> {
        anyhow::bail!("an HTTP stream is of one station")
    }

    fn turn(&mut self, ears: &mut Ears) -> anyhow::Result<bool> {
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
