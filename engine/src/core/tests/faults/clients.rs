//! Clients that hold sessions and use them badly: it costs themselves.

use std::sync::Arc;

use quinn_proto::TransportConfig;

use super::*;
use crate::testing::{client_config, client_tls};

/// A listener on track 1 that all is well with.
fn bystander(pair: &mut Pair) -> usize {
    let (client, opened) = pair.open();
    join(pair, opened.session, 1);
    client
}

/// Clients of the pair have this transport configuration from now on.
fn configure(pair: &mut Pair, change: impl FnOnce(&mut TransportConfig)) {
    let mut config = client_config(client_tls());
    let mut transport = TransportConfig::default();
    transport.datagram_receive_buffer_size(Some(64 * 1024));
    change(&mut transport);
    config.transport_config(Arc::new(transport));
    pair.clients.configure(config);
}

#[test]
fn a_client_of_many_streams_costs_it_the_connection_at_most() {
    let mut pair = Pair::new(|_| {});
    let (client, _) = pair.open();
    for _ in 0..200 {
        let conn = pair.clients.conn(client);
        while let Some(stream) = conn.streams().open(Dir::Bi) {
            let _ = conn.send_stream(stream).write(&[0x40]);
            let _ = conn.send_stream(stream).reset(VarInt::from_u32(1));
        }
        while let Some(stream) = conn.streams().open(Dir::Uni) {
            let _ = conn.send_stream(stream).write(&[0x21, 0]);
        }
        pair.run(ms(30));
    }
    assert!(pair.events.len() <= 1, "{:?}", pair.events);
}

#[test]
fn acknowledgements_that_come_all_at_once_free_the_way_and_nothing_else() {
    let mut pair = Pair::new(|_| {});
    pair.clients.shows_datagrams = false;
    let (client, opened) = pair.open();
    join(&mut pair, opened.session, 1);
    broadcast(&mut pair, 20);
    for _ in 0..5 {
        pair.is_holding = true;
        broadcast(&mut pair, 150);
        pair.is_holding = false;
        let sent = pair.sent;
        pair.run(ms(100));
        assert!(pair.sent - sent < 100, "a burst of {}", pair.sent - sent);
        let before = pair.clients.datagrams(client);
        broadcast(&mut pair, 50);
        pair.run(ms(100));
        assert_eq!(pair.clients.datagrams(client) - before, 50);
    }
    assert!(pair.events.is_empty(), "{:?}", pair.events);
}

#[test]
fn a_client_that_gives_no_room_is_a_slow_consumer_and_others_hear_on() {
    let mut pair = Pair::new(|config| config.lane_writes_max = 32);
    pair.clients.shows_datagrams = false;
    let well = bystander(&mut pair);
    configure(&mut pair, |transport| {
        transport
            .stream_receive_window(VarInt::from_u32(64))
            .receive_window(VarInt::from_u32(1024));
    });
    let (client, opened) = pair.open();
    let session = opened.session;
    join(&mut pair, session, 1);
    // It reads nothing of what it is told.
    pair.clients.reads_streams = false;
    let mut heard = 0;
    for _ in 0..40 {
        write(&mut pair, session, Lane::Control, &[b'x'; 500]);
        broadcast(&mut pair, 1);
        heard = pair.clients.datagrams(client).max(heard);
    }
    assert_eq!(closed(&mut pair, session), Cause::SlowConsumer);
    pair.run(ms(100));
    assert_eq!(pair.clients.datagrams(well), 40);
    assert!((20..40).contains(&heard), "{heard} frames until its end");
}

#[test]
fn a_client_that_takes_no_streams_or_small_datagrams_only_goes_without_them() {
    let mut pair = Pair::new(|_| {});
    pair.clients.shows_datagrams = false;
    let well = bystander(&mut pair);
    configure(&mut pair, |transport| {
        transport
            .datagram_receive_buffer_size(Some(100))
            // The HTTP/3 control stream alone.
            .max_concurrent_uni_streams(VarInt::from_u32(1));
    });
    let (client, opened) = pair.open();
    let session = opened.session;
    join(&mut pair, session, 1);
    write(&mut pair, session, Lane::Uni(0), b"metadata");
    write(&mut pair, session, Lane::Control, b"control");
    broadcast(&mut pair, 20);
    pair.run(ms(100));
    let control = ClientEvent::Control(client, Bytes::from_static(b"control"));
    assert!(pair.take_client_event(&control));
    assert_eq!(pair.clients.datagrams(client), 0);
    assert_eq!(pair.clients.datagrams(well), 20);
    assert_eq!(pair.core.stats().frames_dropped, 20);
    assert!(pair.events.is_empty(), "{:?}", pair.events);
}

#[test]
fn a_reset_amid_a_frame_is_the_end_of_that_stream() {
    let mut pair = Pair::new(|_| {});
    pair.clients.shows_datagrams = false;
    let (client, opened) = pair.open();
    let session = opened.session;
    join(&mut pair, session, 1);
    pair.clients.write(client, &[0x40, 0x90, b'{']);
    pair.run(ms(50));
    let control = pair.clients.control_stream(client).unwrap();
    let conn = pair.clients.conn(client);
    conn.send_stream(control)
        .reset(VarInt::from_u32(1))
        .unwrap();
    broadcast(&mut pair, 10);
    let bytes = Bytes::from_static(&[0x40, 0x90, b'{']);
    let told: Vec<_> = pair.events.drain(..).collect();
    assert_eq!(
        told,
        [
            Event::Control { session, bytes },
            Event::ControlEnd { session }
        ]
    );
    assert_eq!(pair.clients.datagrams(client), 10);
    // The stream the session stands on is another thing.
    let connect = pair.clients.connect_stream(client).unwrap();
    let conn = pair.clients.conn(client);
    conn.send_stream(connect)
        .reset(VarInt::from_u32(1))
        .unwrap();
    pair.run(ms(100));
    assert!(matches!(closed(&mut pair, session), Cause::Client { .. }));
    pair.run(ms(3000));
    assert_eq!(pair.core.stats().sessions, 0);
}

#[test]
fn a_client_that_stops_the_streams_it_is_told_on_hears_on() {
    let mut pair = Pair::new(|_| {});
    pair.clients.shows_datagrams = false;
    let (client, opened) = pair.open();
    let session = opened.session;
    join(&mut pair, session, 1);
    write(&mut pair, session, Lane::Uni(0), b"metadata");
    write(&mut pair, session, Lane::Control, b"control");
    pair.run(ms(50));
    let control = pair.clients.control_stream(client).unwrap();
    let conn = pair.clients.conn(client);
    conn.recv_stream(control).stop(VarInt::from_u32(1)).unwrap();
    pair.run(ms(50));
    for _ in 0..600 {
        write(&mut pair, session, Lane::Control, b"nobody hears it");
    }
    broadcast(&mut pair, 10);
    assert!(pair.events.is_empty(), "{:?}", pair.events);
    assert_eq!(pair.clients.datagrams(client), 10);
}
