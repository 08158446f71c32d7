//! Stations on air: WebTransport sessions that publish, or a source of Icecast.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use engine::Batch;
use engine::testing::{ClientEvent, Clients, Udp, client_config};
use load::process;
use media::ogg::{Head, Muxer, Tags};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use wire::frame::{Request, ServerFrame, Splitter, read, write_framed};
use wire::message::{Codec, HelloParams, PingParams, PublishParams, PublishResult, TrackParams};

use crate::packet::{self, INTERVAL, PACKET_BYTES, SAMPLES};
use crate::swarm::station;
use crate::trust;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[arg(long)]
    server: SocketAddr,
    #[arg(long)]
    pin: Option<usize>,
    #[arg(long, default_value_t = 1)]
    stations: u32,
    /// A token that may publish.
    #[arg(long, env = "SKYWAVE_BENCH_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Speaks Icecast, with this password and pages of 20 ms.
    #[arg(long)]
    icecast: Option<String>,
}

/// Sources must be heard of within 10 s.
const PING: Duration = Duration::from_secs(8);

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    process::pin(arguments.pin)?;
    process::serve_questions(|_| None);
    match &arguments.icecast {
        Some(password) => icecast(arguments, password),
        None => skywave(arguments),
    }
}

/// One mount, a page for each packet.
fn icecast(arguments: &Arguments, password: &str) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(arguments.server)?;
    stream.set_nodelay(true)?;
    write!(
        stream,
        "PUT /{}.opus HTTP/1.1\r\nHost: {}\r\nAuthorization: Basic {}\r\n\
        Content-Type: audio/ogg\r\nExpect: 100-continue\r\n\r\n",
        station(0),
        arguments.server,
        STANDARD.encode(format!("source:{password}")),
    )?;
    let mut answer = [0; 512];
    let count = stream.read(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer[..count]).into_owned();
    anyhow::ensure!(answer.contains(" 100 "), "Icecast answers {answer:?}");
    let mut bytes = Vec::new();
    let head = Head::new(2, 312);
    let mut ogg = Muxer::new(1, &head, &Tags::default(), &mut bytes).with_page_samples(0);
    let begun = Instant::now();
    let mut sound = [7; PACKET_BYTES];
    for number in 1u32.. {
        let due = begun + INTERVAL * number;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        packet::fill(&mut sound, 0);
        ogg.packet(&sound, SAMPLES, &mut bytes);
        stream.write_all(&bytes)?;
        bytes.clear();
        if number == 1 {
            println!("on air");
        }
    }
    Ok(())
}

/// Sessions that publish, one a station, on one socket.
struct Source {
    udp: Udp,
    clients: Clients,
    arena: BytesMut,
    batch: Batch,
    stations: Vec<Station>,
    hello: String,
}

#[derive(Default)]
struct Station {
    splitter: Splitter,
    granted: Option<PublishResult>,
    sent: u32,
}

fn skywave(arguments: &Arguments) -> anyhow::Result<()> {
    let now = Instant::now();
    let hello = HelloParams {
        protocol: 1,
        token: arguments.token.clone(),
        client: None,
        subscriptions: Vec::new(),
    };
    let mut source = Source {
        udp: Udp::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?,
        clients: Clients::new(client_config(trust::anybody()?), rand::random(), now),
        arena: BytesMut::new(),
        batch: Batch::new(),
        stations: Vec::new(),
        hello: Request::new(1, "hello", &hello).encode(),
    };
    for number in 0..arguments.stations {
        let client = source.clients.connect(now, arguments.server, "/v1");
        anyhow::ensure!(client == number as usize, "clients are numbered in order");
        source.stations.push(Station::default());
        // Handshakes one after the other: this is no test of theirs.
        while source
            .stations
            .iter()
            .any(|station| station.granted.is_none())
        {
            source.turn(None)?;
            source.wait(Duration::from_millis(1))?;
            anyhow::ensure!(
                now.elapsed() < Duration::from_secs(60),
                "no station granted"
            );
        }
    }
    println!("on air");
    source.play()
}

impl Source {
    /// Sends packets in time, for ever. Stations are spread over the interval.
    fn play(&mut self) -> anyhow::Result<()> {
        let begun = Instant::now();
        let count = self.stations.len() as u32;
        let mut ping = begun + PING;
        for number in 0u32.. {
            let (turn, station) = (number / count, number % count);
            let due = begun + INTERVAL * turn + INTERVAL * station / count;
            loop {
                let left = due.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                self.turn(None)?;
                self.wait(left.min(Duration::from_millis(20)))?;
            }
            self.turn(Some(station as usize))?;
            if ping <= Instant::now() {
                ping += PING;
                let frame = Request::new(9, "ping", &PingParams { time: None }).encode();
                let mut bytes = Vec::new();
                write_framed(&frame, &mut bytes);
                for client in 0..self.stations.len() {
                    self.clients.write(client, &bytes);
                }
            }
        }
        Ok(())
    }

    fn wait(&self, most: Duration) -> anyhow::Result<()> {
        // Rounded down, and then once more with nothing to wait for.
        let wait = most.as_millis() as u8;
        if wait == 0 {
            std::thread::sleep(most.min(Duration::from_micros(200)));
        }
        let mut fds = [PollFd::new(self.udp.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::from(wait))?;
        Ok(())
    }

    /// Moves bytes, and sends a station's packet first.
    fn turn(&mut self, sends: Option<usize>) -> anyhow::Result<()> {
        if let Some(number) = sends {
            self.send(number)?;
        }
        let now = Instant::now();
        let (clients, arena) = (&mut self.clients, &mut self.arena);
        self.udp.receive(|remote, bytes| {
            arena.reserve(bytes.len());
            arena.extend_from_slice(bytes);
            clients.handle_datagram(now, remote, arena.split());
        })?;
        self.clients.handle_timeouts(now);
        loop {
            while let Some(event) = self.clients.poll_event() {
                self.handle(event)?;
            }
            self.batch.clear();
            let more = self.clients.poll_transmit(now, &mut self.batch);
            self.udp.send(&self.batch);
            if !more {
                return Ok(());
            }
        }
    }

    fn send(&mut self, number: usize) -> anyhow::Result<()> {
        let station = &mut self.stations[number];
        let granted = station.granted.as_ref().context("a granted station")?;
        let mut sound = [7; PACKET_BYTES];
        packet::fill(&mut sound, number as u32);
        let mut bytes = Vec::new();
        let sequence = granted.sequence + u64::from(station.sent);
        let timestamp = granted.timestamp + u64::from(station.sent) * u64::from(SAMPLES);
        packet::datagram(granted.track.id, sequence, timestamp, &sound, &mut bytes)?;
        station.sent += 1;
        self.clients.send_datagram(number, &bytes);
        Ok(())
    }

    fn handle(&mut self, event: ClientEvent) -> anyhow::Result<()> {
        match event {
            ClientEvent::Open(number) => {
                let publish = PublishParams {
                    station: station(number as u32).parse()?,
                    track: TrackParams {
                        codec: Codec::Opus,
                        channels: 2,
                        frame_us: INTERVAL.as_micros() as u32,
                        bitrate: 96_000,
                    },
                    name: None,
                    description: None,
                    metadata: None,
                    takeover: false,
                };
                let mut bytes = Vec::new();
                write_framed(&self.hello, &mut bytes);
                let publish = Request::new(2, "publish", &publish).encode();
                write_framed(&publish, &mut bytes);
                self.clients.write(number, &bytes);
            }
            ClientEvent::Control(number, bytes) => self.stations[number].told(&bytes)?,
            ClientEvent::Lost(_, why) => anyhow::bail!("a source was lost: {why}"),
            ClientEvent::Refused(_, status) => anyhow::bail!("a source was refused: {status}"),
            ClientEvent::Datagram(..) | ClientEvent::Uni(..) | ClientEvent::Capsule(..) => {}
        }
        Ok(())
    }
}

impl Station {
    fn told(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.splitter.handle_bytes(bytes);
        while let Some(frame) = self.splitter.poll_frame()? {
            let ServerFrame::Reply(reply) = ServerFrame::decode(frame)? else {
                continue;
            };
            match reply.result {
                Ok(result) if reply.id == 2 => self.granted = Some(read(&result)?),
                Ok(_) => {}
                Err(error) => anyhow::bail!("refused: {}", error.message),
            }
        }
        Ok(())
    }
}
