//! The source's packets as sound on the media time, decoded once for all renditions.

use super::Stats;
use crate::Packet;
use crate::decoder::Decoder;
use crate::reorder::{Next, Reorder};
use crate::toc::{self, Toc};

/// A hole up to this many samples (a second) is concealed, a longer one is jumped over.
const CONCEAL_MAX: u64 = 48_000;

/// Sound concealed at once, in samples.
const CONCEAL_PIECE: usize = 960;

/// Largest sequence and timestamp taken, that of a QUIC varint.
const NUMBER_MAX: u64 = (1 << 62) - 1;

/// A piece of sound.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'a> {
    /// Media time of its first sample.
    pub(super) timestamp: u64,
    /// Whether it does not follow from the piece before.
    pub(super) begins: bool,
    /// Interleaved stereo.
    pub(super) sound: &'a [f32],
}

#[derive(Debug)]
pub(super) struct Decoding {
    reorder: Reorder,
    decoder: Decoder,
    /// Media time of the next sample to be decoded.
    next: Option<u64>,
    scratch: Box<[f32]>,
    pub(super) stats: Stats,
}

impl Decoding {
    pub(super) fn new() -> Self {
        Self {
            reorder: Reorder::default(),
            decoder: Decoder::new(),
            next: None,
            scratch: vec![0.0; toc::SAMPLES_MAX as usize * 2].into_boxed_slice(),
            stats: Stats::default(),
        }
    }

    /// Takes a packet and hands out the sound that became ready.
    pub(super) fn handle_packet(
        &mut self,
        packet: &Packet<'_>,
        mut emit: impl FnMut(Piece<'_>),
    ) -> Result<(), toc::Error> {
        let toc = Toc::parse(packet.payload).inspect_err(|_| self.stats.rejected += 1)?;
        let numbers = packet.sequence.max(packet.timestamp);
        if numbers > NUMBER_MAX || !self.reorder.insert(packet, toc.samples()) {
            self.stats.rejected += 1;
            return Ok(());
        }
        self.stats.packets += 1;
        while let Some(next) = self.reorder.poll() {
            self.take(&next, &mut emit);
        }
        Ok(())
    }

    fn take(&mut self, next: &Next, emit: &mut impl FnMut(Piece<'_>)) {
        self.stats.lost += next.lost;
        let gap = self.next.and_then(|at| next.timestamp.checked_sub(at));
        let begins = match gap {
            Some(gap) if gap <= CONCEAL_MAX => {
                self.conceal(next.timestamp - gap, gap as usize, emit);
                false
            }
            // An unfinished frame of the stretch before is dropped.
            _ => {
                self.stats.jumps += u64::from(self.next.is_some());
                true
            }
        };
        let samples = next.samples as usize;
        let sound = &mut self.scratch[..samples * 2];
        if self.decoder.decode(&next.payload, sound).is_err() {
            self.stats.rejected += 1;
            self.stats.concealed_samples += u64::from(next.samples);
            self.decoder.conceal(sound);
        }
        self.next = Some(next.timestamp + u64::from(next.samples));
        emit(Piece {
            timestamp: next.timestamp,
            begins,
            sound,
        });
    }

    fn conceal(&mut self, mut timestamp: u64, mut left: usize, emit: &mut impl FnMut(Piece<'_>)) {
        self.stats.concealed_samples += left as u64;
        while left > 0 {
            let step = left.min(CONCEAL_PIECE);
            let sound = &mut self.scratch[..step * 2];
            self.decoder.conceal(sound);
            emit(Piece {
                timestamp,
                begins: false,
                sound,
            });
            timestamp += step as u64;
            left -= step;
        }
    }
}
