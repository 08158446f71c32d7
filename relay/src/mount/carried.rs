//! The very frames an MP3 or AAC source sends, passed on to players.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use super::ring::{Chunk, Link, Ring};
use super::{Kind, PLAYER_WAIT};

/// A station's frames beside its Opus. Sources that send the same kind follow each other in
/// it; dropping the last hold does not end it, [`Carried::end`] does.
#[derive(Debug)]
pub(crate) struct Carried {
    kind: Kind,
    ring: Arc<Ring>,
    link: Mutex<Arc<Link>>,
}

impl Carried {
    pub(crate) fn new(kind: Kind, burst: Duration) -> Arc<Self> {
        Arc::new(Self {
            kind,
            ring: Ring::new(burst + PLAYER_WAIT),
            link: Mutex::default(),
        })
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn ring(&self) -> &Arc<Ring> {
        &self.ring
    }

    /// Passes whole frames on.
    pub(crate) fn push(&self, bytes: Bytes, lasts: Duration) {
        // Every change is one assignment.
        let link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        let link = Arc::clone(&link);
        self.ring.push(Chunk { bytes, lasts, link });
    }

    /// What is told from the next frames on.
    pub(crate) fn set_title(&self, title: String) {
        let link = Arc::new(Link {
            title,
            ..Link::default()
        });
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = link;
    }

    pub(crate) fn end(&self) {
        self.ring.end();
    }
}
