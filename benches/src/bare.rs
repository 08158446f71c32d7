//! A peer: a bare WebTransport server on wtransport, a task for each session.
//!
//! It does what its authors' examples do: accepts, keeps each session in a task of its
//! own, and hands each frame to all tasks through a broadcast channel.

use std::net::SocketAddr;
use std::time::Duration;

use engine::testing::tls_pair;
use load::process;
use tokio::sync::broadcast;
use wire::TrackId;
use wtransport::endpoint::IncomingSession;
use wtransport::{Endpoint, ServerConfig};

use crate::packet::{self, INTERVAL, PACKET_BYTES};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[arg(long)]
    pin: Option<usize>,
}

/// Frames a slow session may be behind: 200 ms.
const BEHIND: usize = 10;

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    process::pin(arguments.pin)?;
    process::serve_questions(|_| None);
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build()?.block_on(serve())
}

async fn serve() -> anyhow::Result<()> {
    let (tls, _) = tls_pair();
    let config = ServerConfig::builder()
        .with_bind_address(SocketAddr::from(([127, 0, 0, 1], 0)))
        .with_custom_tls((*tls).clone())
        .max_idle_timeout(Some(Duration::from_secs(30)))?
        .build();
    let server = Endpoint::server(config)?;
    println!("{}", server.local_addr()?);
    let (frames, _) = broadcast::channel::<Vec<u8>>(BEHIND);
    let source = frames.clone();
    tokio::spawn(async move {
        let track = TrackId::new(1).expect("a valid track");
        let mut clock = tokio::time::interval(INTERVAL);
        let mut sound = [7; PACKET_BYTES];
        for sequence in 0.. {
            clock.tick().await;
            packet::fill(&mut sound, 0);
            let mut bytes = Vec::new();
            if packet::datagram(track, sequence, 0, &sound, &mut bytes).is_ok() {
                // Nobody may be there yet.
                let _ = source.send(bytes);
            }
        }
    });
    loop {
        let incoming = server.accept().await;
        let frames = frames.subscribe();
        tokio::spawn(async move {
            // A session that fails is gone, and shows in the swarm.
            let _ = session(incoming, frames).await;
        });
    }
}

async fn session(
    incoming: IncomingSession,
    mut frames: broadcast::Receiver<Vec<u8>>,
) -> anyhow::Result<()> {
    let connection = incoming.await?.accept().await?;
    loop {
        match frames.recv().await {
            Ok(frame) => connection.send_datagram(frame)?,
            Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return Ok(()),
        }
    }
}
