//! The packets of Ogg Opus.

use std::fmt;
use std::io::{ErrorKind, Read};

use super::Raw;
use crate::encoder::Channels;
use crate::input::source::Source;
use crate::input::{Error, Tags};
use crate::ogg::{self, Demuxer, Event, Head};

/// Bytes read at once: little, so that a live stream's packets go as they come.
const READ_BYTES: usize = 4096;

/// Where the first packet of a first page with one segment begins.
const HEAD_AT: usize = 28;

pub(super) struct Ogg {
    source: Source,
    demuxer: Demuxer,
    at_end: bool,
}

/// The channels of an Ogg Opus stream whose packets can be passed on: one or two, and at
/// the loudness they were encoded with.
pub(super) fn plain_channels(start: &[u8]) -> Option<Channels> {
    let head = start.strip_prefix(b"OggS").and(start.get(HEAD_AT..))?;
    let head = Head::parse(head.get(..19)?).ok()?;
    if head.mapping_family != 0 || head.output_gain != 0 {
        return None;
    }
    Some(match head.channels {
        1 => Channels::Mono,
        _ => Channels::Stereo,
    })
}

impl Ogg {
    pub(super) fn new(source: Source) -> Self {
        Self {
            source,
            demuxer: Demuxer::new(),
            at_end: false,
        }
    }

    pub(super) fn next_raw(&mut self) -> Result<Option<Raw>, Error> {
        loop {
            while let Some(event) = self.demuxer.poll() {
                match event {
                    Event::Packet { data, .. } => return Ok(Some(Raw::Packet(data))),
                    Event::Tags(tags) => return Ok(Some(Raw::Tags(known(&tags)))),
                    Event::Head(head) if head.mapping_family != 0 => {
                        let message = format!("Ogg Opus with {} channels", head.channels);
                        return Err(Error::Unsupported(message));
                    }
                    Event::Head(_) | Event::Gap | Event::End { .. } | Event::Foreign => {}
                }
            }
            if self.at_end {
                return Ok(None);
            }
            let mut bytes = [0; READ_BYTES];
            let count = match self.source.read(&mut bytes) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other?,
            };
            self.at_end = count == 0;
            let pushed = self.demuxer.push(&bytes[..count]);
            pushed.map_err(|error| Error::Unsupported(error.to_string()))?;
        }
    }
}

fn known(tags: &ogg::Tags) -> Tags {
    let first = |name| tags.first(name).map(str::to_owned);
    Tags {
        title: first("title"),
        artist: first("artist"),
        album: first("album"),
    }
}

impl fmt::Debug for Ogg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ogg").finish_non_exhaustive()
    }
}
