//! Sound for one WebTransport listener.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use quinn::SendDatagramError;
use wtransport::Connection;

use super::super::quic::DATAGRAMS_OUT_BYTES;
use crate::fanout::queue::{LISTENER_WAIT, PacketQueue, packets_in};
use crate::fanout::{Packet, Sent, Sink};

/// Hands packets to one QUIC connection without waiting for it.
///
/// quinn's own queue of datagrams is bounded in bytes, the same for every
/// bitrate, and drops unseen. So at most half of the time a listener may be
/// behind is left to it; the other half waits here, drops its oldest and is
/// counted. On a path that keeps up both are empty.
pub(super) struct DatagramSink {
    connection: quinn::Connection,
    /// What comes before each datagram on this session, unless it is the usual zero byte.
    prefix: Option<Vec<u8>>,
    behind: Mutex<PacketQueue>,
}

impl DatagramSink {
    pub(super) fn new(connection: &Connection) -> Self {
        // HTTP/3 datagrams (RFC 9297) begin with a quarter of their stream's id.
        let quarter = connection.session_id().into_u64() / 4;
        let mut prefix = Vec::new();
        wire::varint::encode(quarter, &mut prefix);
        Self {
            connection: connection.quic_connection().clone(),
            prefix: (prefix != [0]).then_some(prefix),
            behind: Mutex::new(PacketQueue::new(LISTENER_WAIT / 2)),
        }
    }

    /// Whether quinn may have this one too.
    fn has_room(&self, packet: &Packet) -> bool {
        let waiting =
            DATAGRAMS_OUT_BYTES.saturating_sub(self.connection.datagram_send_buffer_space());
        let size = packet.prefixed().len();
        // What the empty queue counts as used is one datagram's bookkeeping.
        let bound = packets_in(LISTENER_WAIT / 2, packet.frame_us) * (size + 32);
        waiting <= bound && waiting + 2 * (size + 32) <= DATAGRAMS_OUT_BYTES
    }

    fn hand_over(&self, packet: &Packet) -> Sent {
        let bytes = match &self.prefix {
            None => packet.prefixed().clone(),
            Some(prefix) => Bytes::from([prefix, &packet.prefixed()[1..]].concat()),
        };
        match self.connection.send_datagram(bytes) {
            Ok(()) => Sent::Queued,
            Err(SendDatagramError::TooLarge) => Sent::Refused,
            // The session's own task notices, and takes the listener off the track.
            Err(_) => Sent::Refused,
        }
    }
}

impl Sink for DatagramSink {
    fn send(&self, packet: &Packet) -> Sent {
        let mut behind = self.behind.lock().unwrap_or_else(PoisonError::into_inner);
        if behind.is_empty() && self.has_room(packet) {
            return self.hand_over(packet);
        }
        let sent = behind.push(packet.clone());
        while self.has_room(packet) {
            let Some(waiting) = behind.pop() else {
                break;
            };
            // Turned to another track meanwhile: stale sound is nobody's.
            if waiting.track == packet.track {
                self.hand_over(&waiting);
            }
        }
        sent
    }
}
