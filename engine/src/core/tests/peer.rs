//! A client that goes on without quinn, as those of the load do.

use bytes::BytesMut;
use wire::varint;

use super::*;
use crate::testing::{HandedOver, client_tls, handed_over_config};

/// Behind the number in a datagram.
const MARK: &[u8] = b"is its number";

/// Acknowledges one packet.
fn acknowledge(pair: &mut Pair, from: SocketAddr, rest: &HandedOver, number: u64) {
    let mut frame = Vec::new();
    // ACK: the largest, the delay, no more ranges, one packet.
    for value in [0x02, number, 0, 0, 0] {
        varint::encode(value, &mut frame);
    }
    let mut packet = Vec::new();
    assert!(rest.link.seal_frames(&frame, &mut packet));
    pair.inject(from, &packet);
}

/// The number at the head of a packet's datagram.
fn numbered(frames: &[u8]) -> Option<u32> {
    let mark = frames.windows(MARK.len()).position(|bytes| bytes == MARK)?;
    let number = frames.get(mark.checked_sub(4)?..mark)?;
    Some(u32::from_be_bytes(number.try_into().ok()?))
}

#[test]
fn it_hears_and_is_heard_on_through_an_update_of_keys() {
    let mut pair = Pair::new(|_| {});
    pair.clients.configure(handed_over_config(client_tls()));
    let (client, opened) = pair.open();
    join(&mut pair, opened.session, 1);
    pair.run(ms(200));
    let from = pair.client_address;
    let rest = pair.clients.hand_over(client).expect("it is open");
    assert!(!pair.clients.has(client));
    // From here on nobody takes what comes to it, and it is kept.
    pair.client_address = SocketAddr::from(([10, 0, 0, 9], 9));
    let (mut heard, mut frames) = (Vec::new(), BytesMut::new());
    for number in 0..300_u32 {
        if number == 100 {
            pair.core.force_key_update(opened.session);
        }
        let mut payload = [7; 250];
        payload[..4].copy_from_slice(&number.to_be_bytes());
        payload[4..][..MARK.len()].copy_from_slice(MARK);
        pair.core.handle_frame(track(1), Frame::new(&payload));
        pair.run(ms(20));
        for (_, packet) in std::mem::take(&mut pair.strays).into_iter().rev() {
            let opened = rest.link.open_whole(&packet, &mut frames);
            let packet = opened.expect("it is for this connection");
            heard.extend(numbered(&frames));
            acknowledge(&mut pair, from, &rest, packet);
        }
    }
    assert_eq!(heard, (0..300).collect::<Vec<_>>());
    assert!(pair.events.is_empty(), "{:?}", pair.events);
    let stats = pair.core.stats();
    assert!(stats.fast_sent > 250, "{stats:?}");
    // Every acknowledgement was understood, or its packets would count as lost by now.
    assert!(stats.fast_received > 250, "{stats:?}");
    let mut packet = b"another's packet, or none at all, 40 B".to_vec();
    packet[0] = 0x41;
    assert!(rest.link.open_whole(&packet, &mut frames).is_none());
}
