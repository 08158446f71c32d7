//! What symphonia decodes.

use std::fmt;
use std::io::ErrorKind;

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known::CODEC_ID_AAC;
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as Symphonia;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::meta::{MetadataOptions, MetadataRevision, StandardTag};
use symphonia::core::packet::Packet;

use super::downmix::Downmix;
use super::source::Source;
use super::{Error, Step, Tags};

/// Damaged packets in a row after which the rest is given up.
const DAMAGED_MAX: u32 = 1000;

/// The highest rate of an HE-AAC stream's core.
const HE_AAC_CORE_RATE_MAX: u32 = 24_000;

/// Longest silence put in the place of a damaged packet: a second.
const SILENCE_S: u64 = 1;

pub(crate) struct Stock {
    format: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    /// Of the last block, for silence in the place of a damaged one.
    last: Option<(u32, Downmix, usize)>,
    damaged: u32,
    /// Tags told last, so that a revision which changes nothing is not told again.
    told: Tags,
}

impl Stock {
    pub(crate) fn open(source: Source, extension: Option<&str>) -> Result<Self, Error> {
        let cannot_seek = source.is_mp4() && !source.is_seekable();
        let stock = Self::of(probe(source, extension)?);
        stock.map_err(|error| {
            if cannot_seek {
                Error::NeedsSeeking
            } else {
                error
            }
        })
    }

    /// Decodes what a reader found.
    pub(crate) fn of(format: Box<dyn FormatReader>) -> Result<Self, Error> {
        let (decoder, track) = open_track(format.as_ref())?;
        Ok(Self {
            format,
            decoder,
            track,
            last: None,
            damaged: 0,
            told: Tags::default(),
        })
    }

    pub(super) fn step(&mut self) -> Result<Step, Error> {
        loop {
            if let Some(tags) = self.new_tags() {
                return Ok(Step::Tags(tags));
            }
            match self.format.next_packet() {
                Ok(None) => return Ok(Step::End),
                Ok(Some(packet)) if packet.track_id != self.track => {}
                Ok(Some(packet)) => return self.decode(&packet),
                Err(Symphonia::ResetRequired) => {
                    // Another chain of an Ogg file: with a decoder of its own.
                    (self.decoder, self.track) = open_track(self.format.as_ref())?;
                }
                Err(error) => return self.failed(error),
            }
        }
    }

    fn decode(&mut self, packet: &Packet) -> Result<Step, Error> {
        match self.decoder.decode(packet) {
            Ok(sound) => {
                self.damaged = 0;
                let downmix = Downmix::of(sound.spec().channels());
                let rate = sound.spec().rate();
                let mut samples = vec![0.0; sound.samples_interleaved()];
                sound.copy_to_slice_interleaved(&mut samples);
                self.last = Some((rate, downmix.clone(), sound.frames()));
                Ok(Step::Block {
                    rate,
                    downmix,
                    samples: finite(samples),
                    corrupt: false,
                })
            }
            Err(Symphonia::ResetRequired) => {
                self.decoder.reset();
                Ok(Step::Corrupt)
            }
            Err(Symphonia::Unsupported(what)) => Err(Error::Unsupported(what.to_owned())),
            Err(_) => {
                self.count_damage()?;
                Ok(self.silence(packet))
            }
        }
    }

    /// A packet that cannot be decoded lasts as long as it says, or as the one before.
    fn silence(&mut self, packet: &Packet) -> Step {
        let Some((rate, downmix, frames)) = self.last.clone() else {
            return Step::Corrupt;
        };
        let base = self
            .format
            .tracks()
            .iter()
            .find(|track| track.id == self.track)
            .and_then(|track| track.time_base);
        let told = base.and_then(|base| base.calc_duration(packet.dur));
        let told = told.map(|time| (time.as_secs_f64() * f64::from(rate)).round() as u64);
        let frames = told.filter(|&told| told > 0).unwrap_or(frames as u64);
        let frames = frames.min(u64::from(rate) * SILENCE_S) as usize;
        let samples = vec![0.0; frames * downmix.inputs()];
        Step::Block {
            rate,
            downmix,
            samples,
            corrupt: true,
        }
    }

    fn failed(&mut self, error: Symphonia) -> Result<Step, Error> {
        match failure(error) {
            Ok(()) => Ok(Step::End),
            Err(Error::Damaged(_)) => {
                self.count_damage()?;
                Ok(Step::Corrupt)
            }
            Err(error) => Err(error),
        }
    }

    fn count_damage(&mut self) -> Result<(), Error> {
        self.damaged += 1;
        if self.damaged > DAMAGED_MAX {
            let message = format!("{DAMAGED_MAX} packets in a row cannot be decoded");
            return Err(Error::Damaged(message));
        }
        Ok(())
    }

    /// Tags that came up since the last call, if they say anything new.
    fn new_tags(&mut self) -> Option<Tags> {
        let mut tags = self.told.clone();
        let mut metadata = self.format.metadata();
        loop {
            if let Some(revision) = metadata.current() {
                read_tags(revision, &mut tags);
            }
            if metadata.pop().is_none() {
                break;
            }
        }
        (tags != self.told).then(|| {
            self.told = tags.clone();
            tags
        })
    }
}

/// Finds the format of a stream.
pub(crate) fn probe(
    source: Source,
    extension: Option<&str>,
) -> Result<Box<dyn FormatReader>, Error> {
    let cannot_seek = source.is_mp4() && !source.is_seekable();
    let mut hint = Hint::new();
    if let Some(extension) = extension {
        hint.with_extension(extension);
    }
    let stream = MediaSourceStream::new(Box::new(source), Default::default());
    symphonia::default::get_probe()
        .probe(
            &hint,
            stream,
            FormatOptions::default(),
            MetadataOptions::default(),
        )
        .map_err(|error| match error {
            _ if cannot_seek => Error::NeedsSeeking,
            Symphonia::IoError(error) if error.kind() != ErrorKind::UnexpectedEof => {
                Error::Read(error)
            }
            _ => Error::NotAudio,
        })
}

/// What a reader's error means: that the stream is over, or why it cannot be read on.
pub(crate) fn failure(error: Symphonia) -> Result<(), Error> {
    match error {
        // Cut short: what was there has been played.
        Symphonia::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(()),
        Symphonia::IoError(error) => Err(Error::Read(error)),
        Symphonia::Unsupported(what) => Err(Error::Unsupported(what.to_owned())),
        other => Err(Error::Damaged(other.to_string())),
    }
}

impl fmt::Debug for Stock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stock")
            .field("track", &self.track)
            .finish_non_exhaustive()
    }
}

fn open_track(format: &dyn FormatReader) -> Result<(Box<dyn AudioDecoder>, u32), Error> {
    let track = format
        .default_track(TrackType::Audio)
        .ok_or(Error::NotAudio)?;
    let Some(CodecParameters::Audio(parameters)) = &track.codec_params else {
        return Err(Error::NotAudio);
    };
    // HE-AAC names the rate of its core, and the decoder knows the core alone.
    let is_core = parameters
        .sample_rate
        .is_some_and(|rate| rate <= HE_AAC_CORE_RATE_MAX);
    if parameters.codec == CODEC_ID_AAC && is_core {
        let message = "AAC at 24 kHz or less is as a rule HE-AAC, which cannot be decoded: \
                       send AAC-LC at 32 kHz or more";
        return Err(Error::Unsupported(message.into()));
    }
    let decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())
        .map_err(|error| Error::Unsupported(error.to_string()))?;
    Ok((decoder, track.id))
}

fn read_tags(revision: &MetadataRevision, tags: &mut Tags) {
    for tag in &revision.media.tags {
        let (to, value) = match &tag.std {
            Some(StandardTag::TrackTitle(value)) => (&mut tags.title, value),
            Some(StandardTag::Artist(value)) => (&mut tags.artist, value),
            Some(StandardTag::Album(value)) => (&mut tags.album, value),
            _ => continue,
        };
        *to = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
    }
}

/// Float files may hold anything; what is no number is silence.
fn finite(mut samples: Vec<f32>) -> Vec<f32> {
    for sample in &mut samples {
        *sample = if sample.is_finite() {
            sample.clamp(-4.0, 4.0)
        } else {
            0.0
        };
    }
    samples
}
