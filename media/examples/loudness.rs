//! What measuring and levelling loudness cost: shares of a core for one stereo station.
//!
//! `cargo run --release -p skywave-media --example loudness` prints them.

use std::hint::black_box;
use std::time::Instant;

use skywave_media::loudness::{Meter, Normalizer, Target};
use skywave_media::synth::Synth;

/// Seconds of music each is given.
const SECONDS: usize = 120;

/// Interleaved stereo of 20 ms, as a decoder gives it.
const PIECE: usize = 1_920;

fn main() {
    let mut synth = Synth::new(7);
    let mut music = vec![0.0; SECONDS * 96_000];
    synth.fill(&mut music);
    let mut meter = Meter::new();
    let measuring = share(|| {
        for (n, piece) in music.chunks(PIECE).enumerate() {
            meter.push(piece);
            // As often as a station's values are renewed.
            if n % 5 == 4 {
                black_box(meter.reading());
            }
        }
    });
    let mut normalizer = Normalizer::new(Target {
        lufs: -16.0,
        true_peak_dbtp: -1.0,
    });
    normalizer.observe(Some(-20.0), 0.1);
    let mut levelled = music.clone();
    let levelling = share(|| {
        for piece in levelled.chunks_mut(PIECE) {
            normalizer.process(piece);
        }
    });
    black_box(levelled);
    println!("measuring: {measuring:.2} % of a core, levelling: {levelling:.2} %");
}

/// What that takes of the time the music lasts, in per cent.
fn share(work: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    work();
    begun.elapsed().as_secs_f64() / SECONDS as f64 * 100.0
}
