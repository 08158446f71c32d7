//! Packets that come a little after their turn.

use super::super::Config;
use super::world::World;
use super::{assert_no_click, ms, secs};
use crate::testing::LinkConfig;

/// Half a minute without jitter, the next packet just about to be sent and due in 10 ms.
fn calm(stretch: bool) -> World {
    let config = Config {
        stretch,
        ..Config::default()
    };
    let mut world = World::with(LinkConfig::default(), 3, config, Default::default());
    world.quantum = 128;
    world.run(secs(30));
    assert_eq!(world.receiver.stats().concealed_ms, 0.0);
    world
}

#[test]
fn a_packet_that_is_a_little_late_is_waited_for_with_stretched_sound() {
    let mut rescued = 0;
    for late_ms in 3..=8 {
        let mut plain = calm(false);
        plain.hold_for(ms(10 + late_ms));
        plain.run(secs(1));
        let mut world = calm(true);
        let before = world.receiver.stats();
        world.hold_for(ms(10 + late_ms));
        world.run(secs(1));
        let after = world.receiver.stats();
        assert_eq!(after.concealed_ms, 0.0, "{late_ms}: {}", world.describe());
        assert_eq!((after.underruns, after.lost), (0, 0), "{late_ms}");
        assert_no_click(&world);
        if plain.receiver.stats().concealed_ms > 0.0 {
            assert!(after.stretched_ms >= before.stretched_ms + 2.5, "{late_ms}");
            rescued += 1;
        }
    }
    assert!(rescued >= 2, "{rescued}");
}

#[test]
fn an_outage_is_eked_out_once() {
    let mut world = calm(true);
    let before = world.receiver.stats();
    world.hold_for(ms(400));
    world.run(ms(200));
    let after = world.receiver.stats();
    let eked_ms = after.stretched_ms - before.stretched_ms;
    assert!((2.5..=15.0).contains(&eked_ms), "{eked_ms}");
    assert!(after.concealed_ms >= 100.0, "{after:?}");
}
