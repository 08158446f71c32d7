//! Nothing that comes off the network stops or breaks the receiver.

use std::time::Duration;

use proptest::prelude::*;

use super::super::*;
use crate::encoder::{self, Encoder};
use crate::testing::Rng;

fn payloads() -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    for (bitrate, frame) in [
        (16_000, 3),
        (24_000, 2),
        (128_000, 3),
        (64_000, 0),
        (32_000, 5),
    ] {
        let config = encoder::Config {
            bitrate,
            frame: encoder::Frame::ALL[frame],
            complexity: 0,
            ..encoder::Config::default()
        };
        let mut encoder = Encoder::new(config).unwrap();
        for n in 0..10 {
            let samples: Vec<f32> = (0..encoder.frame_len())
                .map(|k| ((n * 1000 + k) as f32 * 0.05).sin() * 0.4)
                .collect();
            payloads.push(encoder.encode(&samples).unwrap().to_vec());
        }
    }
    payloads
}

#[derive(Debug, Clone)]
enum Step {
    Packet {
        which: usize,
        sequence: u64,
        timestamp: u64,
        copy: bool,
        flip: Option<(usize, u8)>,
    },
    Bytes(Vec<u8>, u64, u64),
    Pull(usize),
    Wait(u64),
    Restart,
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0u64..40, 1 => any::<u64>(), 1 => Just((1 << 62) - 1)]
}

fn step() -> impl Strategy<Value = Step> {
    let packet = (
        0usize..50,
        number(),
        any::<bool>(),
        proptest::option::of((0usize..400, 1u8..)),
    )
        .prop_flat_map(|(which, sequence, copy, flip)| {
            let timestamp = prop_oneof![
                6 => Just(sequence.wrapping_mul(960)),
                2 => (0u64..40_000).prop_map(move |d| sequence.wrapping_mul(960).wrapping_add(d)),
                1 => any::<u64>(),
            ];
            timestamp.prop_map(move |timestamp| Step::Packet {
                which,
                sequence,
                timestamp,
                copy,
                flip,
            })
        });
    prop_oneof![
        12 => packet,
        2 => (proptest::collection::vec(any::<u8>(), 0..60), number(), any::<u64>())
            .prop_map(|(bytes, sequence, timestamp)| Step::Bytes(bytes, sequence, timestamp)),
        8 => (0usize..3000).prop_map(Step::Pull),
        4 => (0u64..300).prop_map(Step::Wait),
        1 => Just(Step::Restart),
    ]
}

fn play(mut receiver: Receiver, steps: &[Step]) {
    let payloads = payloads();
    let mut now = Duration::from_secs(5);
    let mut out = vec![0.0; 3000];
    // What was decoded before a restart still plays, so time falls once for each.
    let (mut heard_to, mut restarts) = (0, 0);
    for step in steps {
        match step {
            Step::Packet {
                which,
                sequence,
                timestamp,
                copy,
                flip,
            } => {
                let mut payload = payloads[*which].clone();
                if let Some((at, mask)) = flip {
                    let at = at % payload.len();
                    payload[at] ^= mask;
                }
                let packet = Packet {
                    sequence: *sequence,
                    timestamp: *timestamp,
                    send_time: Some(*timestamp as u32),
                    copy: *copy,
                    payload: &payload,
                };
                let _ = receiver.handle_packet(now, &packet);
            }
            Step::Bytes(payload, sequence, timestamp) => {
                let packet = Packet {
                    sequence: *sequence,
                    timestamp: *timestamp,
                    send_time: None,
                    copy: false,
                    payload,
                };
                let _ = receiver.handle_packet(now, &packet);
            }
            Step::Pull(len) => {
                out[..*len].fill(9.0);
                receiver.pull(now, &mut out[..*len]);
                assert!(out[..*len].iter().all(|v| v.is_finite() && v.abs() < 4.0));
                now += Duration::from_micros(*len as u64 * 1000 / 96);
            }
            Step::Wait(time) => now += Duration::from_millis(*time),
            Step::Restart => {
                receiver.restart();
                restarts += 1;
            }
        }
        let stats = receiver.stats();
        assert!(stats.buffer_ms.is_finite() && stats.target_ms <= 2000.0);
        while let Some(event) = receiver.poll_event() {
            restarts += u32::from(matches!(event, Event::Restarted(_)));
        }
        // Media time is never heard again, whatever the packets say of themselves.
        if let Some(position) = receiver.position() {
            if position < heard_to {
                assert!(restarts > 0, "{position} after {heard_to}");
                restarts -= 1;
            }
            heard_to = position;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_packets_in_any_order_never_panic(steps in proptest::collection::vec(step(), 1..200)) {
        play(Receiver::new(Config::default()), &steps);
    }

    #[cfg(feature = "ropus")]
    #[test]
    fn nor_with_the_pure_decoder(steps in proptest::collection::vec(step(), 1..200)) {
        let config = Config { output_rate: 44_100, ..Config::default() };
        play(Receiver::with_decoder(config, Decoder::pure()), &steps);
    }
}

/// Corrupt payloads straight into a decoder: every bit position of real packets.
fn torture(mut decoder: Decoder, seed: u64) {
    let payloads = payloads();
    let mut rng = Rng::new(seed);
    let mut out = vec![0.0; 5760 * 2];
    for _ in 0..6_000 {
        let mut payload = payloads[(rng.next_u64() % payloads.len() as u64) as usize].clone();
        for _ in 0..1 + rng.next_u64() % 4 {
            let at = (rng.next_u64() % payload.len() as u64) as usize;
            payload[at] = rng.next_u64() as u8;
        }
        payload.truncate(1 + (rng.next_u64() % payload.len() as u64) as usize);
        let _ = decoder.decode(&payload, &mut out);
        if rng.chance(0.1) {
            decoder.conceal(&mut out[..(1 + rng.next_u64() % 24) as usize * 240]);
        }
        assert!(out.iter().all(|value| value.is_finite()), "seed {seed}");
    }
}

#[test]
fn corrupt_payloads_are_errors_or_sound() {
    torture(Decoder::new(), 1);
    #[cfg(feature = "ropus")]
    torture(Decoder::pure(), 2);
}

#[test]
fn a_stalled_reader_costs_no_more_memory_and_comes_back_to_the_present() {
    let payload = &payloads()[25];
    let mut receiver = Receiver::new(Config::default());
    let mut out = [0.0; 960];
    let mut now = Duration::from_secs(1);
    for sequence in 0..10_000u64 {
        let packet = Packet {
            sequence,
            timestamp: sequence * 960,
            send_time: None,
            copy: false,
            payload,
        };
        receiver.handle_packet(now, &packet).unwrap();
        now += Duration::from_millis(20);
        if sequence < 100 {
            receiver.pull(now, &mut out);
            receiver.pull(now, &mut out);
        }
    }
    // What is decoded already still plays.
    for _ in 0..8 {
        receiver.pull(now, &mut out);
    }
    let position = receiver.position().unwrap();
    let events: Vec<Event> = std::iter::from_fn(|| receiver.poll_event()).collect();
    assert!(
        position > 9_950 * 960,
        "{position} {events:?} {:?}",
        receiver.stats()
    );
}

/// A source comes back 60 ms later than before, after a moment in which nothing was learnt.
#[test]
fn a_way_that_became_slower_is_learnt_though_everything_was_asked_for() {
    let payload = &payloads()[20];
    let mut receiver = Receiver::new(Config::default());
    receiver.set_round_trip(Some(Duration::from_millis(1)));
    let at_relay = |n: u64| 20 * n + if n < 3 { 0 } else { 60 };
    let mut answers: Vec<(u64, u64)> = Vec::new();
    let mut out = vec![0.0; 960];
    let mut half_way = None;
    for t in 0..20_000 {
        let now = Duration::from_millis(t);
        let live = (t / 20).saturating_sub(4)..=t / 20;
        let live = live.filter(|n| at_relay(*n) + 1 == t);
        let answered = answers.iter().filter(|(at, _)| *at == t);
        for n in live.chain(answered.map(|(_, n)| *n)) {
            let packet = Packet {
                sequence: n,
                timestamp: n * 960,
                send_time: None,
                copy: false,
                payload,
            };
            let _ = receiver.handle_packet(now, &packet);
        }
        if t % 10 == 0 {
            receiver.pull(now, &mut out);
        }
        if let Some(request) = receiver.poll_request(now) {
            let kept = request.sequences().iter().filter(|n| at_relay(**n) <= t);
            answers.extend(kept.map(|n| (t + 1, *n)));
        }
        if t == 10_000 {
            half_way = Some(receiver.stats());
        }
    }
    let (before, after) = (half_way.unwrap(), receiver.stats());
    assert!(after.requested - before.requested < 10, "{after:?}");
    assert_eq!(after.underruns, before.underruns, "{after:?}");
    assert!(after.packets - before.packets > 490, "{after:?}");
}
