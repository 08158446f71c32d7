//! A source and listeners of moq-relay, as `skywave-bench` starts and asks them.
//!
//! ```text
//! skywave-bench-moq source --server ADDRESS [--streams] [--pin N]
//! skywave-bench-moq swarm --server ADDRESS --listeners N [--streams] [--rate N] [--pin N]
//! ```
//!
//! A frame is a datagram of its track or, with `--streams`, a group of its own, which is a
//! stream. Every listener has a session and an origin of its own, so that the relay sends
//! to each.
#![forbid(unsafe_code)]

mod source;
mod swarm;

use std::net::SocketAddr;

use clap::{Parser, Subcommand};
use load::process;
use moq_tokio::{Client, client};

#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// One broadcast on air.
    Source(Peer),
    /// Listeners.
    Swarm(swarm::Arguments),
}

/// What both have.
#[derive(Debug, clap::Args)]
struct Peer {
    #[arg(long)]
    server: SocketAddr,
    #[arg(long)]
    pin: Option<usize>,
    /// A stream for each frame instead of a datagram.
    #[arg(long)]
    streams: bool,
}

/// The name of the broadcast, and of its only track.
const BROADCAST: &str = "bench-0";
const TRACK: &str = "audio";

impl Peer {
    fn url(&self) -> anyhow::Result<url::Url> {
        Ok(format!("https://{}/", self.server).parse()?)
    }

    /// A client that trusts whatever answers: everything is on loopback, for some seconds.
    fn client(&self) -> anyhow::Result<Client> {
        let mut config = client::Config::default();
        config.connect.bind = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        config.connect.tls.insecure = Some(true);
        Ok(config.init()?)
    }
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let peer = match &arguments.command {
        Command::Source(peer) => peer,
        Command::Swarm(arguments) => &arguments.peer,
    };
    process::pin(peer.pin)?;
    moq_tokio::crypto::install_default()
        .map_err(|_| anyhow::anyhow!("there is a provider of ciphers already"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match &arguments.command {
        Command::Source(peer) => {
            process::serve_questions(|_| None);
            runtime.block_on(source::run(peer))
        }
        Command::Swarm(arguments) => runtime.block_on(swarm::run(arguments)),
    }
}
