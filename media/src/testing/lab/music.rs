//! What the laboratory plays.

use std::sync::OnceLock;

use crate::SAMPLE_RATE;
use crate::encoder::{self, Frame};
use crate::packetizer::Packetizer;
use crate::synth::Synth;

/// How long music lasts until it repeats.
const MUSIC_S: usize = 20;

/// The music's packets, made once for each frame length; the codec's delay in samples.
#[derive(Debug)]
pub struct Music {
    /// One after another; it repeats.
    pub packets: Vec<Vec<u8>>,
    /// Samples per packet.
    pub samples: u64,
    /// How many samples after its packet's beginning a sample pushed with it sounds.
    pub lookahead: u64,
}

impl Music {
    /// 20 s of generated music at 128 kb/s in stereo.
    #[must_use]
    pub fn new(frame: Frame) -> Self {
        let config = encoder::Config {
            frame,
            bitrate: 128_000,
            complexity: 5,
            ..encoder::Config::default()
        };
        let mut packetizer = Packetizer::new(config, 0, 0).expect("valid");
        let lookahead = packetizer.position();
        let mut packets = Vec::new();
        let mut synth = Synth::new(7);
        let mut sound = vec![0.0; SAMPLE_RATE as usize * 2];
        // Past the fade-in.
        (0..4).for_each(|_| synth.fill(&mut sound));
        for _ in 0..MUSIC_S {
            synth.fill(&mut sound);
            packetizer
                .push(&sound, |packet| packets.push(packet.payload))
                .expect("encodes");
        }
        Self {
            packets,
            samples: frame.samples() as u64,
            lookahead,
        }
    }

    /// The music in packets of 20 ms, made at the first call.
    pub fn usual() -> &'static Self {
        static MUSIC: OnceLock<Music> = OnceLock::new();
        MUSIC.get_or_init(|| Self::new(Frame::Ms20))
    }

    pub(super) fn packets_per_second(&self) -> usize {
        SAMPLE_RATE as usize / self.samples as usize
    }

    pub(super) fn packet(&self, sequence: u64) -> &[u8] {
        &self.packets[(sequence % self.packets.len() as u64) as usize]
    }
}
