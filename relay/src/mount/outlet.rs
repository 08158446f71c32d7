//! A track as Ogg Opus, made once for all its players.

use std::sync::Arc;
use std::time::Duration;

use wire::message::Metadata;

use super::PLAYER_WAIT;
use super::intake::{Intake, Item, Tap};
use super::pager::Pager;
use super::ring::Ring;
use crate::fanout::{Listener, Track, Tuned};
use crate::metrics::Metrics;

/// Takes a track's packets, as one more of its listeners, while somebody plays them.
/// Dropping it ends the stream.
#[derive(Debug)]
pub(crate) struct Outlet {
    intake: Arc<Intake>,
    listener: Arc<Listener>,
    ring: Arc<Ring>,
    /// Players that read the ring.
    pub(crate) players: usize,
}

impl Outlet {
    /// Begins with the last second of `track`. `station` is the name for people, `titles`
    /// what plays and what was announced, `burst` the most a player begins with.
    ///
    /// Call it within a Tokio runtime: the pages are made by a task.
    pub(crate) fn start(
        station: String,
        titles: Vec<Metadata>,
        track: &Arc<Track>,
        burst: Duration,
        metrics: Arc<Metrics>,
    ) -> Self {
        let ring = Ring::new(burst + PLAYER_WAIT);
        let intake = Intake::new(metrics);
        let listener = Listener::new(Box::new(Tap(Arc::clone(&intake))), Arc::<Tuned>::default());
        track.attach(&listener);
        let mut pager = Pager::new(station, rand::random());
        for title in titles {
            pager.handle_title(title.timestamp.unwrap_or(0), title);
        }
        // Some may be in the queue, too: the pager takes each once.
        for packet in track.recent() {
            pager.handle_datagram(&packet.datagram());
        }
        drain(&mut pager, &ring);
        tokio::spawn(run(pager, Arc::clone(&intake), Arc::clone(&ring)));
        Self {
            intake,
            listener,
            ring,
            players: 0,
        }
    }

    pub(crate) fn ring(&self) -> &Arc<Ring> {
        &self.ring
    }

    /// What plays from a media time on.
    pub(crate) fn title(&self, timestamp: u64, metadata: Metadata) {
        self.intake.title(timestamp, metadata);
    }

    /// Takes no more packets of that track.
    pub(crate) fn leave(&self, track: &Track) {
        track.detach(&self.listener);
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.intake.close();
    }
}

async fn run(mut pager: Pager, intake: Arc<Intake>, ring: Arc<Ring>) {
    // However it ends, nobody waits for more.
    let _ending = Ending(Arc::clone(&ring));
    loop {
        match intake.next().await {
            Item::Title(timestamp, metadata) => pager.handle_title(timestamp, metadata),
            Item::Packet(packet) => pager.handle_datagram(&packet.datagram()),
            Item::Closed => break,
        }
        drain(&mut pager, &ring);
    }
    pager.finish();
    drain(&mut pager, &ring);
}

fn drain(pager: &mut Pager, ring: &Ring) {
    while let Some(chunk) = pager.poll_chunk() {
        ring.push(chunk);
    }
}

struct Ending(Arc<Ring>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end();
    }
}
