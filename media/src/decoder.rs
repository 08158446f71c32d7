//! Opus to stereo samples at 48 kHz, with concealment: one face for libopus and ropus.

#[cfg(feature = "native")]
mod libopus;
#[cfg(feature = "ropus")]
mod pure;

use crate::toc::{self, Toc};

/// Shortest piece a decoder conceals, in samples (2.5 ms); requests are multiples of it.
pub const CONCEAL_STEP: usize = 120;

/// Why a packet was not decoded. The decoder stays usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are no Opus packet.
    #[error(transparent)]
    Malformed(#[from] toc::Error),
    /// The structure is right but the decoder refused the contents.
    #[error("the Opus decoder refused the packet")]
    Refused,
    /// `out` is shorter than the packet's duration.
    #[error("the packet decodes to {0} samples, more than there is room for")]
    NoRoom(usize),
}

/// An Opus decoder that always yields interleaved stereo at 48 kHz; mono is up-mixed.
///
/// Costs about 30 KB and, for 20 ms at 128 kb/s, 50 µs (libopus) or 90 µs (ropus as
/// WebAssembly). With libopus nothing here allocates; ropus takes scratch memory per packet.
#[derive(Debug)]
pub struct Decoder {
    backend: Backend,
}

#[derive(Debug)]
enum Backend {
    #[cfg(feature = "native")]
    Libopus(libopus::Libopus),
    #[cfg(feature = "ropus")]
    Pure(Box<pure::Pure>),
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// The best decoder this build has: libopus with `native`, else ropus.
    #[must_use]
    pub fn new() -> Self {
        #[cfg(feature = "native")]
        let backend = Backend::Libopus(libopus::Libopus::new());
        #[cfg(all(feature = "ropus", not(feature = "native")))]
        let backend = Backend::Pure(Box::new(pure::Pure::new()));
        Self { backend }
    }

    /// The pure-Rust decoder, the one browsers run.
    #[cfg(feature = "ropus")]
    #[must_use]
    pub fn pure() -> Self {
        Self {
            backend: Backend::Pure(Box::new(pure::Pure::new())),
        }
    }

    /// Decodes one packet into `out`, interleaved stereo; answers the samples per channel.
    pub fn decode(&mut self, packet: &[u8], out: &mut [f32]) -> Result<usize, Error> {
        let samples = Toc::parse(packet)?.samples() as usize;
        let out = out.get_mut(..samples * 2).ok_or(Error::NoRoom(samples))?;
        let decoded = match &mut self.backend {
            #[cfg(feature = "native")]
            Backend::Libopus(decoder) => decoder.decode(packet, out),
            #[cfg(feature = "ropus")]
            Backend::Pure(decoder) => decoder.decode(packet, out),
        };
        match decoded {
            Some(count) if count == samples => Ok(samples),
            _ => Err(Error::Refused),
        }
    }

    /// Fills `out` with a plausible continuation of what was decoded last.
    ///
    /// `out` is interleaved stereo; its length in samples is a multiple of [`CONCEAL_STEP`],
    /// anything beyond the last multiple becomes silence. The decoder fades out by itself
    /// over about 100 ms of consecutive calls.
    pub fn conceal(&mut self, out: &mut [f32]) {
        // 20 ms at a time: beyond it the decoders split the request themselves.
        for chunk in out.chunks_mut(960 * 2) {
            let whole = chunk.len() / (CONCEAL_STEP * 2) * CONCEAL_STEP * 2;
            let (head, tail) = chunk.split_at_mut(whole);
            tail.fill(0.0);
            if head.is_empty() {
                continue;
            }
            let done = match &mut self.backend {
                #[cfg(feature = "native")]
                Backend::Libopus(decoder) => decoder.conceal(head),
                #[cfg(feature = "ropus")]
                Backend::Pure(decoder) => decoder.conceal(head),
            };
            if done != Some(whole / 2) {
                head.fill(0.0);
            }
        }
    }

    /// Forgets everything decoded so far.
    pub fn reset(&mut self) {
        match &mut self.backend {
            #[cfg(feature = "native")]
            Backend::Libopus(decoder) => decoder.reset(),
            #[cfg(feature = "ropus")]
            Backend::Pure(decoder) => decoder.reset(),
        }
    }
}

#[cfg(test)]
mod tests;
