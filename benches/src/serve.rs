//! The engine with one synthetic station.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::testing::tls_pair;
use engine::{Command, Config, Engine, Event, Frame};
use load::process;
use wire::TrackId;

use crate::packet::{self, INTERVAL, PACKET_BYTES};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[arg(long, default_value = "127.0.0.1:0")]
    address: SocketAddr,
    /// Processors of the engine's threads, one thread each.
    #[arg(long, value_delimiter = ',', default_value = "0")]
    pins: Vec<usize>,
    /// Asks clients for one acknowledgement in so many packets; 0 leaves that to them.
    #[arg(long, default_value_t = 0)]
    ack_every: u32,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if let [pin] = arguments.pins[..] {
        process::pin(Some(pin))?;
    }
    let (tls, _) = tls_pair();
    let mut config = Config::new(tls);
    config.handshakes_per_second = 100_000;
    config.handshakes_unvalidated_max = 100_000;
    config.ack_every = (arguments.ack_every > 0).then_some(arguments.ack_every);
    let threads = arguments.pins.len();
    let (engine, mut events) = Engine::start(config, arguments.address, threads, &arguments.pins)?;
    println!("{}", engine.address());
    let handle = engine.handle();
    let stats = engine.handle();
    process::serve_questions(move |_| Some(format!("{:?}", stats.stats())));
    let track = TrackId::new(1).expect("a valid track");
    let joins = handle.clone();
    std::thread::spawn(move || {
        while let Some(event) = events.next_timeout(Duration::MAX / 4) {
            if let Event::Opened(opened) = event {
                let session = opened.session;
                let _ = joins.command(Command::Join { session, track });
            }
        }
    });
    let begun = Instant::now();
    let mut sound = [7; PACKET_BYTES];
    let mut bytes = Vec::new();
    for number in 1u32.. {
        let due = begun + INTERVAL * number;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        packet::fill(&mut sound, 0);
        bytes.clear();
        packet::datagram(track, u64::from(number), 0, &sound, &mut bytes)?;
        handle.frame(track, Frame::new(&bytes));
    }
    drop(Arc::new(engine));
    Ok(())
}
