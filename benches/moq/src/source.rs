//! One broadcast with one track, 50 packets a second.

use anyhow::Context;
use load::packet::{INTERVAL, PACKET_BYTES, fill};
use moq_net::Timestamp;
use tokio::time::MissedTickBehavior;

use crate::{BROADCAST, Peer, TRACK};

pub(crate) async fn run(peer: &Peer) -> anyhow::Result<()> {
    let origin = moq_tokio::origin::spawn();
    let broadcast = origin.create_broadcast(BROADCAST)?;
    let mut track = broadcast.create_track(TRACK, None)?;
    broadcast.announce(Default::default())?;
    let client = peer.client()?.with_publisher(&origin);
    let session = client.connect(peer.url()?);
    let session = session.established().await.context("no session")?;
    println!("on air");
    let play = async {
        let mut clock = tokio::time::interval(INTERVAL);
        clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut packet = [7; PACKET_BYTES];
        loop {
            clock.tick().await;
            fill(&mut packet, 0);
            if peer.streams {
                track.write_frame(Timestamp::now(), packet.to_vec())?;
            } else {
                track.append_datagram(Timestamp::now(), packet.to_vec())?;
            }
        }
    };
    tokio::select! {
        ended = session.closed() => Ok(ended?),
        ended = play => ended,
    }
}
