use super::*;
use crate::measure::Meter;
use std::time::Instant;

fn play(seed: u64, seconds: usize) -> (Synth, Vec<f32>) {
    let mut synth = Synth::new(seed);
    let mut out = vec![0.0; 96_000 * seconds];
    for piece in out.chunks_mut(1000) {
        synth.fill(piece);
    }
    (synth, out)
}

#[test]
fn the_same_seed_plays_the_same_and_another_does_not() {
    let sound = play(1, 5).1;
    assert_eq!(sound, play(1, 5).1);
    assert_ne!(sound, play(2, 5).1);
    let mut synth = Synth::new(1);
    let mut whole = vec![0.0; sound.len()];
    synth.fill(&mut whole);
    assert_eq!(sound, whole, "however it is cut");
}

#[test]
fn it_is_loud_enough_never_too_loud_and_stereo() {
    for seed in 0..4 {
        let (_, sound) = play(seed, 60);
        let mut meter = Meter::new();
        meter.add(&sound[96_000 * 15..]);
        let level = meter.take();
        assert!(
            (-30.0..-12.0).contains(&level.rms_dbfs),
            "seed {seed}: {level:?}"
        );
        assert!(level.peak_dbfs < -3.0, "seed {seed}: {level:?}");
        let side: f32 = sound
            .chunks_exact(2)
            .map(|pair| (pair[0] - pair[1]).powi(2))
            .sum();
        let all: f32 = sound.iter().map(|value| value * value).sum();
        assert!(side / all > 0.02, "seed {seed}: the sides are alike");
    }
}

#[test]
fn nothing_clicks() {
    let (_, sound) = play(3, 40);
    let step = |pair: (&f32, &f32)| (pair.0 - pair.1).abs();
    let left: Vec<f32> = sound.chunks_exact(2).map(|pair| pair[0]).collect();
    let largest = left.iter().zip(&left[1..]).map(step).fold(0.0, f32::max);
    assert!(largest < 0.12, "{largest}");
}

#[test]
fn tracks_follow_each_other_with_new_titles_and_a_breath_between() {
    let mut synth = Synth::new(11);
    let mut out = vec![0.0; 96_000];
    let mut tracks = Vec::new();
    for _ in 0..420 {
        synth.fill(&mut out);
        tracks.extend(std::iter::from_fn(|| synth.poll_track()));
    }
    assert!((3..=7).contains(&tracks.len()), "{tracks:?}");
    assert_eq!(tracks[0].position, 0);
    for pair in tracks.windows(2) {
        assert_eq!(pair[1].position, pair[0].position + pair[0].samples);
        let seconds = pair[0].samples / 48_000;
        assert!((55..=185).contains(&seconds), "{seconds} s");
        assert_ne!(pair[0].title, pair[1].title);
    }
    let mut synth = Synth::new(11);
    let end = tracks[1].position as usize * 2;
    let mut sound = vec![0.0; end + 9_600];
    synth.fill(&mut sound);
    assert!(
        sound[end - 40_000..end]
            .iter()
            .all(|value| value.abs() < 1e-4)
    );
}

#[test]
fn it_is_cheap() {
    let start = Instant::now();
    play(5, 30);
    let share = start.elapsed().as_secs_f64() / 30.0;
    println!("{:.2} % of a core", share * 100.0);
    // Far above what it takes (see the documentation), for slow and busy machines.
    assert!(share < 0.2, "{share}");
}
