//! Packets that travel together, along and again.

use wire::TrackId;
use wire::audio::{Copies, Datagram, SendTime};

use super::super::Config;
use super::world::World;
use super::{assert_clean, ms, secs};
use crate::encoder;
use crate::testing::LinkConfig;

#[test]
fn bundles_play_without_a_seam_for_the_delay_of_their_last() {
    let encoder = encoder::Config {
        bitrate: 64_000,
        ..encoder::Config::default()
    };
    let mut delays = Vec::new();
    for (bundle, jitter) in [(1, 0), (2, 0), (3, 0), (4, 0), (4, 5)] {
        let link = LinkConfig {
            jitter: ms(jitter),
            ..LinkConfig::default()
        };
        let config = Config {
            bundled: bundle > 1,
            start_delay: ms(30 + 20 * (bundle - 1)),
            ..Config::default()
        };
        let mut world = World::with(link, 4, config, encoder);
        world.bundle = bundle as usize;
        world.run(secs(10));
        let stats = world.receiver.stats();
        let faults = (stats.lost, stats.late, stats.recovered, stats.duplicates);
        assert_eq!(faults, (0, 0, 0, 0), "{bundle}: {}", world.describe());
        assert_eq!(stats.concealed_ms, 0.0, "{bundle}: {}", world.describe());
        // Jitter has the delay changed by stretching, which the phase of a tone shows.
        if jitter == 0 {
            assert_clean(&world, 48_000);
            delays.push(stats.delay_ms);
        }
    }
    for (more, pair) in delays.windows(2).enumerate() {
        let grown = pair[1] - pair[0];
        assert!((8.0..32.0).contains(&grown), "{more}: {delays:?}");
    }
}

#[test]
fn a_bundle_that_is_lost_is_asked_for_whole() {
    let encoder = encoder::Config {
        bitrate: 64_000,
        ..encoder::Config::default()
    };
    let config = Config {
        bundled: true,
        start_delay: ms(400),
        ..Config::default()
    };
    let mut world = World::with(LinkConfig::default(), 5, config, encoder);
    world.bundle = 4;
    world.run(secs(5));
    world.receiver.set_round_trip(Some(ms(10)));
    assert_eq!(world.receiver.poll_request(world.now()), None);
    world.link.config.loss = 1.0;
    world.run(ms(80));
    world.link.config.loss = 0.0;
    let mut asked = std::collections::BTreeSet::new();
    for _ in 0..20 {
        world.run(ms(10));
        if let Some(request) = world.receiver.poll_request(world.now()) {
            asked.extend(request.sequences().iter().copied());
        }
    }
    let asked: Vec<_> = asked.into_iter().collect();
    assert_eq!(asked.len(), 4, "{asked:?}");
    assert_eq!(asked[3] - asked[0], 3, "{asked:?}");
}

#[test]
fn what_a_bundle_is_to_bring_is_not_asked_for() {
    let config = Config {
        bundled: true,
        start_delay: ms(400),
        ..Config::default()
    };
    let encoder = encoder::Config {
        bitrate: 64_000,
        ..encoder::Config::default()
    };
    let mut world = World::with(LinkConfig::default(), 6, config, encoder);
    world.bundle = 4;
    world.receiver.set_round_trip(Some(ms(10)));
    for step in 0..200 {
        world.run(ms(5));
        // Before much is learned, a packet that is there comes alone, as what is sent again.
        if step % 10 == 0 && world.receiver.stats().packets > 0 {
            let again = Datagram {
                track: TrackId::new(1).unwrap(),
                sequence: 500,
                timestamp: 1_000_000,
                send_time: SendTime(0),
                copies: Copies::none(),
                packet: &[0xfc],
            };
            let _ = world.receiver.handle_datagram(world.now(), &again);
        }
        let request = world.receiver.poll_request(world.now());
        assert_eq!(request, None, "{}", world.describe());
    }
}

#[test]
fn copies_fill_the_gaps_of_lost_packets() {
    let link = LinkConfig {
        loss: 0.05,
        ..LinkConfig::default()
    };
    let config = Config {
        start_delay: ms(90),
        ..Config::default()
    };
    let mut world = World::with(link, 13, config, Default::default());
    world.copies = &[1, 3];
    world.run(secs(20));
    let stats = world.receiver.stats();
    assert!(stats.recovered > 20, "{stats:?}");
    assert!(
        stats.lost * 5 < world.link.lost,
        "{stats:?} of {}",
        world.link.lost
    );
    assert_eq!(stats.duplicates, 0, "a copy is no duplicate");
}
