//! Makes one unbroken sound of decoded packets, concealment and silence.

use super::pcm::{Pcm, Source};
use super::stretch::{self, Stretcher};
use crate::decoder::{self, CONCEAL_STEP, Decoder};
use crate::toc::{self, Toc};

/// Concealment is at full level for 40 ms, then fades to nothing at 120 ms.
const FADE_FROM: usize = 1920;
const FADE_TO: usize = 5760;

/// Sound returns from a fade within 5 ms.
const RISE: usize = 240;

/// Length of a cross-fade at a splice, and of a fade-out: 10 ms.
const SPLICE: usize = 480;

/// Decoded sound in a row that stretching asks for, in samples: 40 ms.
const WHOLE: usize = 1920;

/// Length of the cross-fade to what is repeated lest sound run out, in samples: 1 to 2.5 ms,
/// as between packets.
pub(super) const SEAM_MIN: usize = 48;
const SEAM_MAX: usize = 120;

/// How alike that has to be: the alternative is concealment, which finds no more.
const EKE_LIKENESS: f32 = 0.1;

/// The longest packet, and what is held or added to stretch.
const SCRATCH: usize = toc::SAMPLES_MAX as usize + stretch::ENOUGH + stretch::LAG_MAX;

#[derive(Debug)]
pub(super) struct Voice {
    decoder: Decoder,
    pub(super) pcm: Pcm,
    scratch: Box<[f32]>,
    /// Decoded samples in `scratch` that wait for more to be stretched together.
    held: usize,
    stretcher: Stretcher,
    /// What would have come at the last splice, to be faded out over what does come.
    tail: Box<[f32]>,
    /// Samples of `tail` used up; [`SPLICE`] when there is none.
    tail_used: usize,
    gain: f32,
    /// Samples concealed in a row.
    run: usize,
    /// Samples decoded in a row since.
    whole: usize,
}

impl Voice {
    pub(super) fn new(decoder: Decoder, output_rate: u32) -> Self {
        Self {
            decoder,
            pcm: Pcm::new(output_rate),
            scratch: vec![0.0; SCRATCH * 2].into_boxed_slice(),
            held: 0,
            stretcher: Stretcher::new(SCRATCH),
            tail: vec![0.0; SPLICE * 2].into_boxed_slice(),
            tail_used: SPLICE,
            gain: 0.0,
            run: 0,
            whole: 0,
        }
    }

    /// Samples decoded and held back.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Decodes a packet that ends at `end` behind what is held, but for its first `passed`
    /// samples; [`Self::release`] makes it heard. On an error all of it is heard, with
    /// concealment in the packet's place.
    pub(super) fn play(
        &mut self,
        payload: &[u8],
        passed: usize,
        end: u64,
    ) -> Result<(), decoder::Error> {
        let at = self.held * 2;
        match self.decoder.decode(payload, &mut self.scratch[at..]) {
            Ok(count) => {
                let sound = &mut self.scratch[at..at + count * 2];
                tame(sound);
                let passed = passed.min(count);
                sound.copy_within(passed * 2.., 0);
                self.held += count - passed;
                Ok(())
            }
            Err(error) => {
                let samples = Toc::parse(payload).map_or(0, |toc| toc.samples() as usize);
                let left = samples.saturating_sub(passed);
                let begins = end.saturating_sub(left as u64);
                self.release(begins, 0, 1.0);
                self.conceal(left, Source::Running(begins));
                Err(error)
            }
        }
    }

    /// Makes what is held heard, the end of which is `end` in media time. Where it is alike by
    /// `likeness` it is made shorter (or longer, below 0) by at most `wish` samples; answers
    /// by how many.
    pub(super) fn release(&mut self, end: u64, wish: i64, likeness: f32) -> i64 {
        let count = std::mem::take(&mut self.held);
        if count == 0 {
            return 0;
        }
        let from = end.saturating_sub(count as u64);
        let plain = self.is_plain();
        self.whole += count;
        self.run = 0;
        self.ramp(count, 1.0, RISE);
        self.cross_fade(count);
        let most = wish.unsigned_abs() as usize;
        let done = if !plain || wish == 0 {
            0
        } else if wish > 0 {
            let sound = &mut self.scratch[..count * 2];
            -(self.stretcher.shorten(sound, most, likeness) as i64)
        } else {
            let sound = &mut self.scratch;
            self.stretcher.lengthen(sound, count, most, likeness) as i64
        };
        // Where the seam lies in what is heard, and where media time goes on behind it.
        let (seam, heard) = match done {
            0 => (0, count),
            ..0 => (Stretcher::seam(), count - done.unsigned_abs() as usize),
            1.. => (done as usize, count + done as usize),
        };
        let first = if done > 0 {
            Source::Held(from)
        } else {
            Source::Running(from)
        };
        let (front, back) = self.scratch[..heard * 2].split_at(seam * 2);
        if seam > 0 {
            self.pcm.append(front, first);
        }
        let resumed = end - (heard - seam) as u64;
        self.pcm.append(back, Source::Running(resumed));
        self.stretcher.heard(&self.scratch[..heard * 2]);
        -done
    }

    /// Makes what waits to be heard longer by repeating up to 15 ms of its end, while the
    /// stream stands still at `at`. Answers by how many samples, 0 where nothing fits at all.
    pub(super) fn eke_out(&mut self, at: u64) -> usize {
        let seam = self.pcm.untouched().min(SEAM_MAX);
        if !self.is_plain() || self.held > 0 || seam < SEAM_MIN {
            return 0;
        }
        let Some(again) = self.stretcher.again(seam, EKE_LIKENESS) else {
            return 0;
        };
        let (joint, rest) = again.split_at(seam * 2);
        for (n, sample) in self.pcm.tail_mut(seam).iter_mut().enumerate() {
            *sample += (joint[n] - *sample) * stretch::rise(n / 2, seam);
        }
        self.pcm.append(rest, Source::Held(at));
        let added = rest.len() / 2;
        let scratch = &mut self.scratch[..added * 2];
        scratch.copy_from_slice(rest);
        self.stretcher.heard(scratch);
        added
    }

    /// Whether decoded sound is heard as it is, and was for a while: neither concealment is
    /// made longer, nor fades.
    fn is_plain(&self) -> bool {
        self.whole >= WHOLE && self.gain == 1.0 && self.tail_used == SPLICE
    }

    /// Appends `samples` (a multiple of 120, at most 120 ms) of made-up sound.
    pub(super) fn conceal(&mut self, samples: usize, source: Source) {
        let samples = samples.min(toc::SAMPLES_MAX as usize);
        if self.is_faded() {
            self.scratch[..samples * 2].fill(0.0);
        } else {
            self.decoder.conceal(&mut self.scratch[..samples * 2]);
            tame(&mut self.scratch[..samples * 2]);
            let full = FADE_FROM.saturating_sub(self.run).min(samples);
            let gain_before = self.gain;
            self.scale(0..full, gain_before, gain_before);
            let left = (FADE_TO.saturating_sub(self.run + samples)) as f32;
            let after = gain_before.min(left / (FADE_TO - FADE_FROM) as f32);
            self.scale(full..samples, gain_before, after);
            self.gain = if full == samples { gain_before } else { after };
        }
        self.run += samples;
        self.whole = 0;
        self.cross_fade(samples);
        self.pcm.append(&self.scratch[..samples * 2], source);
        self.stretcher.heard(&self.scratch[..samples * 2]);
    }

    /// Whether concealment has come to its end and only silence follows.
    pub(super) fn is_faded(&self) -> bool {
        self.run >= FADE_TO
    }

    /// Appends silence; what was sounding before has to be faded out already.
    pub(super) fn silence(&mut self, samples: usize) {
        self.gain = 0.0;
        self.whole = 0;
        self.scratch[..samples * 2].fill(0.0);
        self.pcm
            .append(&self.scratch[..samples * 2], Source::Silence);
    }

    /// The next sound is from elsewhere in the stream: it will be cross-faded with the
    /// continuation of this one.
    pub(super) fn splice(&mut self) {
        if self.gain == 0.0 {
            return;
        }
        self.decoder.conceal(&mut self.tail);
        tame(&mut self.tail);
        for sample in &mut self.tail {
            *sample *= self.gain;
        }
        self.tail_used = 0;
    }

    /// Ends the sound softly, and forgets the stream.
    pub(super) fn stop(&mut self) {
        if self.gain > 0.0 && !self.is_faded() {
            let sound = &mut self.scratch[..SPLICE * 2];
            self.decoder.conceal(sound);
            tame(sound);
            let gain = self.gain;
            self.scale(0..SPLICE, gain, 0.0);
            self.pcm
                .append(&self.scratch[..SPLICE * 2], Source::Silence);
        }
        self.gain = 0.0;
        self.run = 0;
        self.tail_used = SPLICE;
        self.decoder.reset();
    }

    /// Brings the gain to `to` within `over` samples, along the first `count` of scratch.
    fn ramp(&mut self, count: usize, to: f32, over: usize) {
        if self.gain == to {
            return;
        }
        let slope = 1.0 / over as f32;
        let length = (((to - self.gain).abs() * over as f32).ceil() as usize).min(count);
        let reached = self.gain + (to - self.gain).signum() * slope * length as f32;
        let reached = reached.clamp(0.0, 1.0);
        let gain = self.gain;
        self.scale(0..length, gain, reached);
        self.scale(length..count, reached, reached);
        self.gain = reached;
    }

    fn scale(&mut self, range: std::ops::Range<usize>, from: f32, to: f32) {
        if from == 1.0 && to == 1.0 {
            return;
        }
        let slope = (to - from) / range.len().max(1) as f32;
        let frames = self.scratch[range.start * 2..range.end * 2].chunks_exact_mut(2);
        for (n, frame) in frames.enumerate() {
            let gain = from + slope * n as f32;
            frame[0] *= gain;
            frame[1] *= gain;
        }
    }

    fn cross_fade(&mut self, count: usize) {
        let length = (SPLICE - self.tail_used).min(count);
        let old = self.tail[self.tail_used * 2..].chunks_exact(2);
        let new = self.scratch[..length * 2].chunks_exact_mut(2);
        for (n, (new, old)) in new.zip(old).enumerate() {
            let share = (self.tail_used + n) as f32 / SPLICE as f32;
            // Equal power: the two are from different places and do not correlate.
            let (rise, fall) = (share * std::f32::consts::FRAC_PI_2).sin_cos();
            new[0] = new[0] * rise + old[0] * fall;
            new[1] = new[1] * rise + old[1] * fall;
        }
        self.tail_used += length;
    }
}

/// A corrupt packet can decode to anything, up to thousands of times full scale.
fn tame(samples: &mut [f32]) {
    for sample in samples {
        *sample = if sample.is_nan() {
            0.0
        } else {
            sample.clamp(-1.0, 1.0)
        };
    }
}

const _: () = assert!(SPLICE.is_multiple_of(CONCEAL_STEP) && FADE_TO.is_multiple_of(CONCEAL_STEP));
