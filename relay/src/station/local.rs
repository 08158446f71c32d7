//! A source inside the process: the demo station, later recordings and HTTP sources.

use wire::StationId;
use wire::message::{Metadata, PublishEndCode, TrackParams};

/// What a local source announces.
#[derive(Debug, Clone)]
pub struct Publication {
    /// The station to be the source of.
    pub station: StationId,
    /// What the packets are.
    pub track: TrackParams,
    /// The station's name for people; none leaves it as it is.
    pub name: Option<String>,
    /// A sentence about the station; none leaves it as it is.
    pub description: Option<String>,
    /// What plays first.
    pub metadata: Option<Metadata>,
    /// Whether to replace a source that is on air.
    pub takeover: bool,
}

/// Another source took over; this one sends no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the publish has ended: {0:?}")]
pub struct PublishEnded(pub PublishEndCode);

/// A station's source inside the process. Dropping it stops the station.
#[derive(Debug)]
pub struct LocalSource {}

impl LocalSource {
    /// Sends the next Opus packet; it gets the next sequence number and the
    /// next timestamp, one frame after the last. The caller keeps the pace.
    ///
    /// Never waits: every listener is served before it returns, about a
    /// microsecond each. Packets that fit no datagram are dropped.
    pub fn send(&mut self, _packet: &[u8]) -> Result<(), PublishEnded> {
        unimplemented!("the relay is being built")
    }

    /// Media time of the next packet's first sample, in samples at 48 kHz.
    #[must_use]
    pub fn timestamp(&self) -> u64 {
        unimplemented!("the relay is being built")
    }

    /// Leaves out `samples`, a whole number of frames, as silence.
    pub fn skip(&mut self, _samples: u64) {}

    /// Tells what plays, from its timestamp on or else from the next packet on.
    pub fn set_metadata(&mut self, _metadata: Metadata) -> Result<(), PublishEnded> {
        unimplemented!("the relay is being built")
    }
}
