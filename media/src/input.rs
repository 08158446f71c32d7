//! Audio files and streams to sound at 48 kHz.
//!
//! MP3, AAC-LC (ADTS, M4A), ALAC, FLAC, Vorbis and WAV by symphonia, Ogg Opus by our own
//! demuxer and libopus, from a file or from a pipe. The format is found from the bytes.
//!
//! Any rate from 8 to 192 kHz becomes 48 kHz; one channel stays one, more become two by the
//! coefficients of ITU-R BS.775, scaled so that they cannot clip; the low-frequency channel
//! is left out. Chained Ogg streams play on, whatever rate and channels the next one has. A
//! damaged packet becomes silence of its length; a file that is cut short ends where it ends.

mod downmix;
mod opus;
mod resample;
pub(crate) mod source;
pub(crate) mod stock;

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use downmix::Downmix;
use opus::OpusFile;
use resample::Resample;
use source::Source;
use stock::Stock;

use crate::encoder::Channels;

/// What a file says about the sound. Texts are as they were written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags {
    /// The track's title.
    pub title: Option<String>,
    /// Who performs it.
    pub artist: Option<String>,
    /// The album it is from.
    pub album: Option<String>,
}

/// What an input yields, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Interleaved sound at 48 kHz with [`Input::channels`] channels; never empty, at most
    /// a few thousand samples.
    Sound(Vec<f32>),
    /// Tags that hold from here on.
    Tags {
        /// Number of the sample (per channel, at 48 kHz, from 0) from which they hold; may
        /// lie a few milliseconds beyond the sound yielded so far.
        position: u64,
        /// The tags.
        tags: Tags,
    },
}

/// Why an input cannot be read, or not on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file could not be opened, or reading failed.
    #[error("reading the audio failed: {0}")]
    Read(#[from] std::io::Error),
    /// No known audio format.
    #[error("this is no audio of a known format (MP3, AAC, M4A, FLAC, Ogg Vorbis or Opus, WAV)")]
    NotAudio,
    /// An MP4 file whose index comes last, from a pipe.
    #[error(
        "this MP4 file has its index at the end and cannot be read from a pipe: \
         give the file itself, or move the index to the front (\"faststart\")"
    )]
    NeedsSeeking,
    /// A format that is known, with something in it that is not supported.
    #[error("the audio is not supported: {0}")]
    Unsupported(String),
    /// Too much of it is damaged.
    #[error("the audio is damaged: {0}")]
    Damaged(String),
}

/// An audio file or stream being decoded. Reading blocks on its source; use it from a thread
/// that may wait. Holds about a second of sound at most.
#[derive(Debug)]
pub struct Input {
    decoder: Decoder,
    channels: Channels,
    /// For the rate and channels of the last block.
    chain: Option<Chain>,
    /// Samples yielded.
    position: u64,
    /// Events ready to be yielded, two at most.
    queue: VecDeque<Event>,
    ended: bool,
    corrupt: u64,
}

#[derive(Debug)]
enum Decoder {
    Stock(Box<Stock>),
    Opus(Box<OpusFile>),
}

/// What a decoder yields.
#[derive(Debug)]
enum Step {
    /// Interleaved samples.
    Block {
        rate: u32,
        downmix: Downmix,
        samples: Vec<f32>,
        /// Whether a packet that could not be decoded was replaced by silence.
        corrupt: bool,
    },
    Tags(Tags),
    /// A packet that could not be decoded and whose length is not known.
    Corrupt,
    End,
}

#[derive(Debug)]
struct Chain {
    rate: u32,
    downmix: Downmix,
    resample: Resample,
}

impl Input {
    /// Opens a file.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let extension = path.extension().and_then(|extension| extension.to_str());
        Self::begin(Source::file(File::open(path)?)?, extension)
    }

    /// Reads from a pipe, a socket or anything else that cannot seek. `extension` ("mp3")
    /// helps to find the format and may be left out.
    pub fn from_reader(
        reader: Box<dyn Read + Send>,
        extension: Option<&str>,
    ) -> Result<Self, Error> {
        Self::begin(Source::pipe(reader)?, extension)
    }

    pub(crate) fn begin(source: Source, extension: Option<&str>) -> Result<Self, Error> {
        if source.is_opus() {
            return Self::with(Decoder::Opus(Box::new(OpusFile::new(source))));
        }
        Self::from_stock(Stock::open(source, extension)?)
    }

    pub(crate) fn from_stock(stock: Stock) -> Result<Self, Error> {
        Self::with(Decoder::Stock(Box::new(stock)))
    }

    fn with(mut decoder: Decoder) -> Result<Self, Error> {
        // The channels are known with the first block; tags before it are kept.
        let mut tags = None;
        let mut corrupt = 0;
        let (rate, downmix, samples) = loop {
            match decoder.step()? {
                Step::Tags(found) => tags = Some(found),
                Step::Corrupt => corrupt += 1,
                Step::End => return Err(Error::NotAudio),
                Step::Block {
                    rate,
                    downmix,
                    samples,
                    ..
                } => break (rate, downmix, samples),
            }
        };
        let mut input = Self {
            decoder,
            channels: downmix.natural_channels(),
            chain: None,
            position: 0,
            queue: VecDeque::new(),
            ended: false,
            corrupt,
        };
        let first = tags.map(|tags| Event::Tags { position: 0, tags });
        input.queue.extend(first);
        input.convert(rate, downmix, &samples)?;
        Ok(input)
    }

    /// Mono or stereo; does not change.
    #[must_use]
    pub fn channels(&self) -> Channels {
        self.channels
    }

    /// Packets that could not be decoded so far.
    #[must_use]
    pub fn corrupt_packets(&self) -> u64 {
        self.corrupt
    }

    /// The next piece; `None` at the end, and after an error.
    pub fn next_event(&mut self) -> Result<Option<Event>, Error> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Ok(Some(event));
            }
            if self.ended {
                return Ok(None);
            }
            if let Err(error) = self.advance() {
                self.ended = true;
                return Err(error);
            }
        }
    }

    fn advance(&mut self) -> Result<(), Error> {
        match self.decoder.step()? {
            Step::Block {
                rate,
                downmix,
                samples,
                corrupt,
            } => {
                self.corrupt += u64::from(corrupt);
                self.convert(rate, downmix, &samples)
            }
            Step::Tags(tags) => {
                let held = self.chain.as_ref().map_or(0, |chain| chain.resample.held());
                let position = self.position + held;
                self.queue.push_back(Event::Tags { position, tags });
                Ok(())
            }
            Step::Corrupt => {
                self.corrupt += 1;
                Ok(())
            }
            Step::End => {
                self.ended = true;
                self.drain()
            }
        }
    }

    /// Mixes and resamples a block; what comes out goes into the queue.
    fn convert(&mut self, rate: u32, downmix: Downmix, samples: &[f32]) -> Result<(), Error> {
        let fits = |chain: &Chain| chain.rate == rate && chain.downmix == downmix;
        if !self.chain.as_ref().is_some_and(fits) {
            self.drain()?;
            let resample = Resample::new(rate, self.channels.count())?;
            self.chain = Some(Chain {
                rate,
                downmix,
                resample,
            });
        }
        let chain = self.chain.as_mut().expect("made above");
        let mixed = chain.downmix.mix(samples, self.channels);
        let sound = chain.resample.push(mixed)?;
        self.yield_sound(sound);
        Ok(())
    }

    /// Gets what the resampler still holds.
    fn drain(&mut self) -> Result<(), Error> {
        if let Some(chain) = self.chain.take() {
            let sound = chain.resample.finish()?;
            self.yield_sound(sound);
        }
        Ok(())
    }

    fn yield_sound(&mut self, sound: Vec<f32>) {
        if !sound.is_empty() {
            self.position += (sound.len() / self.channels.count()) as u64;
            self.queue.push_back(Event::Sound(sound));
        }
    }
}

impl Decoder {
    fn step(&mut self) -> Result<Step, Error> {
        match self {
            Self::Stock(decoder) => decoder.step(),
            Self::Opus(decoder) => decoder.step(),
        }
    }
}

#[cfg(test)]
mod tests;
