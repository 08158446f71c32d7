//! The packets of Opus in WebM.

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia::core::formats::{FormatReader, TrackType};

use super::Raw;
use crate::encoder::Channels;
use crate::input::source::Source;
use crate::input::stock::{self, Stock};
use crate::input::{Error, Input};

pub(super) struct Matroska {
    format: Box<dyn FormatReader>,
    track: u32,
    channels: Channels,
}

impl Matroska {
    /// Opens a stream; one that holds something else than Opus is to be decoded.
    pub(super) fn open(source: Source) -> Result<Result<Self, Box<Input>>, Error> {
        let format = stock::probe(source, Some("webm"))?;
        let track = format
            .default_track(TrackType::Audio)
            .ok_or(Error::NotAudio)?;
        let opus = match &track.codec_params {
            Some(CodecParameters::Audio(audio)) if audio.codec == CODEC_ID_OPUS => Some(audio),
            _ => None,
        };
        let Some(parameters) = opus else {
            let input = Input::from_stock(Stock::of(format)?)?;
            return Ok(Err(Box::new(input)));
        };
        let count = parameters.channels.as_ref().map_or(2, |all| all.count());
        let channels = match count {
            1 => Channels::Mono,
            2 => Channels::Stereo,
            count => {
                let message = format!("Opus in WebM with {count} channels");
                return Err(Error::Unsupported(message));
            }
        };
        let track = track.id;
        Ok(Ok(Self {
            format,
            track,
            channels,
        }))
    }

    pub(super) fn channels(&self) -> Channels {
        self.channels
    }

    pub(super) fn next_raw(&mut self) -> Result<Option<Raw>, Error> {
        loop {
            match self.format.next_packet() {
                Ok(None) => return Ok(None),
                Ok(Some(packet)) if packet.track_id == self.track => {
                    return Ok(Some(Raw::Packet(packet.data.to_vec())));
                }
                Ok(Some(_)) => {}
                Err(error) => return stock::failure(error).map(|()| None),
            }
        }
    }
}

impl std::fmt::Debug for Matroska {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Matroska").finish_non_exhaustive()
    }
}
