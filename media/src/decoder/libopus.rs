//! libopus behind the decoder's face.

use std::fmt;

pub(super) struct Libopus(opus::Decoder);

impl Libopus {
    pub(super) fn new() -> Self {
        let decoder = opus::Decoder::new(crate::SAMPLE_RATE, opus::Channels::Stereo)
            .expect("48 kHz stereo is always supported");
        Self(decoder)
    }

    pub(super) fn decode(&mut self, packet: &[u8], out: &mut [f32]) -> Option<usize> {
        self.0.decode_float(packet, out, false).ok()
    }

    pub(super) fn conceal(&mut self, out: &mut [f32]) -> Option<usize> {
        self.0.decode_float(&[], out, false).ok()
    }

    pub(super) fn reset(&mut self) {
        // Only an invalid state pointer makes it fail.
        let _ = self.0.reset_state();
    }
}

impl fmt::Debug for Libopus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Libopus")
    }
}
