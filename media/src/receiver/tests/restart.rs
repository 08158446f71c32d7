//! A relay restarts: the station is the same, its numbers and its media time begin anew.

use std::f64::consts::TAU;
use std::time::Duration;

use super::super::State;
use super::world::World;
use super::{assert_no_click, ms, secs, tone_phase};
use crate::measure::deinterleave;
use crate::testing::LinkConfig;

/// From the source's first sample to the first packet's arrival: a frame, and the way.
const FIRST_PACKET: Duration = Duration::from_millis(30);

/// Where the station was: the world's first packet, and 8 s of them.
const BEGAN: u64 = 500;
const PLAYED: u64 = 400;

/// Plays, restarts the relay, and holds what is heard against what is sent. `first` is the
/// sequence that the new relay begins with; `told` whether the listener's new session says so,
/// or the packets have to.
fn check(first: u64, outage: Duration, told: bool) {
    let what = format!("{first} after {outage:?}, told: {told}");
    let mut world = World::new(LinkConfig::default(), first ^ 77);
    world.run(ms(20 * PLAYED));
    assert_eq!(world.receiver.state(), State::Playing, "{what}");
    world.link.config.loss = 1.0;
    world.run(outage);
    world.link.config.loss = 0.0;
    if told {
        world.receiver.restart();
    }
    // Of another phase than the sound before has at these media times.
    let timestamp = first * 960 + 377;
    world.restart_source(first, timestamp);
    let back = world.sound.len();
    let mut waited = Duration::ZERO;
    while world.receiver.state() != State::Playing {
        world.run(ms(10));
        waited += ms(10);
        assert!(
            waited <= FIRST_PACKET + ms(500),
            "{what}: {}",
            world.describe()
        );
    }
    // Before it there is silence: nothing of what was under way or held is heard late.
    let silent = world.sound.len() - 960;
    let stale = world.sound[back..silent]
        .iter()
        .filter(|value| **value != 0.0);
    assert_eq!(stale.count(), 0, "{what}");
    // From there on it is the sound of this moment, of no other and without a step.
    for block in 0..200 {
        let begins = world.receiver.position().expect("it plays on");
        world.run(ms(10));
        let ends = world.receiver.position().expect("it plays on");
        assert!(begins >= timestamp && world.behind_ms() < 100.0, "{what}");
        // What rises at the beginning and what is stretched has no phase to speak of.
        if block < 3 || ends.abs_diff(begins + 480) > 2 {
            continue;
        }
        let sound = deinterleave(&world.sound[world.sound.len() - 960..], 2, 0);
        let phase = tone_phase(&sound, world.freq());
        let error = (phase - world.phase_at(begins)).rem_euclid(TAU);
        let error = error.min(TAU - error);
        assert!(error < 0.2, "{what}, block {block}: {error}");
    }
    assert_no_click(&world);
}

#[test]
fn play_out_returns_within_half_a_second_of_the_first_packet() {
    let newest = BEGAN + PLAYED;
    // As a relay begins, among what was played, just before its end and just behind it; the
    // last as from a station that is on air again for longer than it was before.
    for first in [
        0,
        BEGAN + 90,
        newest - 30,
        newest - 3,
        newest + 2,
        newest + 5_000,
    ] {
        for outage in [ms(500), secs(4)] {
            check(first, outage, true);
            check(first, outage, false);
        }
    }
}
