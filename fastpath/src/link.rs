//! One connection's fast path.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use prefetch::prefetch;
use quinn_proto::Connection;

#[cfg(feature = "peer")]
use crate::asking::Asking;
use crate::crypto::Negotiated;
use crate::state::State;

/// The fast path of one connection; clones are of the same.
#[derive(Clone, Default)]
pub struct Link(Arc<Mutex<State>>);

/// Why a datagram is to go through `quinn-proto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// `quinn-proto` has sent nothing in the application's space yet, or not with its new keys.
    TooEarly,
    /// A packet was lost since this was asked last: the next ones are for `quinn-proto`'s
    /// congestion control to see, for as long as the caller thinks right.
    Lossy,
    /// Too much is not acknowledged yet.
    Full,
    /// The keys are used up: time for an update.
    Worn,
}

/// What went the fast way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets sealed.
    pub sent: u64,
    /// Of these, taken for lost.
    pub lost: u64,
    /// Packets opened, which `quinn-proto` has not seen.
    pub taken: u64,
}

impl Link {
    /// The fast path of a connection that was made with [`Crypto`](crate::Crypto).
    #[must_use]
    pub fn of(connection: &Connection) -> Option<Self> {
        let negotiated = connection.crypto_session().handshake_data()?;
        Some(negotiated.downcast::<Negotiated>().ok()?.link)
    }

    /// Appends the packet of one datagram to `out`, to be sent where `quinn-proto` sends to.
    ///
    /// The datagram has to fit: into the packet, and into what the peer takes.
    ///
    /// # Errors
    /// [`Unfit`] when it is to go through `quinn-proto`; then nothing was appended.
    pub fn seal(&self, datagram: &[u8], out: &mut Vec<u8>) -> Result<(), Unfit> {
        self.state().seal(datagram, out)
    }

    /// Has the processor fetch the connection's state, where the other two find it.
    pub fn prefetch(&self) {
        prefetch(&*self.0);
    }

    /// Has the processor fetch what [`seal`](Self::seal) takes besides.
    pub fn prefetch_for_sealing(&self) {
        self.state().prefetch_for_sealing();
    }

    /// Has the processor fetch what [`open`](Self::open) takes besides.
    pub fn prefetch_for_opening(&self) {
        self.state().prefetch_for_opening();
    }

    /// Takes a packet from where `quinn-proto` sends to, if it holds acknowledgements of the
    /// fast path's packets and nothing else. What it does not take is `quinn-proto`'s.
    /// `scratch` is overwritten; it spares an allocation.
    pub fn open(&self, packet: &[u8], scratch: &mut BytesMut) -> bool {
        self.state().open(packet, scratch).is_some()
    }

    /// Appends a packet of these frames to `out`; false before there are keys. With
    /// [`open_whole`](Self::open_whole) for a peer that is done with `quinn-proto` and answers
    /// for all that follows: what it sends is acknowledged to nobody but itself.
    #[cfg(feature = "peer")]
    pub fn seal_frames(&self, frames: &[u8], out: &mut Vec<u8>) -> bool {
        let write = |_: &Asking, out: &mut Vec<u8>| out.extend_from_slice(frames);
        self.state().write(write, out).is_some()
    }

    /// Opens a packet into its frames and gives its number. None when it is not one of this
    /// connection's, or after a second update of its keys.
    #[cfg(feature = "peer")]
    pub fn open_whole(&self, packet: &[u8], frames: &mut BytesMut) -> Option<u64> {
        self.state().read(packet, frames)
    }

    /// What went the fast way until now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.state().counts()
    }

    /// The lock is there because `quinn-proto` wants keys that can be shared among threads. A
    /// connection has one, so nobody waits for it.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Link").finish_non_exhaustive()
    }
}
