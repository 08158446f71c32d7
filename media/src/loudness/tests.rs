use super::*;
use crate::measure::tone_snr;
use proptest::prelude::*;

const TARGET: Target = Target {
    lufs: -16.0,
    true_peak_dbtp: -1.0,
};

/// Interleaved stereo of a seeded noise whose bandwidth is that of pink-like programme.
fn noise(seconds: usize, amplitude: f32) -> Vec<f32> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut low = 0f32;
    (0..48_000 * seconds)
        .flat_map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let white = (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
            low += (white - low) * 0.2;
            [low * amplitude; 2]
        })
        .collect()
}

fn tone(seconds: usize, freq: f64, amplitude: f64) -> Vec<f32> {
    (0..48_000 * seconds)
        .flat_map(|n| {
            let angle = n as f64 * freq / 48_000.0 * std::f64::consts::TAU;
            [(angle.sin() * amplitude) as f32; 2]
        })
        .collect()
}

/// Brings sound to that loudness by one gain for all of it.
fn at_lufs(mut sound: Vec<f32>, lufs: f64) -> Vec<f32> {
    let gain = 10f64.powf((lufs - integrated(&sound)) / 20.0) as f32;
    sound.iter_mut().for_each(|value| *value *= gain);
    sound
}

fn measured(sound: &[f32]) -> Reading {
    let mut meter = Meter::new();
    meter.push(sound);
    meter.reading()
}

fn integrated(sound: &[f32]) -> f64 {
    measured(sound).integrated_lufs.unwrap()
}

/// Runs sound through a normalizer as a transcoder does: 20 ms at a time.
fn normalize(sound: &[f32], target: Target) -> (Vec<f32>, Normalizer) {
    let mut meter = Meter::new();
    let mut normalizer = Normalizer::new(target);
    let mut out = Vec::new();
    for (n, piece) in sound.chunks(1_920).enumerate() {
        meter.push(piece);
        if n % 5 == 4 {
            normalizer.observe(meter.reading().momentary_lufs, 0.1);
        }
        let mut piece = piece.to_vec();
        normalizer.process(&mut piece);
        out.extend(piece);
    }
    (out, normalizer)
}

/// A stereo tone of 1 kHz of so many dBFS for so many seconds each.
fn levels(parts: &[(f64, f64)]) -> Vec<f32> {
    let parts = parts.iter().flat_map(|(dbfs, seconds)| {
        let amplitude = 10f64.powf(dbfs / 20.0);
        (0..(seconds * 48_000.0) as usize).map(move |n| (n, amplitude))
    });
    let samples = parts.flat_map(|(n, amplitude)| {
        let angle = n as f64 / 48.0 * std::f64::consts::TAU;
        [(angle.sin() * amplitude) as f32; 2]
    });
    samples.collect()
}

#[test]
fn loudness_is_what_ebu_tech_3341_asks_for() {
    // Its cases 1 to 5.
    for (parts, lufs) in [
        (&[(-23.0, 20.0)][..], -23.0),
        (&[(-33.0, 20.0)], -33.0),
        (&[(-36.0, 10.0), (-23.0, 60.0), (-36.0, 10.0)], -23.0),
        (
            &[
                (-72.0, 10.0),
                (-36.0, 10.0),
                (-23.0, 60.0),
                (-36.0, 10.0),
                (-72.0, 10.0),
            ],
            -23.0,
        ),
        (&[(-26.0, 20.0), (-20.0, 20.1), (-26.0, 20.0)], -23.0),
    ] {
        let reading = measured(&levels(parts));
        let off = reading.integrated_lufs.unwrap() - lufs;
        assert!(off.abs() <= 0.1, "{parts:?}: {reading:?}");
        if parts.len() == 1 {
            for value in [reading.momentary_lufs, reading.short_term_lufs] {
                assert!((value.unwrap() - lufs).abs() <= 0.1, "{reading:?}");
            }
        }
    }
    assert_eq!(measured(&vec![0.0; 960_000]), Reading::default());
}

#[test]
fn true_peaks_are_what_ebu_tech_3341_asks_for() {
    // Its cases 15 to 19: a fraction of the sample rate, degrees, amplitude.
    for (fraction, degrees, amplitude, dbtp) in [
        (4.0, 0.0, 0.5, -6.0),
        (4.0, 45.0, 0.5, -6.0),
        (6.0, 60.0, 0.5, -6.0),
        (8.0, 67.5, 0.5, -6.0),
        (4.0, 45.0, 1.41, 3.0),
    ] {
        let phase = f64::to_radians(degrees);
        let sound: Vec<f32> = (0..48_000)
            .flat_map(|n| {
                let angle = f64::from(n) / fraction * std::f64::consts::TAU + phase;
                // Without a step at its ends, which would be a peak of its own.
                let edge = f64::from(n.min(47_999 - n)) / 480.0;
                [(angle.sin() * amplitude * edge.min(1.0)) as f32; 2]
            })
            .collect();
        let peak = measured(&sound).true_peak_dbtp.unwrap();
        assert!((-0.4..=0.2).contains(&(peak - dbtp)), "{peak} of {dbtp}");
    }
}

#[test]
fn values_are_none_before_there_is_enough_sound() {
    let mut meter = Meter::new();
    let sound = tone(4, 1_000.0, 0.1);
    meter.push(&sound[..2 * 19_199]);
    assert_eq!(meter.reading().momentary_lufs, None);
    meter.push(&sound[..2]);
    assert!(meter.reading().momentary_lufs.is_some());
    assert_eq!(meter.reading().short_term_lufs, None);
    meter.push(&sound);
    assert!(meter.reading().short_term_lufs.is_some());
}

#[test]
fn soft_and_loud_sound_comes_to_the_target_below_the_limit() {
    for (name, sound) in [
        ("soft noise", at_lufs(noise(20, 0.1), -30.0)),
        ("soft tone", at_lufs(tone(20, 997.0, 0.1), -30.0)),
        ("loud noise", at_lufs(noise(20, 0.1), -12.0)),
    ] {
        let (out, normalizer) = normalize(&sound, TARGET);
        // After three seconds it has settled.
        let settled = measured(&out[2 * 48_000 * 3..]);
        let lufs = settled.integrated_lufs.unwrap();
        assert!(
            (lufs - TARGET.lufs).abs() < 1.0,
            "{name}: {lufs}, {normalizer:?}"
        );
        let peak = measured(&out).true_peak_dbtp.unwrap();
        assert!(peak <= TARGET.true_peak_dbtp, "{name}: {peak} dBTP");
    }
}

#[test]
fn peaks_between_samples_are_caught_and_sound_below_the_limit_is_left_alone() {
    // A quarter of the rate with its phase between the samples: the peaks are 3 dB higher.
    let between: Vec<f32> = (0..48_000)
        .flat_map(|n| {
            let angle = (n as f64 / 4.0 + 0.125) * std::f64::consts::TAU;
            [angle.sin() as f32 * 1.3; 2]
        })
        .collect();
    let mut limiter = Limiter::new(0.891);
    let limited: Vec<f32> = between
        .chunks_exact(2)
        .flat_map(|pair| limiter.process([pair[0], pair[1]]))
        .collect();
    let peak = measured(&limited).true_peak_dbtp.unwrap();
    assert!((-2.0..=-1.0).contains(&peak), "{peak} dBTP");

    let soft = tone(2, 1_000.0, 0.5);
    let mut limiter = Limiter::new(0.891);
    let same: Vec<f32> = soft
        .chunks_exact(2)
        .flat_map(|pair| limiter.process([pair[0], pair[1]]))
        .collect();
    let delay = Normalizer::DELAY * 2;
    assert_eq!(same[delay..], soft[..soft.len() - delay]);
}

#[test]
fn a_burst_is_limited_without_a_click() {
    let mut sound = tone(4, 500.0, 0.3);
    for value in &mut sound[2 * 96_000..2 * 100_000] {
        *value *= 6.0;
    }
    let mut limiter = Limiter::new(0.891);
    let limited: Vec<f32> = sound
        .chunks_exact(2)
        .map(|pair| limiter.process([pair[0], pair[1]])[0])
        .collect();
    assert!(limited.iter().all(|value| value.abs() <= 0.891));
    // It is a clean tone within the burst, and again soon after it.
    let burst = tone_snr(&limited[97_000..99_500], 48_000.0, 500.0);
    let after = tone_snr(&limited[120_000..], 48_000.0, 500.0);
    assert!(
        burst.snr_db > 35.0 && after.snr_db > 35.0,
        "{burst:?} {after:?}"
    );
    assert!((after.amplitude - 0.3).abs() < 0.01, "{after:?}");
}

#[test]
fn pauses_do_not_raise_the_gain() {
    let mut sound = at_lufs(noise(10, 0.1), -20.0);
    sound.extend(vec![0.0; 2 * 48_000 * 5]);
    sound.extend(at_lufs(noise(5, 0.1), -45.0));
    let (_, normalizer) = normalize(&sound, TARGET);
    assert!((normalizer.gain_db() - 4.0).abs() < 0.5, "{normalizer:?}");
}

#[test]
fn targets_are_checked() {
    assert!(TARGET.validate().is_ok());
    for (lufs, true_peak_dbtp) in [
        (-60.0, -1.0),
        (0.0, -1.0),
        (f64::NAN, -1.0),
        (-16.0, 1.0),
        (-16.0, f64::NAN),
    ] {
        let target = Target {
            lufs,
            true_peak_dbtp,
        };
        assert!(target.validate().is_err(), "{target:?}");
    }
}

/// Sound that is hard on a limiter: tones up to the band's end, noise, clicks, steps of level.
fn hard_sound() -> impl Strategy<Value = Vec<f32>> {
    let part = (
        0..3,
        20.0..23_900.0,
        0.01..10.0,
        1usize..4_000,
        any::<u32>(),
    );
    let parts = proptest::collection::vec(part, 1..6);
    parts.prop_map(|parts: Vec<(i32, f64, f64, usize, u32)>| {
        let mut sound = Vec::new();
        for (kind, freq, amplitude, length, seed) in parts {
            let mut state = seed | 1;
            sound.extend((0..length).flat_map(|n| {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                let noise = f64::from(state) / f64::from(u32::MAX) * 2.0 - 1.0;
                let value = match kind {
                    0 => (f64::from(n as u32) * freq / 48_000.0 * std::f64::consts::TAU).sin(),
                    1 => noise,
                    _ => f64::from(u8::from(state % 97 == 0)),
                };
                [(value * amplitude) as f32, (noise * amplitude * 0.1) as f32]
            }));
        }
        sound
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn nothing_above_the_ceiling_comes_out(sound in hard_sound(), dbtp in -12.0f64..=0.0) {
        let ceiling = 10f64.powf(dbtp / 20.0);
        let mut limiter = Limiter::new(ceiling);
        let mut limited: Vec<f32> = Vec::new();
        // The silence lets out what is still held.
        let silence = vec![0.0; Limiter::DELAY * 2 + 48];
        for pair in sound.chunks_exact(2).chain(silence.chunks_exact(2)) {
            limited.extend(limiter.process([pair[0], pair[1]]));
        }
        let highest = limited.iter().fold(0f32, |most, value| most.max(value.abs()));
        prop_assert!(f64::from(highest) <= ceiling, "{highest} of {ceiling}");
        let peak = measured(&limited).true_peak_dbtp.unwrap_or(f64::NEG_INFINITY);
        prop_assert!(peak <= dbtp, "{peak} of {dbtp} dBTP");
    }
}
