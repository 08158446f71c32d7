use super::*;
use crate::decoder::Decoder;
use crate::loudness::Target;
use crate::measure::{deinterleave, find_gaps, tone_snr};
use crate::packetizer::Packetizer;
use crate::testing::{Link, LinkConfig};
use proptest::prelude::*;
use std::time::Duration;

fn source(config: encoder::Config, seconds: usize) -> (Vec<EncodedPacket>, u64) {
    let mut packetizer = Packetizer::new(config, 90, 5_000_000).unwrap();
    let begins = packetizer.position();
    let samples: Vec<f32> = (0..48_000 * seconds)
        .flat_map(|n| {
            let value = (n as f64 * 440.0 / 48_000.0 * std::f64::consts::TAU).sin() * 0.5;
            std::iter::repeat_n(value as f32, config.channels.count())
        })
        .collect();
    let mut packets = Vec::new();
    packetizer
        .push(&samples, |packet| packets.push(packet))
        .unwrap();
    (packets, begins)
}

/// A transcoder of one rendition.
fn maker(rendition: Rendition) -> Transcoder {
    let mut transcoder = Transcoder::new();
    transcoder.add(rendition).unwrap();
    transcoder
}

fn decode(packets: &[EncodedPacket]) -> Vec<f32> {
    let mut decoder = Decoder::new();
    let mut out = vec![0.0; 5760 * 2];
    let mut left = Vec::new();
    for packet in packets {
        let samples = decoder.decode(&packet.payload, &mut out).unwrap();
        left.extend(deinterleave(&out[..samples * 2], 2, 0));
    }
    left
}

#[test]
fn renditions_carry_the_same_sound_at_the_same_media_time() {
    for frame in encoder::Frame::ALL {
        let (packets, begins) = source(
            encoder::Config {
                frame,
                ..Default::default()
            },
            2,
        );
        for rendition in Rendition::ALL {
            let mut transcoder = maker(rendition);
            let mut out = Vec::new();
            for packet in &packets {
                transcoder
                    .handle_packet(&packet.as_packet(None), |_, packet| out.push(packet))
                    .unwrap();
            }
            assert_eq!(out[0].sequence, 0);
            assert!(out.windows(2).all(|pair| {
                pair[1].sequence == pair[0].sequence + 1
                    && pair[1].timestamp == pair[0].timestamp + 960
            }));
            // The tone's phase at a media time is the source's: within 5 samples (the
            // speech mode of low rates has a delay of its own).
            let sound = decode(&out);
            let from = 9_600;
            let fit = tone_snr(&sound[from..], 48_000.0, 440.0);
            let samples = (out[0].timestamp + from as u64) as f64 - begins as f64;
            let expected = samples * 440.0 / 48_000.0 * std::f64::consts::TAU;
            let off = (fit.phase - expected).rem_euclid(std::f64::consts::TAU);
            let off = off.min(std::f64::consts::TAU - off);
            assert!(fit.snr_db > 25.0, "{frame:?} {rendition:?}: {fit:?}");
            assert!(off < 0.25, "{frame:?} {rendition:?}: {off} radians off");
        }
    }
}

#[test]
fn loss_is_concealed_and_reordering_is_put_right() {
    let (packets, _) = source(encoder::Config::default(), 20);
    let config = LinkConfig {
        loss: 0.03,
        reorder: 0.05,
        duplicate: 0.05,
        ..LinkConfig::default()
    };
    let mut link = Link::new(config, 21);
    for (n, packet) in packets.iter().enumerate() {
        link.send(Duration::from_millis(n as u64 * 20), packet.clone());
    }
    let mut transcoder = maker(Rendition::High);
    let mut out = Vec::new();
    while let Some((_, packet)) = link.receive(Duration::from_secs(60)) {
        transcoder
            .handle_packet(&packet.as_packet(None), |_, packet| out.push(packet))
            .unwrap();
    }
    let stats = transcoder.stats();
    // What was lost at the very end is nobody's to conceal.
    assert!(
        stats.lost.abs_diff(link.lost) <= 2,
        "{stats:?} of {}",
        link.lost
    );
    assert_eq!(stats.concealed_samples, stats.lost * 960);
    assert!(
        out.len() + 5 > packets.len(),
        "{} of {}",
        out.len(),
        packets.len()
    );
    assert!(
        out.windows(2)
            .all(|pair| pair[1].timestamp == pair[0].timestamp + 960)
    );
    let gaps = find_gaps(&decode(&out)[4800..], 48_000.0, 440.0, 0.5);
    assert!(gaps.len() <= 1, "{gaps:?}");
}

#[test]
fn a_long_hole_is_jumped_over() {
    let (packets, _) = source(encoder::Config::default(), 5);
    let mut transcoder = maker(Rendition::Low);
    let mut out = Vec::new();
    for packet in packets[..50].iter().chain(&packets[150..]) {
        transcoder
            .handle_packet(&packet.as_packet(None), |_, packet| out.push(packet))
            .unwrap();
    }
    let stats = transcoder.stats();
    assert_eq!(
        (stats.jumps, stats.lost, stats.concealed_samples),
        (1, 100, 0)
    );
    let step = out
        .windows(2)
        .map(|pair| pair[1].timestamp - pair[0].timestamp)
        .max();
    assert_eq!(step, Some(101 * 960));
}

#[test]
fn the_source_is_decoded_once_and_each_rendition_is_as_if_alone() {
    let (packets, _) = source(encoder::Config::default(), 2);
    let mut together = Transcoder::new();
    let mut made: Vec<(Rendition, EncodedPacket)> = Vec::new();
    for rendition in Rendition::ALL {
        together.add(rendition).unwrap();
    }
    for packet in &packets {
        together
            .handle_packet(&packet.as_packet(None), |rendition, packet| {
                made.push((rendition, packet));
            })
            .unwrap();
    }
    // Every packet was decoded once, whatever the number of renditions.
    assert_eq!(together.stats().packets, packets.len() as u64);
    for rendition in Rendition::ALL {
        let mut alone = maker(rendition);
        let mut expected = Vec::new();
        for packet in &packets {
            alone
                .handle_packet(&packet.as_packet(None), |_, packet| expected.push(packet))
                .unwrap();
        }
        let shared = made.iter().filter(|(other, _)| *other == rendition);
        let shared: Vec<_> = shared.map(|(_, packet)| packet.clone()).collect();
        assert_eq!(shared, expected, "{rendition:?}");
    }
}

#[test]
fn renditions_come_and_go_while_the_source_flows() {
    let (packets, begins) = source(encoder::Config::default(), 2);
    let mut transcoder = maker(Rendition::High);
    let mut made: Vec<(Rendition, EncodedPacket)> = Vec::new();
    for (n, packet) in packets.iter().enumerate() {
        match n {
            20 => transcoder.add(Rendition::Low).unwrap(),
            60 => transcoder.remove(Rendition::High),
            _ => {}
        }
        transcoder
            .handle_packet(&packet.as_packet(None), |rendition, packet| {
                made.push((rendition, packet));
            })
            .unwrap();
    }
    let of = |wanted| {
        made.iter()
            .filter(move |(rendition, _)| *rendition == wanted)
    };
    assert_eq!(of(Rendition::High).count(), 60);
    let low: Vec<_> = of(Rendition::Low).map(|(_, packet)| packet).collect();
    assert_eq!((low[0].sequence, low.len()), (0, packets.len() - 20));
    // It begins with the source's packet of that moment, on its media time.
    let joined = begins + 20 * 960;
    assert!(
        joined - low[0].timestamp < 960,
        "{} of {joined}",
        low[0].timestamp
    );
    assert!(
        low.windows(2)
            .all(|pair| pair[1].timestamp == pair[0].timestamp + 960)
    );
}

#[test]
fn a_soft_source_comes_to_the_target_in_its_renditions_at_the_same_media_time() {
    // -30 LUFS: a stereo tone of 997 Hz reads what its level is in dBFS.
    let level = 10f64.powf(-30.0 / 20.0);
    let mut packetizer = Packetizer::new(encoder::Config::default(), 0, 48_000).unwrap();
    let mut packets = Vec::new();
    let sound: Vec<f32> = (0..48_000 * 12)
        .flat_map(|n| {
            let angle = n as f64 * 997.0 / 48_000.0 * std::f64::consts::TAU;
            [(angle.sin() * level) as f32; 2]
        })
        .collect();
    packetizer
        .push(&sound, |packet| packets.push(packet))
        .unwrap();
    let target = Target {
        lufs: -16.0,
        true_peak_dbtp: -1.0,
    };
    let mut plain = maker(Rendition::High);
    let mut levelled = maker(Rendition::High);
    levelled.measure(Some(target));
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for packet in &packets {
        let packet = packet.as_packet(None);
        plain
            .handle_packet(&packet, |_, made| before.push(made))
            .unwrap();
        levelled
            .handle_packet(&packet, |_, made| after.push(made))
            .unwrap();
    }
    assert_eq!(before[0].timestamp, after[0].timestamp);
    let measured = |packets: &[EncodedPacket]| {
        let left = decode(packets);
        let stereo: Vec<f32> = left.iter().flat_map(|value| [*value; 2]).collect();
        let mut meter = crate::loudness::Meter::new();
        // The gain has settled by then.
        meter.push(&stereo[2 * 48_000 * 4..]);
        meter.reading()
    };
    let reading = measured(&after);
    assert!(
        (reading.integrated_lufs.unwrap() + 16.0).abs() < 1.0,
        "{reading:?}"
    );
    assert!(reading.true_peak_dbtp.unwrap() <= -1.0, "{reading:?}");
    let loudness = levelled.loudness().unwrap();
    assert!(
        (loudness.reading.integrated_lufs.unwrap() + 30.0).abs() < 0.5,
        "{loudness:?}"
    );
    assert!(
        (loudness.gain_db.unwrap() - 14.0).abs() < 1.0,
        "{loudness:?}"
    );
    assert!(plain.loudness().is_none());
    // The phase of the tone tells the media time to the sample.
    let phase =
        |packets: &[EncodedPacket]| tone_snr(&decode(packets)[480_000..], 48_000.0, 997.0).phase;
    let off = (phase(&before) - phase(&after)).rem_euclid(std::f64::consts::TAU);
    let off = off.min(std::f64::consts::TAU - off);
    assert!(off < 0.05, "{off} radians apart");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn any_packets_never_panic(packets in proptest::collection::vec(
        (prop_oneof![4 => 0u64..30, 1 => any::<u64>(), 1 => Just(u64::MAX)],
         prop_oneof![4 => 0u64..60_000, 1 => any::<u64>(), 1 => Just(u64::MAX)],
         proptest::collection::vec(any::<u8>(), 0..9)), 0..60)) {
        let mut transcoder = maker(Rendition::Low);
        for (sequence, timestamp, payload) in &packets {
            let packet = Packet {
                sequence: *sequence,
                timestamp: *timestamp,
                send_time: None,
                copy: false,
                payload,
            };
            let _ = transcoder.handle_packet(&packet, |_, _| ());
        }
    }
}
