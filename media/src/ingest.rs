//! A live stream from an encoder: its own Opus packets where it sends Opus, sound otherwise.
//!
//! Ogg Opus and Opus in WebM are taken apart and never decoded. Everything else goes
//! through [`crate::input`].

mod matroska;
mod ogg;

use std::collections::VecDeque;
use std::io::Read;

use matroska::Matroska;
use ogg::Ogg;

use crate::encoder::Channels;
use crate::input::source::Source;
use crate::input::{self, Error, Input, Tags};
use crate::toc::{self, Toc};
use crate::{PAYLOAD_BYTES_MAX, SAMPLE_RATE};

/// What a stream yields, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    /// An Opus packet as the encoder made it.
    Packet {
        /// The packet, at most [`PAYLOAD_BYTES_MAX`] bytes.
        payload: Vec<u8>,
        /// Samples at 48 kHz it decodes to: the duration of one of [`FRAMES`].
        samples: u32,
    },
    /// Interleaved sound at 48 kHz with [`Ingest::channels`] channels.
    Sound(Vec<f32>),
    /// Tags that hold from the next packet or sound on.
    Tags(Tags),
}

/// The durations of packets a track may have, in samples at 48 kHz.
pub const FRAMES: [u32; 6] = [120, 240, 480, 960, 1920, 2880];

/// A stream being read. Reading blocks on its source; use it from a thread that may wait.
#[derive(Debug)]
pub struct Ingest {
    stream: Stream,
    channels: Channels,
    queue: VecDeque<Piece>,
    oversized: u64,
}

#[derive(Debug)]
enum Stream {
    Ogg(Box<Ogg>),
    Matroska(Box<Matroska>),
    Decoded(Box<Input>),
}

/// What a stream of packets yields.
enum Raw {
    Packet(Vec<u8>),
    Tags(Tags),
}

impl Ingest {
    /// Reads the beginning of a stream, up to its first packet or sound. `extension` ("mp3")
    /// helps to find the format.
    pub fn open(reader: Box<dyn Read + Send>, extension: Option<&str>) -> Result<Self, Error> {
        let source = Source::pipe(reader)?;
        let (stream, channels) = if let Some(channels) = ogg::plain_channels(source.start()) {
            (Stream::Ogg(Box::new(Ogg::new(source))), channels)
        } else if source.is_matroska() {
            match Matroska::open(source)? {
                Ok(matroska) => {
                    let channels = matroska.channels();
                    (Stream::Matroska(Box::new(matroska)), channels)
                }
                Err(input) => decoded(*input),
            }
        } else {
            decoded(Input::begin(source, extension)?)
        };
        let mut ingest = Self {
            stream,
            channels,
            queue: VecDeque::new(),
            oversized: 0,
        };
        ingest.read_beginning()?;
        Ok(ingest)
    }

    /// Mono or stereo, as the stream begins.
    #[must_use]
    pub fn channels(&self) -> Channels {
        self.channels
    }

    /// The duration of the first packet in samples, for streams that yield packets.
    #[must_use]
    pub fn first_packet(&self) -> Option<u32> {
        self.queue.iter().find_map(|piece| match piece {
            Piece::Packet { samples, .. } => Some(*samples),
            _ => None,
        })
    }

    /// Packets left out so far because a single Opus frame of theirs fits no datagram.
    #[must_use]
    pub fn oversized(&self) -> u64 {
        self.oversized
    }

    /// The next piece; `None` at the end.
    pub fn next_piece(&mut self) -> Result<Option<Piece>, Error> {
        loop {
            if let Some(piece) = self.queue.pop_front() {
                return Ok(Some(piece));
            }
            if !self.read()? {
                return Ok(None);
            }
        }
    }

    fn read_beginning(&mut self) -> Result<(), Error> {
        while !self
            .queue
            .iter()
            .any(|piece| !matches!(piece, Piece::Tags(_)))
        {
            if !self.read()? {
                return Err(Error::NotAudio);
            }
        }
        Ok(())
    }

    /// Reads something into the queue, maybe nothing; false at the end.
    fn read(&mut self) -> Result<bool, Error> {
        let raw = match &mut self.stream {
            Stream::Ogg(ogg) => ogg.next_raw()?,
            Stream::Matroska(matroska) => matroska.next_raw()?,
            Stream::Decoded(input) => {
                let event = input.next_event()?;
                let piece = event.map(|event| match event {
                    input::Event::Sound(sound) => Piece::Sound(sound),
                    input::Event::Tags { tags, .. } => Piece::Tags(tags),
                });
                let any = piece.is_some();
                self.queue.extend(piece);
                return Ok(any);
            }
        };
        match raw {
            None => return Ok(false),
            Some(Raw::Tags(tags)) => self.queue.push_back(Piece::Tags(tags)),
            Some(Raw::Packet(packet)) => self.take(packet),
        }
        Ok(true)
    }

    /// A packet whose duration no track has, or that fits no datagram, is cut into its frames.
    fn take(&mut self, packet: Vec<u8>) {
        // What is no Opus packet is as if it had been lost on its way here.
        let Ok(toc) = Toc::parse(&packet) else {
            return;
        };
        if FRAMES.contains(&toc.samples()) && packet.len() <= PAYLOAD_BYTES_MAX {
            let samples = toc.samples();
            self.queue.push_back(Piece::Packet {
                payload: packet,
                samples,
            });
            return;
        }
        for payload in toc::split(&packet).unwrap_or_default() {
            if payload.len() > PAYLOAD_BYTES_MAX {
                self.oversized += 1;
                continue;
            }
            self.queue.push_back(Piece::Packet {
                payload,
                samples: toc.frame_samples,
            });
        }
    }
}

fn decoded(input: Input) -> (Stream, Channels) {
    let channels = input.channels();
    (Stream::Decoded(Box::new(input)), channels)
}

// A track's durations are those of the protocol.
const _: () = assert!(FRAMES[3] == SAMPLE_RATE / 50);

#[cfg(test)]
mod tests;
