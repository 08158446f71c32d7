//! ropus behind the decoder's face.

use std::fmt;

use ropus::OpusDecoder;

use crate::toc;

/// ropus decodes in fixed point; its float entry allocates per call, the integer one does
/// not, so we convert ourselves.
pub(super) struct Pure {
    decoder: OpusDecoder,
    scratch: Box<[i16]>,
}

impl Pure {
    pub(super) fn new() -> Self {
        Self {
            decoder: OpusDecoder::new(crate::SAMPLE_RATE as i32, 2)
                .expect("48 kHz stereo is always supported"),
            scratch: vec![0; toc::SAMPLES_MAX as usize * 2].into_boxed_slice(),
        }
    }

    pub(super) fn decode(&mut self, packet: &[u8], out: &mut [f32]) -> Option<usize> {
        self.run(Some(packet), out)
    }

    pub(super) fn conceal(&mut self, out: &mut [f32]) -> Option<usize> {
        self.run(None, out)
    }

    pub(super) fn reset(&mut self) {
        self.decoder.reset();
    }

    fn run(&mut self, packet: Option<&[u8]>, out: &mut [f32]) -> Option<usize> {
        let scratch = &mut self.scratch[..out.len()];
        let room = (out.len() / 2) as i32;
        let count = self.decoder.decode(packet, scratch, room, false).ok()?;
        for (to, &from) in out.iter_mut().zip(scratch.iter()) {
            *to = f32::from(from) * (1.0 / 32768.0);
        }
        usize::try_from(count).ok()
    }
}

impl fmt::Debug for Pure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pure")
    }
}
