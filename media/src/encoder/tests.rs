use super::*;
use crate::decoder::Decoder;
use crate::measure::{deinterleave, tone_snr};
use crate::toc::Toc;

fn tone(channels: usize, samples: usize) -> Vec<f32> {
    (0..samples)
        .flat_map(|n| {
            let value = (n as f64 * 440.0 / 48_000.0 * std::f64::consts::TAU).sin() * 0.5;
            std::iter::repeat_n(value as f32, channels)
        })
        .collect()
}

fn check(config: Config, snr_min: f64) {
    let mut encoder = Encoder::new(config).unwrap();
    let mut decoder = Decoder::new();
    let mut sound = Vec::new();
    let mut out = vec![0.0; 5760 * 2];
    for frame in tone(config.channels.count(), 48_000).chunks_exact(encoder.frame_len()) {
        let packet = encoder.encode(frame).unwrap();
        let toc = Toc::parse(packet).unwrap();
        assert_eq!(toc.samples() as usize, config.frame.samples());
        assert_eq!(usize::from(toc.channels), config.channels.count());
        let samples = decoder.decode(packet, &mut out).unwrap();
        sound.extend_from_slice(&out[..samples * 2]);
    }
    let right = deinterleave(&sound, 2, 1);
    let fit = tone_snr(&right[9_600..], 48_000.0, 440.0);
    assert!(fit.snr_db > snr_min, "{config:?}: {fit:?}");
}

#[test]
fn every_frame_size_carries_a_tone() {
    for frame in Frame::ALL {
        let config = Config {
            frame,
            ..Config::default()
        };
        check(config, 30.0);
        check(
            Config {
                channels: Channels::Mono,
                ..config
            },
            30.0,
        );
        check(
            Config {
                application: Application::LowDelay,
                ..config
            },
            30.0,
        );
    }
}

#[test]
fn constant_rate_packets_are_all_alike() {
    let config = Config {
        rate_control: RateControl::Constant,
        ..Config::default()
    };
    let mut encoder = Encoder::new(config).unwrap();
    for frame in tone(2, 9_600).chunks_exact(1920) {
        assert_eq!(encoder.encode(frame).unwrap().len(), 320);
    }
}

#[test]
fn the_largest_bitrates_fit_a_datagram() {
    for frame in Frame::ALL {
        let bitrate = Config::bitrate_max(frame);
        let config = Config {
            bitrate,
            frame,
            ..Config::default()
        };
        let mut encoder = Encoder::new(config).unwrap();
        let mut noise = 1u32;
        for _ in 0..50 {
            let samples: Vec<f32> = (0..encoder.frame_len())
                .map(|_| {
                    noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    noise as f32 / u32::MAX as f32 - 0.5
                })
                .collect();
            assert!(encoder.encode(&samples).unwrap().len() <= PAYLOAD_BYTES_MAX);
        }
        let above = Config {
            bitrate: bitrate + 1,
            ..config
        };
        assert!(Encoder::new(above).is_err(), "{above:?}");
    }
}

#[test]
fn wrong_configurations_are_named() {
    let with = |change: fn(&mut Config)| {
        let mut config = Config::default();
        change(&mut config);
        Encoder::new(config).unwrap_err()
    };
    assert_eq!(with(|c| c.bitrate = 5_999), ConfigError::Bitrate(5_999));
    assert_eq!(with(|c| c.bitrate = 510_001), ConfigError::Bitrate(510_001));
    assert_eq!(with(|c| c.complexity = 11), ConfigError::Complexity(11));
    let error = with(|c| c.bitrate = 510_000);
    assert!(error.to_string().contains("at most 469600 b/s"), "{error}");
}

#[test]
fn wrong_samples_are_errors_or_silence() {
    let mut encoder = Encoder::new(Config::default()).unwrap();
    assert_eq!(
        encoder.encode(&[0.0; 7]),
        Err(EncodeError::Length {
            given: 7,
            needed: 1920
        })
    );
    let packet = encoder.encode(&[f32::NAN; 1920]).unwrap().to_vec();
    let mut out = [0.0; 1920];
    Decoder::new().decode(&packet, &mut out).unwrap();
    assert!(out.iter().all(|value| value.abs() < 0.01));
}
