//! The receiver behind a link in virtual time.

mod late;
mod repair;
mod restart;
mod robust;
mod world;

use std::time::Duration;

use super::*;
use crate::encoder::{self, Frame};
use crate::measure::{deinterleave, find_gaps, tone_report};
use crate::testing::LinkConfig;
use world::World;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A tone without a fault in it, from sample `from` of the output on.
fn assert_clean(world: &World, from: usize) {
    let left = world.left();
    let report = tone_report(&left[from..], world.output_rate(), world.freq());
    assert!(
        report.worst_snr_db > 30.0,
        "{}: {report:?}",
        world.describe()
    );
    assert!(
        report.phase_jumps.is_empty(),
        "{}: {report:?}",
        world.describe()
    );
    assert!((report.amplitude - 0.5).abs() < 0.02, "{report:?}");
}

#[test]
fn a_clean_link_sounds_clean_and_near() {
    let mut world = World::new(LinkConfig::default(), 1);
    world.run(secs(20));
    assert_clean(&world, 12_000);
    let stats = world.receiver.stats();
    assert_eq!(
        (stats.lost, stats.late, stats.underruns, stats.concealed_ms),
        (0, 0, 0, 0.0)
    );
    assert_eq!(world.receiver.state(), State::Playing);
    assert!(stats.delay_ms < 40.0 && stats.target_ms < 35.0, "{stats:?}");
}

#[test]
fn every_frame_size_and_quantum_plays_clean() {
    for frame in Frame::ALL {
        for quantum in [128, 480, 1024] {
            let encoder = encoder::Config {
                frame,
                ..encoder::Config::default()
            };
            let mut world = World::with(LinkConfig::default(), 2, Config::default(), encoder);
            world.quantum = quantum;
            world.run(secs(4));
            assert_clean(&world, 12_000);
            assert_eq!(world.receiver.stats().underruns, 0, "{frame:?} {quantum}");
        }
    }
}

#[test]
fn mono_packets_sound_on_both_sides() {
    let encoder = encoder::Config {
        channels: encoder::Channels::Mono,
        ..encoder::Config::default()
    };
    let mut world = World::with(LinkConfig::default(), 3, Config::default(), encoder);
    world.run(secs(3));
    assert_clean(&world, 12_000);
    assert!(
        world
            .sound
            .chunks_exact(2)
            .all(|frame| frame[0] == frame[1])
    );
}

#[test]
fn other_output_rates_play_at_pitch() {
    for output_rate in [44_100, 96_000, 16_000] {
        let config = Config {
            output_rate,
            ..Config::default()
        };
        let mut world = World::with(LinkConfig::default(), 4, config, Default::default());
        world.run(secs(4));
        assert_clean(&world, 24_000);
    }
}

#[test]
fn jitter_and_reordering_are_smoothed_without_loss() {
    let link = LinkConfig {
        jitter: ms(5),
        reorder: 0.02,
        duplicate: 0.05,
        ..LinkConfig::default()
    };
    let mut world = World::new(link, 5);
    world.run(secs(120));
    let stats = world.receiver.stats();
    assert!(stats.duplicates > 200, "{stats:?}");
    assert!(stats.underruns + stats.late < 18, "{stats:?}");
    assert!(stats.concealed_ms < 0.003 * 120_000.0, "{stats:?}");
    assert!((20.0..110.0).contains(&stats.target_ms), "{stats:?}");
    let calm = &world.left()[48_000 * 90..];
    assert!(find_gaps(calm, 48_000.0, world.freq(), 0.5).is_empty());
}

#[test]
fn a_lost_packet_is_concealed_for_its_length() {
    let link = LinkConfig {
        loss: 0.03,
        ..LinkConfig::default()
    };
    let mut world = World::new(link, 6);
    world.run(secs(60));
    let stats = world.receiver.stats();
    assert_eq!(stats.lost, world.link.lost, "{stats:?}");
    let expected = world.link.lost as f64 * 20.0;
    assert!(
        (stats.concealed_ms - expected).abs() <= 20.0,
        "{stats:?} {expected}"
    );
    assert_eq!(stats.underruns, 0, "{stats:?}");
    // Concealing a steady tone leaves no hole; three in a row may fade to half for a moment.
    let gaps = find_gaps(&world.left()[12_000..], 48_000.0, world.freq(), 0.5);
    assert!(gaps.iter().all(|gap| gap.length < 960), "{gaps:?}");
}

#[test]
fn clocks_300_ppm_apart_never_run_dry() {
    for ppm in [300.0, -300.0] {
        let mut world = World::new(LinkConfig::default(), 7);
        world.source_ppm = ppm;
        // 72 ms apart in the end, twice what is buffered.
        world.run(secs(240));
        let stats = world.receiver.stats();
        assert_eq!(
            (stats.underruns, stats.late, stats.lost),
            (0, 0, 0),
            "{stats:?}"
        );
        assert!(
            stats.concealed_ms == 0.0 && stats.skipped_ms == 0.0,
            "{stats:?}"
        );
        assert!((0.0..20.0).contains(&stats.delay_ms), "{ppm}: {stats:?}");
        assert_clean(&world, 12_000);
    }
}

#[test]
fn a_grown_delay_is_followed_and_given_back() {
    let mut world = World::new(LinkConfig::default(), 8);
    world.run(secs(10));
    world.link.config.jitter = ms(25);
    world.run(secs(20));
    let rough = world.receiver.stats();
    assert!(rough.target_ms > 80.0, "{rough:?}");
    world.link.config.jitter = ms(0);
    world.run(secs(300));
    let calm = world.receiver.stats();
    assert!(calm.target_ms < 20.0 && calm.delay_ms < 25.0, "{calm:?}");
    assert_eq!(calm.underruns, rough.underruns, "giving back costs no gap");
}

#[test]
fn an_outage_interrupts_and_play_out_returns_within_half_a_second() {
    let mut world = World::new(LinkConfig::default(), 9);
    world.run(secs(5));
    world.link.config.loss = 1.0;
    world.run(secs(3));
    assert_eq!(world.receiver.state(), State::Interrupted);
    assert_eq!(world.receiver.position(), None);
    world.link.config.loss = 0.0;
    let back = world.sound.len() / 2;
    world.run(secs(5));
    assert_eq!(world.receiver.state(), State::Playing);
    assert_clean(&world, back + 24_000);
    let stats = world.receiver.stats();
    assert_eq!(stats.underruns, 1, "{stats:?}");
    assert!(stats.lost.abs_diff(150) <= 2, "{stats:?}");
    // At the right place: as near as before the outage.
    assert!(world.behind_ms() < 100.0, "{}", world.behind_ms());
}

#[test]
fn packets_held_up_and_delivered_at_once_are_passed_over_not_played_late() {
    let mut world = World::new(LinkConfig::default(), 10);
    world.run(secs(5));
    world.hold_for(ms(1500));
    world.run(secs(4));
    let stats = world.receiver.stats();
    assert_eq!(world.receiver.state(), State::Playing);
    assert!(world.behind_ms() < 200.0, "{} {stats:?}", world.behind_ms());
    assert_clean(&world, world.sound.len() / 2 - 48_000);
}

#[test]
fn a_source_that_begins_anew_is_heard_again() {
    let mut world = World::new(LinkConfig::default(), 11);
    world.run(secs(3));
    world.restart_source(1 << 40, 77);
    let back = world.sound.len() / 2;
    world.run(secs(3));
    assert_eq!(world.receiver.stats().restarts, 1);
    assert_clean(&world, back + 24_000);
    let position = world.receiver.position().unwrap();
    assert!((77..77 + 3 * 48_000).contains(&position), "{position}");

    // A pause of the source: its numbers go on, its clock moved.
    world.restart_source((1 << 40) + 150, 77 + 60 * 48_000);
    world.run(secs(3));
    assert_eq!(world.receiver.state(), State::Playing);
    assert_clean(&world, world.sound.len() / 2 - 48_000);
}

#[test]
fn a_source_that_begins_anew_with_lower_numbers_is_heard_within_half_a_second() {
    for played in [3, 30] {
        let mut world = World::new(LinkConfig::default(), 16);
        world.run(secs(played));
        world.restart_source(500, 1_000_000);
        world.run(ms(500));
        assert_eq!(world.receiver.stats().restarts, 1, "{}", world.describe());
        assert_eq!(world.receiver.state(), State::Playing);
        assert!(world.behind_ms() < 100.0, "{}", world.behind_ms());
    }
}

#[test]
fn every_length_of_gap_is_followed_by_present_sound_within_half_a_second() {
    for (seed, gap) in [500, 1000, 2500, 10_000].into_iter().enumerate() {
        for held in [false, true] {
            let mut world = World::new(LinkConfig::default(), seed as u64);
            world.run(secs(5));
            if held {
                world.hold_for(ms(gap));
                world.run(ms(gap));
            } else {
                world.link.config.loss = 1.0;
                world.run(ms(gap));
                world.link.config.loss = 0.0;
            }
            world.run(ms(500));
            assert_eq!(world.receiver.state(), State::Playing, "{gap} {held}");
            let behind_ms = world.behind_ms();
            assert!(behind_ms < 150.0, "{gap} {held}: {behind_ms}");
            assert_no_click(&world);
        }
    }
}

/// A tone of 440 Hz at half scale moves by no more than 0.029 from sample to sample.
fn assert_no_click(world: &World) {
    let left = world.left();
    let steepest = left.windows(2).map(|w| (w[1] - w[0]).abs());
    let steepest = steepest.fold(0.0, f32::max);
    assert!(steepest < 0.06, "{steepest}: {}", world.describe());
}

#[test]
fn sound_never_goes_back_in_time() {
    let link = LinkConfig {
        loss: 0.05,
        jitter: ms(15),
        duplicate: 0.1,
        reorder: 0.1,
        ..LinkConfig::default()
    };
    let mut world = World::new(link, 17);
    world.copies = &[1, 4];
    let mut last = 0;
    for n in 0..3000 {
        if n % 400 == 399 {
            world.hold_for(ms(300));
        }
        world.run(ms(20));
        if let Some(position) = world.receiver.position() {
            assert!(position >= last, "{position} {last}: {}", world.describe());
            last = position;
        }
    }
    assert!(last > 50 * 48_000);
}

#[test]
fn every_sample_sounds_once_and_in_its_place() {
    for seed in 1..=8 {
        let link = LinkConfig {
            loss: 0.03,
            jitter: ms(8),
            duplicate: 0.2,
            reorder: 0.1,
            ..LinkConfig::default()
        };
        let config = Config {
            // Stretching repeats sound on purpose.
            stretch: false,
            ..Config::default()
        };
        let mut world = World::with(link, seed, config, Default::default());
        world.copies = &[1, 4];
        world.run(secs(5));
        let (mut last, mut made_up_ms, mut faulty_at) = (0, 0.0, 0);
        let mut checked = 0;
        for block in 0..1500 {
            let begins = world.receiver.position();
            world.run(ms(10));
            let made_up = world.receiver.stats().concealed_ms;
            let ends = world.receiver.position();
            if made_up != made_up_ms || begins.is_none() || ends.is_none() {
                (made_up_ms, faulty_at) = (made_up, block);
            }
            let (Some(begins), Some(ends)) = (begins, ends) else {
                continue;
            };
            assert!(
                begins >= last && ends >= begins,
                "seed {seed}: {begins} {ends}"
            );
            last = ends;
            // Concealment, what is decoded right after it, and jumps are no place to look.
            if block - faulty_at < 12 || ends - begins > 482 || ends - begins < 478 {
                continue;
            }
            let block = deinterleave(&world.sound[world.sound.len() - 960..], 2, 0);
            let phase = tone_phase(&block, world.freq());
            let error = (phase - world.phase_at(begins)).rem_euclid(std::f64::consts::TAU);
            let error = error.min(std::f64::consts::TAU - error);
            assert!(
                error < 0.2,
                "seed {seed}, {begins}: {error} {}",
                world.describe()
            );
            checked += 1;
        }
        assert!(checked > 200, "seed {seed}: {checked} blocks");
    }
}

#[test]
fn positions_tell_what_is_sounding() {
    let mut world = World::new(LinkConfig::default(), 12);
    world.run(secs(10));
    let frames = world.sound.len() / 2;
    let position = world.receiver.position().unwrap();
    // The tone's phase at the end of the capture says which sample of the source it was.
    let tail = &world.left()[frames - 480..];
    let phase = tone_phase(tail, world.freq());
    let begins = position - 480;
    let expected = world.phase_at(begins);
    let error = (phase - expected).rem_euclid(std::f64::consts::TAU);
    let error = error.min(std::f64::consts::TAU - error);
    let samples = error / std::f64::consts::TAU * 48_000.0 / world.freq();
    assert!(samples < 2.0, "{samples} samples off");
}

fn tone_phase(samples: &[f32], freq: f64) -> f64 {
    crate::measure::tone_snr(samples, 48_000.0, freq).phase
}

#[test]
fn delays_from_the_source_are_measured_once_the_clock_is_known() {
    let mut world = World::new(LinkConfig::default(), 14);
    world.run(secs(2));
    assert_eq!(world.receiver.stats().play, None);
    world
        .receiver
        .set_clock_offset(Some(World::CLOCK_OFFSET_US));
    world.run(secs(10));
    let play = world.receiver.stats().play.unwrap();
    // 10 ms on the link and the delay of play-out.
    assert!((12.0..60.0).contains(&play.p50), "{play:?}");
    assert!(play.p50 <= play.p95 && play.p95 <= play.p99);
}

#[test]
fn events_tell_the_story_in_order_and_are_bounded() {
    let mut world = World::new(LinkConfig::default(), 15);
    world.run(secs(1));
    world.link.config.loss = 1.0;
    world.run(secs(1));
    world.link.config.loss = 0.0;
    world.run(secs(1));
    let events: Vec<Event> = std::iter::from_fn(|| world.receiver.poll_event()).collect();
    let states = [State::Playing, State::Interrupted, State::Playing];
    assert_eq!(events, states.map(Event::State));
}
