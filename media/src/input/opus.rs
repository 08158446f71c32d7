//! Ogg Opus: our demuxer and libopus.

use std::fmt;
use std::io::{ErrorKind, Read};

use super::downmix::Downmix;
use super::source::Source;
use super::{Error, Step, Tags};
use crate::SAMPLE_RATE;
use crate::decoder::Decoder;
use crate::ogg::{Demuxer, Event, Head};
use crate::toc::{SAMPLES_MAX, Toc};

/// Bytes read at once.
const READ_BYTES: usize = 8192;

/// Samples decoded and dropped at the beginning, for the decoder to converge, are what the
/// header names; more than this is not believed.
const PRE_SKIP_MAX: u16 = 48_000;

pub(super) struct OpusFile {
    source: Source,
    demuxer: Demuxer,
    stream: Option<Stream>,
    bytes: Box<[u8]>,
    out: Box<[f32]>,
    at_end: bool,
}

/// One of the chained streams.
struct Stream {
    decoder: Decoder,
    head: Head,
    /// Samples still to drop.
    skip: usize,
    /// Samples decoded, the pre-skip included.
    decoded: u64,
    /// Whether a page has told where on the stream's own count we are.
    counted: bool,
    /// The last packet's sound, kept back: the end of the stream may cut it.
    kept: Vec<f32>,
}

impl OpusFile {
    pub(super) fn new(source: Source) -> Self {
        Self {
            source,
            demuxer: Demuxer::new(),
            stream: None,
            bytes: vec![0; READ_BYTES].into_boxed_slice(),
            out: vec![0.0; SAMPLES_MAX as usize * 2].into_boxed_slice(),
            at_end: false,
        }
    }

    pub(super) fn step(&mut self) -> Result<Step, Error> {
        loop {
            while let Some(event) = self.demuxer.poll() {
                if let Some(step) = self.handle(event)? {
                    return Ok(step);
                }
            }
            if self.at_end {
                // Cut short: what was kept back is whole.
                return Ok(match self.stream.take().map(|stream| stream.finish(None)) {
                    Some(Some(step)) => step,
                    _ => Step::End,
                });
            }
            self.read()?;
        }
    }

    fn read(&mut self) -> Result<(), Error> {
        let count = loop {
            match self.source.read(&mut self.bytes) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.at_end = count == 0;
        self.demuxer
            .push(&self.bytes[..count])
            .map_err(|error| Error::Unsupported(error.to_string()))
    }

    fn handle(&mut self, event: Event) -> Result<Option<Step>, Error> {
        match event {
            Event::Head(head) => {
                let before = self.stream.replace(Stream::new(head)?);
                Ok(before.and_then(|stream| stream.finish(None)))
            }
            Event::Tags(tags) => Ok(Some(Step::Tags(Tags {
                title: tags.first("title").map(str::to_owned),
                artist: tags.first("artist").map(str::to_owned),
                album: tags.first("album").map(str::to_owned),
            }))),
            Event::Packet { data, granule } => {
                let stream = self.stream.as_mut();
                Ok(stream.and_then(|stream| stream.decode(&data, granule, &mut self.out)))
            }
            Event::Gap => Ok(Some(Step::Corrupt)),
            Event::End { granule } => {
                Ok(self.stream.take().and_then(|stream| stream.finish(granule)))
            }
            Event::Foreign => Ok(None),
        }
    }
}

impl Stream {
    fn new(head: Head) -> Result<Self, Error> {
        if head.mapping_family != 0 {
            let channels = head.channels;
            let message = format!("Ogg Opus with {channels} channels in a mapping");
            return Err(Error::Unsupported(message));
        }
        Ok(Self {
            decoder: Decoder::new(),
            head,
            skip: usize::from(head.pre_skip.min(PRE_SKIP_MAX)),
            decoded: 0,
            counted: false,
            kept: Vec::new(),
        })
    }

    /// Decodes a packet; answers the sound of the one before.
    fn decode(&mut self, data: &[u8], granule: Option<u64>, out: &mut [f32]) -> Option<Step> {
        let (samples, corrupt) = match self.decoder.decode(data, out) {
            Ok(samples) => (samples, false),
            Err(_) => {
                let samples = Toc::parse(data).map_or(960, |toc| toc.samples() as usize);
                self.decoder.conceal(&mut out[..samples * 2]);
                (samples, true)
            }
        };
        self.decoded += samples as u64;
        // A stream cut out of a longer one begins amid its count.
        if let Some(granule) = granule
            && !std::mem::replace(&mut self.counted, true)
        {
            self.decoded = self.decoded.max(granule);
        }
        let before = std::mem::take(&mut self.kept);
        let skipped = self.skip.min(samples);
        self.skip -= skipped;
        self.append(&out[skipped * 2..samples * 2]);
        self.block(before, corrupt)
    }

    /// Keeps the head's channels: the decoder's two sides are alike for one.
    fn append(&mut self, sound: &[f32]) {
        let gain = 10f32.powf(f32::from(self.head.output_gain) / 256.0 / 20.0);
        if self.head.channels == 1 {
            let left = sound.chunks_exact(2).map(|pair| pair[0] * gain);
            self.kept.extend(left);
        } else {
            self.kept.extend(sound.iter().map(|value| value * gain));
        }
    }

    fn block(&self, samples: Vec<f32>, corrupt: bool) -> Option<Step> {
        (!samples.is_empty()).then(|| Step::Block {
            rate: SAMPLE_RATE,
            downmix: Downmix::of_count(usize::from(self.head.channels)),
            samples,
            corrupt,
        })
    }

    /// The last packet's sound, cut where the stream says it ends.
    fn finish(mut self, granule: Option<u64>) -> Option<Step> {
        if let Some(granule) = granule {
            let over = self.decoded.saturating_sub(granule) as usize;
            let over = over.saturating_mul(usize::from(self.head.channels));
            let length = self.kept.len().saturating_sub(over);
            self.kept.truncate(length);
        }
        let kept = std::mem::take(&mut self.kept);
        self.block(kept, false)
    }
}

impl fmt::Debug for OpusFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpusFile").finish_non_exhaustive()
    }
}
