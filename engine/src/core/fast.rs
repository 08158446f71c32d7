//! Frames and acknowledgements that go past quinn (see the crate `fastpath`), and when they may.
//!
//! A listener's frames go the fast way once its session is open. What does not: a frame each
//! [`SLOW_EVERY`], from which quinn has its round trip and sees that the path lives; everything
//! for [`LOSSY_FOR`] after a loss, for quinn's congestion control to see; and everything of a
//! client that has moved, as only quinn knows whether its new address is its own.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use fastpath::{Link, Unfit};
use prefetch::prefetch;
use rustc_hash::FxHashMap;

use super::session::Session;
use super::{Core, SMALL_BYTES};
use crate::batch::Batch;
use crate::cid::CID_BYTES;

/// One frame of so much time goes through quinn.
const SLOW_EVERY: Duration = Duration::from_secs(1);

/// After a loss, or when too much is not acknowledged, frames go through quinn for so long.
const LOSSY_FOR: Duration = Duration::from_millis(500);

/// How many listeners ahead memory is fetched, by how far it is from there to what is needed.
const AHEAD_SESSION: usize = 9;
const AHEAD_LINK: usize = 6;
const AHEAD_KEYS: usize = 3;

/// Connection ids remembered of one session: a client may change its own.
const CIDS_MAX: usize = 2;

/// Sessions by the connection ids their packets bear.
pub(super) type Cids = FxHashMap<u64, u32>;

/// What a session needs for the fast way.
#[derive(Debug)]
pub(super) struct Fast {
    link: Link,
    /// Where quinn sends to, and from which of our addresses.
    path: Option<(SocketAddr, Option<IpAddr>)>,
    /// It has moved.
    is_off: bool,
    /// From when on frames may go this way, and until when.
    from: Instant,
    until: Instant,
    /// The largest datagram.
    bytes_max: usize,
    cids: [Option<u64>; CIDS_MAX],
}

impl Fast {
    pub(super) fn new(link: Link, now: Instant) -> Self {
        Self {
            link,
            path: None,
            is_off: false,
            from: now,
            until: now,
            bytes_max: 0,
            cids: [None; CIDS_MAX],
        }
    }

    pub(super) fn counts(&self) -> fastpath::Counts {
        self.link.counts()
    }

    fn is_from(&self, remote: SocketAddr) -> bool {
        !self.is_off && self.path.is_some_and(|(to, _)| to == remote)
    }
}

impl Session {
    /// Sends a datagram past quinn. False when it is to go the long way.
    pub(super) fn send_fast(&mut self, now: Instant, datagram: &[u8], batch: &mut Batch) -> bool {
        let Some(fast) = &mut self.fast else {
            return false;
        };
        let Some(path) = fast.path.filter(|_| !fast.is_off) else {
            return false;
        };
        if now < fast.from || batch.is_full() {
            return false;
        }
        if now >= fast.until {
            // This one goes the long way, and is the occasion to look at what may change.
            fast.until = now + SLOW_EVERY;
            fast.bytes_max = self.conn.datagrams().max_size().unwrap_or(0);
            return false;
        }
        if datagram.len() > fast.bytes_max {
            return false;
        }
        let mut sealed = Ok(());
        let is_sent = batch.push(|buffer| {
            sealed = fast.link.seal(datagram, buffer);
            sealed.is_ok().then_some(path)
        });
        match sealed {
            Ok(()) | Err(Unfit::TooEarly) => {}
            Err(Unfit::Lossy | Unfit::Full) => fast.from = now + LOSSY_FOR,
            Err(Unfit::Worn) => {
                // It comes with the next packet of quinn's.
                self.conn.force_key_update();
                fast.from = now + LOSSY_FOR;
            }
        }
        is_sent
    }

    /// Has the processor fetch what a frame looks at first.
    pub(super) fn prefetch(&self) {
        prefetch(&self.fast);
        self.prefetch_frame();
    }

    /// Whether frames go past quinn now, but for one now and then.
    pub(super) fn is_fast(&self, now: Instant) -> bool {
        let fast = self.fast.as_ref().filter(|fast| !fast.is_off);
        fast.is_some_and(|fast| fast.path.is_some() && now >= fast.from)
    }

    /// Notes where quinn has sent a packet.
    #[inline]
    pub(super) fn has_sent_to(&mut self, to: SocketAddr, from: Option<IpAddr>) {
        if let Some(fast) = &mut self.fast
            && fast.path.is_none()
            && self.conn.remote_address() == to
        {
            fast.path = Some((to, from));
        }
    }

    /// Ends the fast way when the client has moved.
    pub(super) fn look_at_path(&mut self) {
        if let Some(fast) = &mut self.fast
            && let Some((to, _)) = fast.path
        {
            fast.is_off |= to != self.conn.remote_address();
        }
    }
}

impl Core {
    /// Has the processor fetch what those whose turn comes soon need, while it seals for others:
    /// what is kept of a session, from there its way past quinn, from there its keys. Each
    /// takes about as long as a packet or two.
    pub(super) fn prefetch_upcoming(&self) {
        let session = |after| {
            let slot = self.tracks.upcoming(after)?;
            self.sessions.get(slot)?.as_deref()
        };
        if let Some(session) = session(AHEAD_SESSION) {
            session.prefetch();
        }
        if let Some(fast) = session(AHEAD_LINK).and_then(|session| session.fast.as_ref()) {
            fast.link.prefetch();
        }
        if let Some(fast) = session(AHEAD_KEYS).and_then(|session| session.fast.as_ref()) {
            fast.link.prefetch_for_sealing();
        }
    }

    /// Has the processor fetch what those need who have sent these packets, if there are several:
    /// the sessions all at once, then from there their keys.
    pub(crate) fn prefetch_senders<'a>(&self, packets: impl Iterator<Item = &'a [u8]> + Clone) {
        if packets.clone().nth(1).is_none() {
            return;
        }
        let sessions = packets.filter_map(|bytes| {
            let slot = *self.cids.get(&cid(bytes)?)?;
            Some((self.sessions.get(slot as usize)?.as_deref()?, bytes.len()))
        });
        for (session, len) in sessions.clone() {
            match len {
                ..=SMALL_BYTES => prefetch(&session.fast),
                // It is quinn's, which looks at most of what there is.
                _ => prefetch(session),
            }
        }
        let links = sessions.filter_map(|(session, _)| Some(&session.fast.as_ref()?.link));
        links.clone().for_each(Link::prefetch);
        links.for_each(Link::prefetch_for_opening);
    }

    /// Takes a packet of acknowledgements for the fast way's frames. False when it is quinn's.
    pub(super) fn open_fast(&mut self, remote: SocketAddr, bytes: &[u8]) -> bool {
        let slot = cid(bytes).and_then(|cid| self.cids.get(&cid));
        let Some(Some(session)) = slot.and_then(|slot| self.sessions.get_mut(*slot as usize))
        else {
            return false;
        };
        let fast = session.fast.as_ref().filter(|fast| fast.is_from(remote));
        fast.is_some_and(|fast| fast.link.open(bytes, &mut self.opened))
    }

    /// Changes a session's keys with its next packet.
    #[cfg(test)]
    pub(crate) fn force_key_update(&mut self, session: crate::message::SessionId) {
        if let Some(Some(session)) = self.sessions.get_mut(session.slot()) {
            session.conn.force_key_update();
        }
    }

    /// Notes whose a packet was.
    pub(super) fn learn(&mut self, slot: usize, bytes: &[u8]) {
        let Some(Some(session)) = self.sessions.get_mut(slot) else {
            return;
        };
        if let (Some(cid), Some(fast)) = (cid(bytes), &mut session.fast)
            && !fast.cids.contains(&Some(cid))
        {
            fast.cids.rotate_right(1);
            if let Some(old) = fast.cids[0].replace(cid) {
                self.cids.remove(&old);
            }
            self.cids.insert(cid, slot as u32);
        }
    }

    /// Forgets the connection ids of a session that is no more.
    pub(super) fn forget(&mut self, session: &Session) {
        for cid in session.fast.iter().flat_map(|fast| fast.cids).flatten() {
            self.cids.remove(&cid);
        }
    }
}

/// The connection id of a packet with a short header.
fn cid(bytes: &[u8]) -> Option<u64> {
    let (first, rest) = bytes.split_first()?;
    let cid = rest.first_chunk::<CID_BYTES>()?;
    (first & 0x80 == 0).then(|| u64::from_le_bytes(*cid))
}
