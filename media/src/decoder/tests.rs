use super::*;
use crate::encoder::{Channels, Config, Encoder};
use crate::measure::{deinterleave, tone_snr};

fn tone_packets(config: Config, seconds: usize) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(config).unwrap();
    let channels = config.channels.count();
    let samples: Vec<f32> = (0..48_000 * seconds)
        .flat_map(|n| {
            let value = (n as f64 * 440.0 / 48_000.0 * std::f64::consts::TAU).sin() * 0.5;
            std::iter::repeat_n(value as f32, channels)
        })
        .collect();
    samples
        .chunks_exact(encoder.frame_len())
        .map(|frame| encoder.encode(frame).unwrap().to_vec())
        .collect()
}

fn check(mut decoder: Decoder) {
    for channels in [Channels::Mono, Channels::Stereo] {
        decoder.reset();
        let mut sound = Vec::new();
        let mut out = vec![0.0; 5760 * 2];
        for packet in tone_packets(
            Config {
                channels,
                ..Config::default()
            },
            1,
        ) {
            let samples = decoder.decode(&packet, &mut out).unwrap();
            sound.extend_from_slice(&out[..samples * 2]);
        }
        for side in 0..2 {
            let heard = deinterleave(&sound, 2, side);
            let fit = tone_snr(&heard[9_600..], 48_000.0, 440.0);
            assert!(
                fit.snr_db > 35.0 && (fit.amplitude - 0.5).abs() < 0.01,
                "{fit:?}"
            );
        }
    }
    // Concealment goes on where the tone stopped, then fades.
    let mut out = vec![0.0; 960 * 2];
    decoder.conceal(&mut out);
    let fit = tone_snr(&deinterleave(&out, 2, 0), 48_000.0, 440.0);
    assert!(fit.amplitude > 0.35, "{fit:?}");
    for _ in 0..20 {
        decoder.conceal(&mut out);
    }
    assert!(out.iter().all(|value| value.abs() < 0.1));
    assert!(matches!(
        decoder.decode(&[], &mut out),
        Err(Error::Malformed(_))
    ));
    let room = decoder.decode(&[3 << 3, 0], &mut out);
    assert_eq!(room, Err(Error::NoRoom(2880)));
}

#[test]
fn libopus_decodes_conceals_and_refuses() {
    check(Decoder::new());
}

#[cfg(feature = "ropus")]
#[test]
fn ropus_decodes_conceals_and_refuses() {
    check(Decoder::pure());
}

#[test]
fn concealment_of_any_length_fills_it() {
    let mut decoder = Decoder::new();
    for len in [0, 1, 7, 240, 481, 1920, 5000, 11_520] {
        let mut out = vec![9.0; len];
        decoder.conceal(&mut out);
        assert!(out.iter().all(|value| value.abs() < 1.0), "{len}");
    }
}
