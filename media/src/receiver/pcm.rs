//! Decoded sound on its way out: a short queue that knows the media time of its samples and
//! reads itself at any rate.

use super::interpolator::Interpolator;
use crate::SAMPLE_RATE;

/// Samples the queue holds at most; beyond it the oldest go. 120 ms decoded at once, what
/// the interpolator keeps, and concealment.
const CAPACITY: usize = 16_384;

/// Changes of the timeline remembered for samples still queued.
const MARKS: usize = 16;

/// What the samples from a point on are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Nothing of the stream.
    Silence,
    /// The stream, from this media time on.
    Running(u64),
    /// Filling in, while the stream stands still at this media time.
    Held(u64),
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    index: u64,
    source: Source,
}

#[derive(Debug)]
pub(super) struct Pcm {
    interpolator: Interpolator,
    /// Input samples per output sample at normal speed.
    step: f64,
    /// Interleaved stereo.
    samples: Vec<f32>,
    /// Number since the beginning of the first sample in `samples`.
    first: u64,
    /// Number of the sample at or before the position read next.
    index: u64,
    /// How far behind `index` the position lies, 0 to 1.
    fraction: f64,
    marks: [Mark; MARKS],
    marks_len: usize,
}

impl Pcm {
    pub(super) fn new(output_rate: u32) -> Self {
        let interpolator = Interpolator::new(output_rate);
        let before = interpolator.before();
        let mut samples = Vec::with_capacity(CAPACITY * 2);
        samples.resize(before * 2, 0.0);
        let silence = Mark {
            index: 0,
            source: Source::Silence,
        };
        Self {
            interpolator,
            step: f64::from(SAMPLE_RATE) / f64::from(output_rate),
            samples,
            first: 0,
            index: before as u64,
            fraction: 0.0,
            marks: [silence; MARKS],
            marks_len: 1,
        }
    }

    /// Samples not read yet.
    pub(super) fn pending(&self) -> usize {
        (self.end() - self.index) as usize
    }

    /// Samples of which nothing was read yet, not even by the interpolator.
    pub(super) fn untouched(&self) -> usize {
        self.pending().saturating_sub(self.interpolator.after() + 1)
    }

    /// The last `samples` of the queue, interleaved stereo.
    pub(super) fn tail_mut(&mut self, samples: usize) -> &mut [f32] {
        let from = self.samples.len().saturating_sub(samples * 2);
        &mut self.samples[from..]
    }

    /// Media time of the sample read next; `None` in silence.
    pub(super) fn position(&self) -> Option<u64> {
        let marks = &self.marks[..self.marks_len];
        let mark = marks.iter().rev().find(|mark| mark.index <= self.index)?;
        match mark.source {
            Source::Silence => None,
            Source::Running(timestamp) => Some(timestamp + (self.index - mark.index)),
            Source::Held(timestamp) => Some(timestamp),
        }
    }

    /// Appends interleaved stereo that is `source`.
    pub(super) fn append(&mut self, samples: &[f32], source: Source) {
        self.make_room(samples.len() / 2);
        if self.changes(source) {
            self.mark(source);
        }
        self.samples.extend_from_slice(samples);
    }

    /// Reads at `speed` (1 is normal) into `out`, interleaved stereo, as long as there are
    /// samples; answers how many samples per channel it wrote.
    pub(super) fn read(&mut self, out: &mut [f32], speed: f64) -> usize {
        let step = self.step * speed;
        let taps = self.interpolator.before() + 1 + self.interpolator.after();
        let mut written = 0;
        for frame in out.chunks_exact_mut(2) {
            let start = (self.index - self.first) as usize - self.interpolator.before();
            if (start + taps) * 2 > self.samples.len() {
                break;
            }
            if self.fraction == 0.0 {
                let at = (start + self.interpolator.before()) * 2;
                frame.copy_from_slice(&self.samples[at..at + 2]);
            } else {
                let window = &self.samples[start * 2..(start + taps) * 2];
                frame.copy_from_slice(&self.interpolator.at(window, self.fraction));
            }
            let position = self.fraction + step;
            self.index += position as u64;
            self.fraction = position.fract();
            written += 1;
        }
        written
    }

    /// Drops what was read and no longer serves the interpolator.
    pub(super) fn compact(&mut self) {
        let keep_from = self.index - self.interpolator.before() as u64;
        let drop = ((keep_from - self.first) as usize).min(self.samples.len() / 2);
        self.samples.copy_within(drop * 2.., 0);
        self.samples.truncate(self.samples.len() - drop * 2);
        self.first += drop as u64;
        let passed = self.marks[1..self.marks_len]
            .iter()
            .take_while(|mark| mark.index <= self.index)
            .count();
        self.marks.copy_within(passed..self.marks_len, 0);
        self.marks_len -= passed;
    }

    fn end(&self) -> u64 {
        self.first + (self.samples.len() / 2) as u64
    }

    fn make_room(&mut self, count: usize) {
        if self.samples.len() / 2 + count <= CAPACITY {
            return;
        }
        self.compact();
        let over = (self.samples.len() / 2 + count).saturating_sub(CAPACITY);
        if over > 0 {
            self.index += over as u64;
            self.compact();
        }
    }

    /// Whether `source` is not just the continuation of what was appended last.
    fn changes(&self, source: Source) -> bool {
        let last = self.marks[self.marks_len - 1];
        match (last.source, source) {
            (Source::Running(was), Source::Running(is)) => was + (self.end() - last.index) != is,
            (was, is) => was != is,
        }
    }

    fn mark(&mut self, source: Source) {
        if self.marks_len == MARKS {
            self.marks.copy_within(1.., 0);
            self.marks_len -= 1;
        }
        self.marks[self.marks_len] = Mark {
            index: self.end(),
            source,
        };
        self.marks_len += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_pass_bit_exact_at_normal_speed() {
        let mut pcm = Pcm::new(48_000);
        let input: Vec<f32> = (0..2000).map(|n| n as f32 / 2000.0).collect();
        pcm.append(&input, Source::Running(0));
        let mut out = vec![0.0; 1200];
        assert_eq!(pcm.read(&mut out, 1.0), 600);
        assert_eq!(out, input[..1200]);
    }

    #[test]
    fn the_position_follows_every_kind_of_source() {
        let mut pcm = Pcm::new(48_000);
        pcm.append(&[0.0; 200], Source::Silence);
        pcm.append(&[0.0; 200], Source::Running(5000));
        pcm.append(&[0.0; 200], Source::Held(5100));
        pcm.append(&[0.0; 400], Source::Running(5100));
        let mut out = [0.0; 100];
        let mut seen = Vec::new();
        while pcm.read(&mut out, 1.0) == 50 {
            pcm.compact();
            seen.push(pcm.position());
        }
        let known = [
            None,
            Some(5000),
            Some(5050),
            Some(5100),
            Some(5100),
            Some(5100),
            Some(5150),
        ];
        assert_eq!(seen[..7], known);
    }

    #[test]
    fn the_queue_is_bounded_and_drops_the_oldest() {
        let mut pcm = Pcm::new(48_000);
        for n in 0..100 {
            pcm.append(&[0.5; 5760 * 2], Source::Running(n * 5760));
        }
        assert!(pcm.pending() <= CAPACITY);
        let capacity = pcm.samples.capacity();
        assert_eq!(capacity, CAPACITY * 2, "never reallocated");
        let newest = 100 * 5760 - pcm.pending() as u64;
        assert_eq!(pcm.position(), Some(newest));
    }
}
