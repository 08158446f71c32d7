//! Any channels to one or two.

use symphonia::core::audio::{Channels as Layout, Position};

use crate::encoder::Channels;

/// -3 dB, the weight of centre and surround in ITU-R BS.775.
const MINUS_3_DB: f32 = std::f32::consts::FRAC_1_SQRT_2;

/// How much of each input channel goes to the left and to the right.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Downmix {
    weights: Vec<[f32; 2]>,
}

impl Downmix {
    pub(super) fn of(layout: &Layout) -> Self {
        let weights = match layout {
            Layout::Positioned(positions) if layout.count() > 2 => {
                positions.iter().map(weight).collect()
            }
            other => return Self::of_count(other.count()),
        };
        Self { weights }.normalized()
    }

    /// For channels in WAVE order: the usual layouts, or else left and right by turns.
    pub(super) fn of_count(count: usize) -> Self {
        let weights = match Position::from_wave_channel_count(count as u32) {
            _ if count == 1 => vec![[1.0, 1.0]],
            _ if count == 2 => vec![[1.0, 0.0], [0.0, 1.0]],
            Some(positions) => positions.iter().map(weight).collect(),
            None => (0..count)
                .map(|n| if n % 2 == 0 { [1.0, 0.0] } else { [0.0, 1.0] })
                .collect(),
        };
        Self { weights }.normalized()
    }

    /// Channels it mixes.
    pub(super) fn inputs(&self) -> usize {
        self.weights.len()
    }

    /// One channel stays one, everything else becomes two.
    pub(super) fn natural_channels(&self) -> Channels {
        if self.weights.len() == 1 {
            Channels::Mono
        } else {
            Channels::Stereo
        }
    }

    /// Mixes interleaved samples to interleaved `channels`.
    pub(super) fn mix(&self, samples: &[f32], channels: Channels) -> Vec<f32> {
        let count = self.weights.len();
        if count == channels.count() {
            return samples.to_vec();
        }
        let mut out = Vec::with_capacity(samples.len() / count * channels.count());
        for frame in samples.chunks_exact(count) {
            let (mut left, mut right) = (0.0, 0.0);
            for (sample, [to_left, to_right]) in frame.iter().zip(&self.weights) {
                left += sample * to_left;
                right += sample * to_right;
            }
            match channels {
                Channels::Mono => out.push((left + right) / 2.0),
                Channels::Stereo => out.extend([left, right]),
            }
        }
        out
    }

    /// Scales so that full scale on every channel stays full scale.
    fn normalized(mut self) -> Self {
        let sum = |side: usize| self.weights.iter().map(|weight| weight[side]).sum::<f32>();
        let most = sum(0).max(sum(1)).max(1.0);
        for weight in &mut self.weights {
            weight[0] /= most;
            weight[1] /= most;
        }
        self
    }
}

fn weight(position: Position) -> [f32; 2] {
    match position {
        Position::FRONT_LEFT | Position::FRONT_LEFT_CENTER => [1.0, 0.0],
        Position::FRONT_RIGHT | Position::FRONT_RIGHT_CENTER => [0.0, 1.0],
        Position::FRONT_CENTER => [MINUS_3_DB; 2],
        Position::REAR_LEFT | Position::SIDE_LEFT => [MINUS_3_DB, 0.0],
        Position::REAR_RIGHT | Position::SIDE_RIGHT => [0.0, MINUS_3_DB],
        Position::LFE1 | Position::LFE2 => [0.0; 2],
        _ => [0.5; 2],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_channels_mix_by_itu_coefficients_and_never_clip() {
        let downmix = Downmix::of_count(6);
        let scale = 1.0 / (1.0 + 2.0 * MINUS_3_DB);
        let left = |channel: usize| {
            let mut frame = [0.0; 6];
            frame[channel] = 1.0;
            downmix.mix(&frame, Channels::Stereo)[0] / scale
        };
        // Left, right, centre, low, rear left, rear right.
        let heard: Vec<f32> = (0..6).map(left).collect();
        let known = [1.0, 0.0, MINUS_3_DB, 0.0, MINUS_3_DB, 0.0];
        assert!(
            heard.iter().zip(known).all(|(a, b)| (a - b).abs() < 1e-6),
            "{heard:?}"
        );
        let full = downmix.mix(&[1.0; 6], Channels::Stereo);
        assert!(full.iter().all(|sample| (sample - 1.0).abs() < 1e-6));
    }

    #[test]
    fn mono_and_stereo_change_into_each_other() {
        assert_eq!(
            Downmix::of_count(1).mix(&[0.5], Channels::Stereo),
            [0.5, 0.5]
        );
        assert_eq!(Downmix::of_count(2).mix(&[0.5, 0.1], Channels::Mono), [0.3]);
        assert_eq!(Downmix::of_count(1).natural_channels(), Channels::Mono);
    }
}
