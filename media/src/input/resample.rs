//! Any rate to 48 kHz, by rubato.

use std::fmt;

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Async, Fft, FixedAsync, FixedSync, Indexing, Resampler, SincInterpolationParameters,
    WindowFunction,
};

use super::Error;
use crate::SAMPLE_RATE;

/// Samples given to the resampler at once.
const CHUNK: usize = 1024;

/// The exact (FFT) resampler works in blocks of rate / gcd(rate, 48,000); above this many
/// samples its delay and memory get out of hand and the asynchronous one is used.
const BLOCK_MAX: u32 = 1280;

const RATE_MIN: u32 = 4_000;
const RATE_MAX: u32 = 400_000;

/// Converts a stream piece by piece. The first sample out is the first sample in; the last
/// out comes from [`Self::finish`].
pub(super) struct Resample {
    rate: u32,
    channels: usize,
    /// `None` when the rate is 48 kHz already.
    resampler: Option<Box<dyn Resampler<f32>>>,
    /// Samples not given to the resampler yet.
    waiting: Vec<f32>,
    out: Vec<f32>,
    /// Samples of the resampler's own delay still to be dropped.
    skip: usize,
    taken: u64,
    given: u64,
}

impl Resample {
    pub(super) fn new(rate: u32, channels: usize) -> Result<Self, Error> {
        if !(RATE_MIN..=RATE_MAX).contains(&rate) {
            return Err(Error::Unsupported(format!("a sample rate of {rate} Hz")));
        }
        let resampler = make(rate, channels)?;
        Ok(Self {
            rate,
            channels,
            skip: resampler
                .as_ref()
                .map_or(0, |resampler| resampler.output_delay()),
            resampler,
            waiting: Vec::new(),
            out: Vec::new(),
            taken: 0,
            given: 0,
        })
    }

    /// Samples at 48 kHz that belong to what was pushed and were not given out yet.
    pub(super) fn held(&self) -> u64 {
        self.owed().saturating_sub(self.given)
    }

    fn owed(&self) -> u64 {
        (self.taken * u64::from(SAMPLE_RATE)).div_ceil(u64::from(self.rate))
    }

    pub(super) fn push(&mut self, samples: Vec<f32>) -> Result<Vec<f32>, Error> {
        self.taken += (samples.len() / self.channels) as u64;
        let Some(resampler) = &mut self.resampler else {
            self.given = self.taken;
            return Ok(samples);
        };
        self.waiting.extend_from_slice(&samples);
        let mut result = Vec::new();
        let mut used = 0;
        loop {
            let needed = resampler.input_frames_next();
            if self.waiting.len() / self.channels - used < needed {
                break;
            }
            let input = &self.waiting[used * self.channels..];
            let frames = run(resampler, self.channels, input, None, &mut self.out)?;
            let skipped = frames.min(self.skip);
            self.skip -= skipped;
            result.extend_from_slice(&self.out[skipped * self.channels..frames * self.channels]);
            used += needed;
        }
        self.waiting.drain(..used * self.channels);
        self.given += (result.len() / self.channels) as u64;
        Ok(result)
    }

    /// The rest, exactly as long as what was pushed.
    pub(super) fn finish(mut self) -> Result<Vec<f32>, Error> {
        let mut result = Vec::new();
        let owed = (self.held() as usize) * self.channels;
        let Some(resampler) = &mut self.resampler else {
            return Ok(result);
        };
        while result.len() < owed {
            let left = Some(self.waiting.len() / self.channels);
            let frames = run(resampler, self.channels, &self.waiting, left, &mut self.out)?;
            self.waiting.clear();
            let skipped = frames.min(self.skip);
            self.skip -= skipped;
            result.extend_from_slice(&self.out[skipped * self.channels..frames * self.channels]);
        }
        result.truncate(owed);
        Ok(result)
    }
}

impl fmt::Debug for Resample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resample")
            .field("rate", &self.rate)
            .finish_non_exhaustive()
    }
}

fn make(rate: u32, channels: usize) -> Result<Option<Box<dyn Resampler<f32>>>, Error> {
    let failed = |error: rubato::ResamplerConstructionError| Error::Unsupported(error.to_string());
    if rate == SAMPLE_RATE {
        return Ok(None);
    }
    let block = rate / gcd(rate, SAMPLE_RATE);
    if block <= BLOCK_MAX {
        let (from, to) = (rate as usize, SAMPLE_RATE as usize);
        let fft = Fft::new(from, to, CHUNK, channels, FixedSync::Input).map_err(failed)?;
        return Ok(Some(Box::new(fft)));
    }
    let ratio = f64::from(SAMPLE_RATE) / f64::from(rate);
    let parameters = SincInterpolationParameters::new(128, WindowFunction::BlackmanHarris2);
    let sinc = Async::new_sinc(ratio, 1.0, &parameters, CHUNK, channels, FixedAsync::Input);
    Ok(Some(Box::new(sinc.map_err(failed)?)))
}

/// Runs one chunk, of which `partial` frames are there, into `out`; answers its frames.
fn run(
    resampler: &mut Box<dyn Resampler<f32>>,
    channels: usize,
    input: &[f32],
    partial: Option<usize>,
    out: &mut Vec<f32>,
) -> Result<usize, Error> {
    let damaged = |error: &dyn fmt::Display| Error::Damaged(error.to_string());
    let room = resampler.output_frames_next();
    out.resize(room * channels, 0.0);
    let from = InterleavedSlice::new(input, channels, input.len() / channels);
    let from = from.map_err(|error| damaged(&error))?;
    let mut to = InterleavedSlice::new_mut(out, channels, room).map_err(|error| damaged(&error))?;
    let indexing = partial.map(|frames| Indexing::new().partial_len(frames));
    let (_, frames) = resampler
        .process_into_buffer(&from, &mut to, indexing.as_ref())
        .map_err(|error| damaged(&error))?;
    Ok(frames)
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::tone_snr;

    #[test]
    fn every_rate_keeps_length_start_and_tone() {
        for rate in [
            8_000, 11_025, 22_050, 32_000, 44_100, 44_101, 48_000, 96_000, 192_000,
        ] {
            let samples: Vec<f32> = (0..rate)
                .map(|n| {
                    (f64::from(n) * 440.0 / f64::from(rate) * std::f64::consts::TAU).sin() as f32
                        / 2.0
                })
                .collect();
            let mut resample = Resample::new(rate, 1).unwrap();
            let mut out = Vec::new();
            for piece in samples.chunks(777) {
                out.extend(resample.push(piece.to_vec()).unwrap());
                assert!(resample.held() < 48_000);
            }
            out.extend(resample.finish().unwrap());
            assert_eq!(out.len(), 48_000, "{rate}");
            let fit = tone_snr(&out[4_800..43_200], 48_000.0, 440.0);
            assert!(fit.snr_db > 75.0, "{rate}: {fit:?}");
            assert!(fit.phase.abs() < 0.03, "{rate}: the start moved, {fit:?}");
        }
    }

    #[test]
    fn absurd_rates_are_refused() {
        for rate in [0, 1, 3_999, 400_001, u32::MAX] {
            assert!(Resample::new(rate, 2).is_err());
        }
    }
}
