//! Renditions: a track made from another one while somebody takes it.

use std::sync::Arc;

use super::Track;
use crate::metrics::Metrics;
use crate::station::Rendition;

/// Decodes a source's packets and encodes them anew, on a thread of its own.
#[derive(Debug)]
pub(crate) struct Transcoder {}

impl Transcoder {
    /// Starts making `rendition` of what `source` carries and gives it to `track`.
    pub(crate) fn start(
        _rendition: Rendition,
        _source: &Arc<Track>,
        _track: &Arc<Track>,
        _metrics: Arc<Metrics>,
    ) -> Option<Self> {
        None
    }

    /// Takes no more packets of that track.
    pub(crate) fn leave(&self, _source: &Track) {}
}
