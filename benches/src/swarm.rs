//! Thousands of listeners on one processor.
//!
//! A swarm is a process that lets listeners join at a steady rate and says `open` when
//! every one has heard something. Then it obeys lines: `read` and `reset` tell what was
//! heard, `zap N` sends so many listeners one by one to another station, `churn N` lets so
//! many leave while others take their place, `leave` ends all.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use load::ears::Ears;
use load::process;
use wire::frame::Request;
use wire::message::{HelloParams, ListenParams, PingParams};

use crate::packet::micros;

mod http;
mod light;
mod sockets;
mod websocket;
pub(crate) mod webtransport;

/// How listeners reach the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Way {
    /// Opened by quinn's clients and then heard by lighter ones.
    WebTransport,
    /// Heard by quinn's clients.
    Quinn,
    WebSocket,
    Http,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[arg(long)]
    server: SocketAddr,
    #[arg(long, value_enum)]
    way: Way,
    #[arg(long)]
    listeners: usize,
    /// Listeners are spread over so many stations.
    #[arg(long, default_value_t = 1)]
    stations: u32,
    #[arg(long)]
    pin: Option<usize>,
    /// Lighter clients acknowledge after so many packets, as they are asked to.
    #[arg(long, default_value_t = light::ACK_EVERY)]
    ack_every: u32,
    /// Or so many milliseconds after the first of them (RFC 9000, section 18.2).
    #[arg(long, default_value_t = 25)]
    ack_delay_ms: u64,
    /// Listeners that join in a second.
    #[arg(long, default_value_t = 400.0)]
    rate: f64,
    /// Sessions open, and listen to nothing.
    #[arg(long)]
    idle: bool,
    /// What follows a station's name in an HTTP path.
    #[arg(long, default_value = "")]
    suffix: String,
}

/// The most clients of one address: servers allow only so many.
const PER_ADDRESS: usize = 125;

/// How long all may take to join beyond what their rate asks for, and one to zap.
const PATIENCE: Duration = Duration::from_secs(20);

/// Clients must be heard of within 10 s.
const PING: Duration = Duration::from_secs(8);

/// The name of a station.
pub(crate) fn station(number: u32) -> String {
    format!("bench-{number}")
}

/// The n-th address a client may come from.
fn home(number: usize) -> SocketAddr {
    let part = (number / PER_ADDRESS) as u32;
    let address = Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 0, 1, 1)) + part);
    SocketAddr::from((address, 0))
}

/// Listeners of one kind.
trait Flock {
    /// Lets one more join.
    fn join(&mut self, station: u32) -> anyhow::Result<()>;
    /// Lets the one that has been there the longest leave. False when there is none.
    fn leave(&mut self) -> bool;
    /// Sends a listener to another station.
    fn zap(&mut self, number: usize, station: u32) -> anyhow::Result<()>;
    /// Moves bytes. False when there was nothing to do.
    fn turn(&mut self, ears: &mut Ears) -> anyhow::Result<bool>;
    /// Waits for bytes, at most a millisecond.
    fn wait(&mut self) -> anyhow::Result<()>;
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    process::pin(arguments.pin)?;
    let (sender, orders) = mpsc::channel();
    process::serve_questions(move |line| {
        // When the swarm is gone so is the process.
        let _ = sender.send(line.to_owned());
        None
    });
    let mut flock: Box<dyn Flock> = match arguments.way {
        Way::WebTransport | Way::Quinn => Box::new(webtransport::Listeners::new(arguments)?),
        Way::WebSocket => Box::new(websocket::Listeners::new(arguments)?),
        Way::Http => Box::new(http::Listeners::new(arguments)?),
    };
    let mut ears = Ears::default();
    let mut joins = Joins::new(arguments);
    let begun = Instant::now();
    let mut is_open = false;
    let mut zaps = Zaps::default();
    loop {
        joins.turn(&mut *flock)?;
        zaps.turn(&mut *flock, &mut ears, arguments)?;
        if !flock.turn(&mut ears)? {
            flock.wait()?;
        }
        if !is_open && ears.open + ears.lost as usize >= arguments.listeners {
            println!("open");
            is_open = true;
        }
        let patience = PATIENCE.as_secs_f64() + arguments.listeners as f64 / arguments.rate;
        if !is_open && begun.elapsed().as_secs_f64() > patience {
            println!(
                "only {} of {} hear something",
                ears.open, arguments.listeners
            );
            return Ok(());
        }
        if joins.is_done_churning() {
            println!("{}", ears.tell()?);
        }
        while let Ok(order) = orders.try_recv() {
            match order.split_once(' ') {
                Some(("zap", count)) => zaps.left = count.parse()?,
                Some(("churn", count)) => joins.churn(count.parse()?),
                _ if order == "leave" => {
                    while flock.leave() {}
                    println!("{}", ears.tell()?);
                }
                _ => {
                    println!("{}", ears.tell()?);
                    if order == "reset" {
                        ears.reset();
                    }
                }
            }
        }
    }
}

/// Listeners that join in time, and with a churn leave.
struct Joins {
    rate: f64,
    stations: u32,
    begun: Instant,
    joined: usize,
    target: usize,
    /// Whether each that joins sends another away.
    churns: bool,
    settles: Option<Instant>,
}

impl Joins {
    fn new(arguments: &Arguments) -> Self {
        Self {
            rate: arguments.rate,
            stations: arguments.stations,
            begun: Instant::now(),
            joined: 0,
            target: arguments.listeners,
            churns: false,
            settles: None,
        }
    }

    fn churn(&mut self, count: usize) {
        (self.begun, self.joined, self.target) = (Instant::now(), 0, count);
        self.churns = true;
    }

    fn turn(&mut self, flock: &mut dyn Flock) -> anyhow::Result<()> {
        let due = (self.begun.elapsed().as_secs_f64() * self.rate) as usize + 1;
        // A few at a time, so that those who have joined are served between.
        let due = due.min(self.target).min(self.joined + 8);
        while self.joined < due {
            if self.churns {
                flock.leave();
            }
            flock.join(self.joined as u32 % self.stations)?;
            self.joined += 1;
            if self.churns && self.joined == self.target {
                self.settles = Some(Instant::now() + Duration::from_secs(1));
            }
        }
        Ok(())
    }

    /// True once, when a churn is over.
    fn is_done_churning(&mut self) -> bool {
        let is_done = self.settles.is_some_and(|at| at <= Instant::now());
        if is_done {
            self.settles = None;
        }
        is_done
    }
}

/// Changes of station, one after the other.
#[derive(Default)]
struct Zaps {
    left: usize,
    done: usize,
    next: Option<Instant>,
    is_running: bool,
}

impl Zaps {
    fn turn(
        &mut self,
        flock: &mut dyn Flock,
        ears: &mut Ears,
        arguments: &Arguments,
    ) -> anyhow::Result<()> {
        let is_late = |next: Instant| next + PATIENCE < Instant::now();
        anyhow::ensure!(
            ears.zapping == 0 || !self.next.is_some_and(is_late),
            "no sound after a change of station"
        );
        if ears.zapping > 0 || self.next.is_some_and(|next| next > Instant::now()) {
            return Ok(());
        }
        if self.left == 0 {
            if std::mem::take(&mut self.is_running) {
                println!("{}", ears.tell()?);
            }
            return Ok(());
        }
        self.is_running = true;
        self.left -= 1;
        let number = self.done % arguments.listeners;
        let round = self.done / arguments.listeners + 1;
        let station = (number + round) as u32 % arguments.stations;
        flock.zap(number, station)?;
        ears.zapping += 1;
        self.done += 1;
        // Not in step with the packets.
        self.next = Some(Instant::now() + Duration::from_millis(27));
        Ok(())
    }
}

/// The frames a listener begins with.
fn opening(station: Option<u32>) -> anyhow::Result<Vec<String>> {
    let hello = HelloParams {
        protocol: 1,
        token: None,
        client: None,
        subscriptions: Vec::new(),
    };
    let mut frames = vec![Request::new(1, "hello", &hello).encode()];
    if let Some(station) = station {
        frames.push(listen(station)?);
    }
    Ok(frames)
}

fn listen(number: u32) -> anyhow::Result<String> {
    let params = ListenParams {
        station: station(number).parse()?,
        rendition: "source".to_owned(),
        bundle: 1,
        redundancy: 0,
        rewind_ms: 0,
    };
    Ok(Request::new(2, "listen", &params).encode())
}

fn ping() -> String {
    Request::new(3, "ping", &PingParams { time: None }).encode()
}

/// Why a reply is none, if it is an error.
fn refusal(json: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(json);
    text.contains("\"error\"").then(|| text.into_owned())
}

/// Now, of both clocks.
fn now() -> (Instant, u64) {
    (Instant::now(), micros())
}
