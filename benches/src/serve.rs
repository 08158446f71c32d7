//! The engine with one synthetic station: 50 frames of 250 bytes a second.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::testing::tls_pair;
use engine::{Command, Config, Engine, Event, Frame};
use wire::TrackId;

use crate::process;

/// The frames of every scenario.
pub(crate) const FRAME_BYTES: usize = 250;
pub(crate) const FRAME_INTERVAL: Duration = Duration::from_millis(20);

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
    process::pin(arguments.pins.first().copied())?;
    let (tls, _) = tls_pair();
    let mut config = Config::new(tls);
    config.sessions_per_address_max = usize::MAX;
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
    let mut frame = vec![7; FRAME_BYTES];
    for number in 1.. {
        let due = begun + FRAME_INTERVAL * number;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        frame[..8].copy_from_slice(&micros().to_be_bytes());
        handle.frame(track, &Frame::new(&frame));
    }
    drop(Arc::new(engine));
    Ok(())
}

/// A clock all processes of a machine share.
pub(crate) fn micros() -> u64 {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros() as u64)
}
