//! Echo and reverberation: two delay lines that feed each other, darkened at every turn.

use crate::SAMPLE_RATE;

/// Seconds between repeats, left and right; not in a simple ratio, so they never line up.
const LEFT_S: f32 = 0.331;
const RIGHT_S: f32 = 0.443;

/// Short diffusers in front make single repeats soft.
const DIFFUSE: [(usize, usize); 2] = [(1051, 1123), (337, 391)];

#[derive(Debug)]
pub(super) struct Echo {
    left: Line,
    right: Line,
    diffusers: [[AllPass; 2]; 2],
    dark: [f32; 2],
}

impl Echo {
    pub(super) fn new() -> Self {
        let line = |seconds: f32| Line::new((seconds * SAMPLE_RATE as f32) as usize);
        Self {
            left: line(LEFT_S),
            right: line(RIGHT_S),
            diffusers: DIFFUSE.map(|(a, b)| [AllPass::new(a), AllPass::new(b)]),
            dark: [0.0; 2],
        }
    }

    /// What comes back of everything sent so far.
    pub(super) fn process(&mut self, mut send: [f32; 2]) -> [f32; 2] {
        for pair in &mut self.diffusers {
            send = [pair[0].process(send[0]), pair[1].process(send[1])];
        }
        let back = [self.left.read(), self.right.read()];
        for (dark, back) in self.dark.iter_mut().zip(back) {
            // A one-pole low-pass at about 2.4 kHz.
            *dark += (back - *dark) * 0.27;
        }
        self.left.write(send[0] + self.dark[1] * 0.42);
        self.right.write(send[1] + self.dark[0] * 0.42);
        self.dark
    }
}

#[derive(Debug)]
struct Line {
    samples: Box<[f32]>,
    at: usize,
}

impl Line {
    fn new(length: usize) -> Self {
        Self {
            samples: vec![0.0; length].into_boxed_slice(),
            at: 0,
        }
    }

    fn read(&self) -> f32 {
        self.samples[self.at]
    }

    fn write(&mut self, value: f32) {
        self.samples[self.at] = value;
        self.at = (self.at + 1) % self.samples.len();
    }
}

#[derive(Debug)]
struct AllPass(Line);

impl AllPass {
    fn new(length: usize) -> Self {
        Self(Line::new(length))
    }

    fn process(&mut self, input: f32) -> f32 {
        let delayed = self.0.read();
        let inner = input - delayed * 0.6;
        self.0.write(inner);
        delayed + inner * 0.6
    }
}
