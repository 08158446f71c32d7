//! What the fast path knows of one connection.

use std::cmp::Reverse;
use std::collections::VecDeque;

use bytes::BytesMut;
use prefetch::prefetch;
use quinn_proto::crypto::{HeaderKey, PacketKey};

use crate::asking::Asking;
use crate::frames;
use crate::keys;
use crate::link::{Counts, Unfit};
use crate::numbers::Numbers;

/// Packets of the fast path's that may wait for their acknowledgement: 1.28 s of the usual
/// frames. A number of `quinn-proto`'s that takes one byte can be read beyond as many.
pub const OUTSTANDING_MAX: usize = 64;

/// Bytes of these, which any window of the engine's congestion control allows.
pub const IN_FLIGHT_MAX: usize = 24 * 1024;

/// A packet counts as lost when so much later ones are acknowledged (RFC 9002, section 6.1.1).
const REORDERING: u64 = 3;

/// Packets of `quinn-proto`'s remembered until they are acknowledged. While there are as many,
/// it is told every acknowledgement.
const QUINN_MAX: usize = 256;

/// Packets of the fast path's with one key: half of what AES-GCM may seal, the other half is
/// `quinn-proto`'s (RFC 9001, section 6.6).
const SEALED_MAX: u64 = 1 << 22;

/// The longest packet that is taken for an acknowledgement: with ranges of old losses, which
/// peers repeat until they know that theirs were heard.
const ACK_BYTES_MAX: usize = 192;

/// The longest packet that is opened whole.
#[cfg(feature = "peer")]
const PACKET_BYTES_MAX: usize = 1500;

/// Ranges of what is not settled that one may have; more of them are a sign of loss.
const RANGES_MAX: usize = 16;

/// The first byte of a short header: fixed bit, and a packet number of two bytes.
const SHORT_HEADER: u8 = 0x41;
const KEY_PHASE: u8 = 0x04;
const RESERVED: u8 = 0x18;

/// Our connection ids' length, behind which a packet's number is.
pub(crate) const CID_BYTES: usize = 8;

/// A packet's tag, and as much of it header protection takes: the same for all of TLS 1.3's
/// ciphers (RFC 9001, section 5).
const TAG_BYTES: usize = 16;

/// Keys of one direction and one key phase.
pub(crate) struct Phase {
    /// How many updates came before.
    pub(crate) generation: u64,
    pub(crate) key: keys::Packet,
}

impl Phase {
    fn bit(&self) -> u8 {
        if self.generation.is_multiple_of(2) {
            0
        } else {
            KEY_PHASE
        }
    }
}

/// The application space's header keys, which stay for the whole connection.
#[derive(Clone)]
pub(crate) struct HeaderKeys {
    pub(crate) local: keys::Header,
    pub(crate) remote: keys::Header,
}

#[derive(Default)]
pub(crate) struct State {
    numbers: Numbers,
    headers: Option<HeaderKeys>,
    /// The keys sent with.
    sending: Option<Phase>,
    /// The peer has updated its keys, and `quinn-proto` is to answer with ours before anything
    /// goes past it.
    is_updating: bool,
    /// The keys received with.
    receiving: Option<Phase>,
    /// The largest number received.
    received: u64,
    /// The peer's connection id, as `quinn-proto` used it last.
    peer: Option<Peer>,
    /// Packets of the fast path's without acknowledgement, and their bytes, oldest first.
    outstanding: VecDeque<(u64, u16)>,
    in_flight: usize,
    /// Packets of `quinn-proto`'s likewise.
    quinn: VecDeque<u64>,
    acked: u64,
    /// Something was lost, and nobody was told.
    is_troubled: bool,
    #[cfg(feature = "peer")]
    next: Option<(Phase, Phase)>,
    asking: Asking,
    /// Sealed with this key.
    sealed: u64,
    counts: Counts,
}

struct Peer {
    cid: [u8; 20],
    len: u8,
}

impl State {
    /// The application space has its keys.
    pub(crate) fn begin(&mut self, headers: HeaderKeys, sending: Phase, receiving: Phase) {
        self.headers = Some(headers);
        self.sending = Some(sending);
        self.receiving = Some(receiving);
    }

    /// Has the processor fetch what opening the next packet takes.
    pub(crate) fn prefetch_for_opening(&self) {
        if let (Some(headers), Some(receiving)) = (&self.headers, &self.receiving) {
            receiving.key.prefetch();
            headers.remote.prefetch();
        }
        self.outstanding.front().inspect(|first| prefetch(*first));
        self.quinn.front().inspect(|first| prefetch(*first));
    }

    /// Has the processor fetch what sealing the next packet takes.
    pub(crate) fn prefetch_for_sealing(&self) {
        if let (Some(headers), Some(sending)) = (&self.headers, &self.sending) {
            sending.key.prefetch();
            headers.local.prefetch();
        }
        // The next are put behind these.
        self.outstanding.back().inspect(|last| prefetch(*last));
        self.numbers.prefetch();
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Gives a packet of `quinn-proto`'s its number on the wire, which its header says then.
    /// Its frames may be asked to be acknowledged.
    pub(crate) fn number(
        &mut self,
        sealed: Phase,
        number: u64,
        header: &mut [u8],
        frames: &mut [u8],
    ) -> u64 {
        self.asking.look_at(frames);
        let on_wire = self.numbers.on_wire(number);
        self.update_sending(sealed);
        if let Some((first, rest)) = header.split_first_mut() {
            let len = usize::from(*first & 3) + 1;
            let (cid, field) = rest.split_at_mut(rest.len().saturating_sub(len));
            let big_endian = on_wire.to_be_bytes();
            field.copy_from_slice(&big_endian[big_endian.len() - field.len()..]);
            self.remember_peer(cid);
        }
        if self.quinn.len() >= QUINN_MAX {
            self.quinn.pop_front();
        }
        self.quinn.push_back(on_wire);
        on_wire
    }

    /// A packet for `quinn-proto` was opened: notes what it acknowledges of the fast path's,
    /// and puts the rest in `quinn-proto`'s numbers.
    pub(crate) fn renumber(&mut self, opened: Phase, number: u64, payload: &mut BytesMut) {
        self.received = self.received.max(number);
        if self
            .receiving
            .as_ref()
            .is_none_or(|now| now.generation < opened.generation)
        {
            // To be answered with ours (RFC 9001, section 6.2), if that is not what this answers.
            self.is_updating = self
                .sending
                .as_ref()
                .is_some_and(|now| now.generation < opened.generation);
            self.receiving = Some(opened);
        }
        let mut ranges = Vec::new();
        let told = frames::renumbered(payload, &self.numbers, &mut |low, high| {
            ranges.push((low, high));
        });
        if let Some(told) = told.filter(|_| !self.numbers.are_plain()) {
            payload.clear();
            payload.extend_from_slice(&told);
        }
        // A lie about what was never sent is quinn's to find.
        ranges.retain(|(_, high)| *high < self.numbers.next());
        ranges.sort_unstable_by_key(|(low, _)| Reverse(*low));
        self.acknowledge(&ranges);
    }

    pub(crate) fn seal(&mut self, datagram: &[u8], out: &mut Vec<u8>) -> Result<(), Unfit> {
        if self.is_updating {
            return Err(Unfit::TooEarly);
        }
        if std::mem::take(&mut self.is_troubled) {
            return Err(Unfit::Lossy);
        }
        if self.outstanding.len() >= OUTSTANDING_MAX || self.in_flight >= IN_FLIGHT_MAX {
            return Err(Unfit::Full);
        }
        if self.sealed >= SEALED_MAX {
            return Err(Unfit::Worn);
        }
        let frames = |asking: &Asking, out: &mut Vec<u8>| {
            asking.write(out);
            out.push(frames::DATAGRAM_TO_THE_END);
            out.extend_from_slice(datagram);
        };
        let (number, bytes) = self.write(frames, out).ok_or(Unfit::TooEarly)?;
        self.asking.has_sent(number);
        self.sealed += 1;
        self.counts.sent += 1;
        self.in_flight += bytes;
        self.outstanding.push_back((number, bytes as u16));
        Ok(())
    }

    /// Appends a packet with these frames to `out`. Gives its number and its length; none
    /// before there are keys.
    pub(crate) fn write(
        &mut self,
        frames: impl FnOnce(&Asking, &mut Vec<u8>),
        out: &mut Vec<u8>,
    ) -> Option<(u64, usize)> {
        let (headers, sending, peer) = (
            self.headers.as_ref()?,
            self.sending.as_ref()?,
            self.peer.as_ref()?,
        );
        let number = self.numbers.take();
        let start = out.len();
        out.push(SHORT_HEADER | sending.bit());
        out.extend_from_slice(&peer.cid[..usize::from(peer.len)]);
        let field = out.len();
        out.extend_from_slice(&(number as u16).to_be_bytes());
        let body = out.len();
        frames(&self.asking, out);
        // Header protection takes 16 bytes from 4 behind the number's first (RFC 9001,
        // section 5.4.2): a tag's worth, and this much before it. An empty frame may do it.
        while out.len() < field + 4 {
            out.insert(body, 0);
        }
        out.resize(out.len() + TAG_BYTES, 0);
        let packet = &mut out[start..];
        sending.key.encrypt(number, packet, body - start);
        headers.local.encrypt(field - start, packet);
        Some((number, packet.len()))
    }

    /// The keys after the next update.
    #[cfg(feature = "peer")]
    pub(crate) fn set_next(&mut self, sending: Phase, receiving: Phase) {
        self.next = Some((sending, receiving));
    }

    /// Opens any packet of the application's space. One that updates the keys is answered with
    /// ours (RFC 9001, section 6.2).
    #[cfg(feature = "peer")]
    pub(crate) fn read(&mut self, packet: &[u8], frames: &mut BytesMut) -> Option<u64> {
        let mut copy = [0; PACKET_BYTES_MAX];
        let copy = copy.get_mut(..packet.len())?;
        copy.copy_from_slice(packet);
        let mut number = self.decrypt(copy, frames);
        if number.is_none()
            && let Some((sending, receiving)) = self.next.take()
        {
            copy.copy_from_slice(packet);
            let before = self.receiving.replace(receiving);
            number = self.decrypt(copy, frames);
            if number.is_some() {
                self.sending = Some(sending);
            } else {
                let receiving = std::mem::replace(&mut self.receiving, before);
                self.next = receiving.map(|receiving| (sending, receiving));
            }
        }
        self.received = self.received.max(number?);
        number
    }

    /// Opens a packet with a short header and its number into `frames`.
    fn decrypt(&self, packet: &mut [u8], frames: &mut BytesMut) -> Option<u64> {
        const FIELD: usize = 1 + CID_BYTES;
        let (headers, receiving) = (self.headers.as_ref()?, self.receiving.as_ref()?);
        if packet.len() < FIELD + 4 + TAG_BYTES || packet[0] & 0x80 != 0 {
            return None;
        }
        headers.remote.decrypt(FIELD, packet);
        if packet[0] & (KEY_PHASE | RESERVED) != receiving.bit() {
            return None;
        }
        let body = FIELD + usize::from(packet[0] & 3) + 1;
        let number = expand(&packet[FIELD..body], self.received + 1);
        frames.clear();
        frames.extend_from_slice(&packet[body..]);
        receiving
            .key
            .decrypt(number, &packet[..body], frames)
            .ok()?;
        Some(number)
    }

    pub(crate) fn open(&mut self, packet: &[u8], scratch: &mut BytesMut) -> Option<()> {
        if self.numbers.are_plain() || self.quinn.len() >= QUINN_MAX {
            return None;
        }
        let mut copy = [0; ACK_BYTES_MAX];
        let copy = copy.get_mut(..packet.len())?;
        copy.copy_from_slice(packet);
        let number = self.decrypt(copy, scratch)?;
        let (mut ranges, mut count, mut is_empty) = ([(0, 0); RANGES_MAX], 0, true);
        let unsettled = self.unsettled();
        frames::only_acks(scratch, &mut |low, high| {
            is_empty = false;
            if high < unsettled {
                return;
            }
            if let Some(range) = ranges.get_mut(count) {
                *range = (low, high);
            }
            count += 1;
        })?;
        let ranges = ranges.get_mut(..count).filter(|_| !is_empty)?;
        ranges.sort_unstable_by_key(|(low, _)| Reverse(*low));
        let ranges = &*ranges;
        let is_known = |number: &u64| is_in(ranges, *number);
        let next = self.numbers.next();
        if ranges.iter().any(|(_, high)| *high >= next) || self.quinn.iter().any(is_known) {
            return None;
        }
        self.received = self.received.max(number);
        self.counts.taken += 1;
        self.acknowledge(ranges);
        Some(())
    }

    /// The oldest number that nothing is known of.
    fn unsettled(&self) -> u64 {
        let oldest = [
            self.outstanding.front().map(|(number, _)| *number),
            self.quinn.front().copied(),
        ];
        let oldest = oldest.into_iter().flatten().min();
        oldest.unwrap_or(self.numbers.next())
    }

    /// Settles what is acknowledged or lost; the ranges are of packets that were sent.
    fn acknowledge(&mut self, ranges: &[(u64, u64)]) {
        let Some(highest) = ranges.iter().map(|(_, high)| *high).max() else {
            return;
        };
        self.acked = self.acked.max(highest);
        let late = self.acked.saturating_sub(REORDERING);
        let is_known = |number: u64| is_in(ranges, number);
        let mut lost = 0;
        let (in_flight, asking) = (&mut self.in_flight, &mut self.asking);
        self.outstanding.retain(|(number, bytes)| {
            let is_known = is_known(*number);
            let is_lost = !is_known && *number <= late;
            lost += u64::from(is_lost);
            if is_known {
                asking.is_acknowledged(*number);
            }
            let stays = !is_lost && !is_known;
            *in_flight -= if stays { 0 } else { usize::from(*bytes) };
            stays
        });
        self.counts.lost += lost;
        // When quinn has lost a packet it is to see later ones acknowledged, too.
        let mut has_quinn_lost = false;
        self.quinn.retain(|number| {
            let is_lost = !is_known(*number) && *number <= late;
            has_quinn_lost |= is_lost;
            !is_lost && !is_known(*number)
        });
        self.is_troubled |= lost > 0 || has_quinn_lost;
        let settled = self.quinn.front().copied().unwrap_or(self.numbers.next());
        self.numbers.forget_below(settled);
    }

    fn update_sending(&mut self, sealed: Phase) {
        self.is_updating = false;
        if self
            .sending
            .as_ref()
            .is_some_and(|now| now.generation < sealed.generation)
        {
            self.sending = Some(sealed);
            self.sealed = 0;
        }
    }

    fn remember_peer(&mut self, cid: &[u8]) {
        let mut peer = Peer {
            cid: [0; 20],
            len: cid.len() as u8,
        };
        // QUIC has none longer.
        if let Some(place) = peer.cid.get_mut(..cid.len()) {
            place.copy_from_slice(cid);
            self.peer = Some(peer);
        }
    }
}

/// Whether a number is in one of the ranges, the highest of which comes first. Of a peer that
/// sends several frames with ranges that overlap some may be overlooked.
fn is_in(ranges: &[(u64, u64)], number: u64) -> bool {
    let at = ranges.partition_point(|(low, _)| *low > number);
    ranges.get(at).is_some_and(|(_, high)| number <= *high)
}

/// A packet number from its last bytes: the one nearest to what is expected (RFC 9000,
/// appendix A.3).
fn expand(field: &[u8], expected: u64) -> u64 {
    let truncated = field
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte));
    let window = 1 << (8 * field.len());
    let candidate = expected & !(window - 1) | truncated;
    if candidate + window / 2 <= expected && candidate < (1 << 62) - window {
        candidate + window
    } else if candidate > expected + window / 2 && candidate >= window {
        candidate - window
    } else {
        candidate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_from_their_last_bytes() {
        // The example of RFC 9000, appendix A.3.
        assert_eq!(expand(&[0x9b, 0x32], 0xa82f_30eb), 0xa82f_9b32);
        assert_eq!(expand(&[0], 0), 0);
        assert_eq!(expand(&[255], 0), 255);
        assert_eq!(expand(&[2], 254), 258);
        assert_eq!(expand(&[250], 258), 250);
        assert_eq!(expand(&[0, 0, 0, 0], 1 << 32), 1 << 32);
    }
}
