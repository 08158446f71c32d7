//! Floods, rubbish, and clients that break the rules.

use super::*;
use crate::testing::first_packets;

mod clients;

#[test]
fn a_handshake_that_stops_is_forgotten() {
    let mut pair = Pair::new(|_| {});
    pair.loses = |_| true;
    pair.connect();
    pair.run(ms(500));
    assert_eq!(pair.core.stats().handshakes, 1);
    pair.run(ms(30_000));
    assert_eq!(pair.core.stats().sessions, 0);
    assert_eq!(pair.core.stats().handshakes, 0);
}

#[test]
fn an_address_not_validated_gets_three_times_what_it_sent_and_one_packet_at_most() {
    let mut pair = Pair::new(|_| {});
    let firsts = first_packets(60);
    for (number, first) in (0..).zip(&firsts) {
        let from = SocketAddr::from(([10, 1, 0, number], 9));
        let mut first = first.clone();
        match number {
            0..50 => {}
            // Something of no connection at all, and another version.
            50..55 => first.truncate(50),
            _ => first[1..5].copy_from_slice(&[0x1a, 0x2a, 0x3a, 0x4a]),
        }
        pair.inject(from, &first);
    }
    // Every timer of theirs runs out, with nobody there.
    pair.run(ms(30_000));
    assert_eq!(pair.core.stats().sessions, 0);
    for (address, traffic) in &pair.traffic {
        assert!(traffic.is_bounded(), "{address}: {traffic:?}");
    }
    let answered = pair.traffic.values().filter(|traffic| traffic.sent > 0);
    assert!(answered.count() >= 50, "{:?}", pair.traffic);
}

#[test]
fn an_address_a_listener_seems_to_move_to_gets_no_more_either() {
    let mut pair = Pair::new(|_| {});
    pair.clients.shows_datagrams = false;
    let (client, opened) = pair.open();
    join(&mut pair, opened.session, 1);
    broadcast(&mut pair, 20);
    // Somebody on the way sends a listener's packet from another address, before it comes
    // from its own.
    pair.clients.conn(client).ping();
    let mut batch = crate::Batch::new();
    pair.clients.poll_transmit(pair.now, &mut batch);
    let stranger = SocketAddr::from(([10, 6, 6, 6], 6));
    let [packet] = batch.packets() else {
        panic!("{batch:?}")
    };
    pair.inject(stranger, &packet.bytes);
    broadcast(&mut pair, 50);
    let traffic = pair.traffic[&stranger];
    assert!(traffic.sent > 0 && traffic.is_bounded(), "{traffic:?}");
    // With the listener's next word the sound is its own again.
    pair.clients.conn(client).ping();
    pair.run(ms(50));
    let before = pair.clients.datagrams(client);
    broadcast(&mut pair, 50);
    pair.run(ms(300));
    assert_eq!(pair.clients.datagrams(client) - before, 50);
    let traffic = pair.traffic[&stranger];
    assert!(traffic.is_bounded(), "{traffic:?}");
}

#[test]
fn a_flood_of_handshakes_leaves_those_on_air_alone() {
    let mut pair = Pair::new(|config| {
        config.handshakes_unvalidated_max = 10;
        config.handshakes_max = 50;
    });
    pair.clients.shows_datagrams = false;
    let (client, opened) = pair.open();
    join(&mut pair, opened.session, 1);
    // First packets of as many clients, that never say anything more.
    let firsts = first_packets(1000);
    for (round, firsts) in (0..).zip(firsts.chunks(10)) {
        for (number, first) in (0..).zip(firsts) {
            pair.inject(SocketAddr::from(([172, 16, round, number], 7)), first);
        }
        broadcast(&mut pair, 1);
    }
    pair.run(ms(100));
    assert_eq!(pair.clients.datagrams(client), 100);
    let stats = pair.core.stats();
    assert!(stats.handshakes <= 50, "{stats:?}");
    assert!(stats.retried >= 900, "{stats:?}");
    // And somebody with an address of their own still gets in, by a retry.
    let (_, late) = pair.open();
    assert_ne!(late.session, opened.session);
}

#[test]
fn a_crowd_waits_for_its_turn_and_need_not_knock_again() {
    let mut pair = Pair::new(|config| {
        config.handshakes_per_second = 20;
        config.handshakes_unvalidated_max = 0;
    });
    for _ in 0..30 {
        pair.connect();
    }
    // A quarter of a second's worth at once, the others as the rate allows.
    pair.run(ms(1000));
    let open = |pair: &Pair| {
        let opened = |event: &&ClientEvent| matches!(event, ClientEvent::Open(_));
        pair.client_events.iter().filter(opened).count()
    };
    assert!((20..=25).contains(&open(&pair)), "{}", open(&pair));
    pair.run(ms(400));
    assert_eq!(open(&pair), 30);
    let stats = pair.core.stats();
    assert_eq!((stats.refused, stats.retried), (0, 30));
}

#[test]
fn who_has_waited_too_long_is_dropped() {
    let mut pair = Pair::new(|config| {
        config.handshakes_per_second = 1;
        config.handshakes_unvalidated_max = 0;
    });
    for _ in 0..10 {
        pair.connect();
    }
    pair.run(ms(2500));
    let stats = pair.core.stats();
    assert!((5..=8).contains(&stats.refused), "{stats:?}");
    // Those that knock again are no reason to keep what waits for ever.
    pair.run(ms(20_000));
    assert_eq!(pair.core.stats().handshakes, 0);
}

#[test]
fn streams_nobody_serves_are_rejected_and_the_session_goes_on() {
    let mut pair = Pair::new(|_| {});
    let (client, opened) = pair.open();
    let conn = pair.clients.conn(client);
    for bytes in [&[0x54, 0][..], &[0x21, 1, 2, 3], &[0x40, 0x54, 0, 9]] {
        let stream = conn.streams().open(Dir::Uni).unwrap();
        conn.send_stream(stream).write(bytes).unwrap();
    }
    // A second WebTransport stream, and a request for a page.
    let stream = conn.streams().open(Dir::Bi).unwrap();
    conn.send_stream(stream)
        .write(&[0x40, 0x41, 0, b'x'])
        .unwrap();
    let stream = conn.streams().open(Dir::Bi).unwrap();
    // GET https /: indexes 17, 23, 1 of the static table.
    conn.send_stream(stream)
        .write(&[0x01, 5, 0, 0, 0xd1, 0xd7, 0xc1])
        .unwrap();
    pair.run(ms(200));
    assert!(pair.events.is_empty(), "{:?}", pair.events);
    pair.clients.write(client, b"still here");
    pair.run(ms(100));
    assert_eq!(
        pair.events.pop_front(),
        Some(Event::Control {
            session: opened.session,
            bytes: Bytes::from_static(b"still here")
        })
    );
}

#[test]
fn breaking_http3_ends_the_connection_with_its_code() {
    for (bytes, dir, code) in [
        // A second control stream; a push stream.
        (&[0x00, 0x04, 0x00][..], Dir::Uni, 0x103),
        (&[0x01, 0x00], Dir::Uni, 0x103),
        // DATA as a request's first frame; a frame of HTTP/2.
        (&[0x00, 0x01, 0xff], Dir::Bi, 0x105),
        (&[0x06, 0x00], Dir::Bi, 0x105),
        // Headers that name the dynamic table; headers above any use.
        (&[0x01, 0x03, 0x01, 0x00, 0x80], Dir::Bi, 0x200),
        (&[0x01, 0x80, 0x10, 0x00, 0x00], Dir::Bi, 0x107),
    ] {
        let mut pair = Pair::new(|_| {});
        let (client, opened) = pair.open();
        let conn = pair.clients.conn(client);
        let stream = conn.streams().open(dir).unwrap();
        conn.send_stream(stream).write(bytes).unwrap();
        pair.run(ms(200));
        let lost = ClientEvent::Lost(client, format!("closed {code}"));
        assert!(
            pair.take_client_event(&lost),
            "{bytes:?} {:?}",
            pair.client_events
        );
        assert!(matches!(
            closed(&mut pair, opened.session),
            Cause::Protocol(_)
        ));
    }
}

#[test]
fn keys_change_without_a_gap() {
    let mut pair = Pair::new(|_| {});
    pair.clients.shows_datagrams = false;
    let (client, opened) = pair.open();
    join(&mut pair, opened.session, 1);
    broadcast(&mut pair, 50);
    pair.clients.conn(client).force_key_update();
    broadcast(&mut pair, 50);
    pair.run(ms(100));
    assert_eq!(pair.clients.datagrams(client), 100);
}

#[test]
fn commands_for_sessions_that_are_gone_do_nothing() {
    let mut pair = Pair::new(|_| {});
    let (client, opened) = pair.open();
    let session = opened.session;
    join(&mut pair, session, 1);
    pair.clients.close(pair.now, client, 0, "");
    pair.run(ms(3000));
    assert_eq!(pair.core.stats().sessions, 0);
    let (_, next) = pair.open();
    assert_eq!(next.session.slot(), session.slot());
    join(&mut pair, session, 1);
    write(&mut pair, session, Lane::Control, b"lost");
    let reason = String::new();
    command(
        &mut pair,
        Command::Close {
            session,
            code: 0,
            reason,
        },
    );
    broadcast(&mut pair, 5);
    assert_eq!(pair.core.stats().frames_sent, 0);
    assert!(
        pair.client_events
            .iter()
            .all(|event| !matches!(event, ClientEvent::Capsule(..) | ClientEvent::Control(..)))
    );
}

#[test]
fn rubbish_replays_and_truncations_do_no_harm() {
    let seed = rand::rng().next_u64();
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let mut pair = Pair::new(|_| {});
    pair.clients.shows_datagrams = false;
    let (client, opened) = pair.open();
    join(&mut pair, opened.session, 1);
    let mut seen: Vec<Vec<u8>> = Vec::new();
    let mut batch = crate::Batch::new();
    for _ in 0..100 {
        pair.connect();
        batch.clear();
        while pair.clients.poll_transmit(pair.now, &mut batch) {}
        for packet in batch.packets() {
            pair.inject(pair.client_address, &packet.bytes);
            seen.push(packet.bytes.clone());
        }
        for _ in 0..20 {
            let mut bytes = match rng.random_range(0..3) {
                0 => (0..rng.random_range(0..1500))
                    .map(|_| rng.random())
                    .collect(),
                _ => seen[rng.random_range(0..seen.len())].clone(),
            };
            if rng.random() && !bytes.is_empty() {
                bytes.truncate(rng.random_range(0..bytes.len()));
            }
            if rng.random() && !bytes.is_empty() {
                let at = rng.random_range(0..bytes.len());
                bytes[at] ^= 1 << rng.random_range(0..8);
            }
            let from = match rng.random() {
                true => pair.client_address,
                false => SocketAddr::from((rng.random::<[u8; 4]>(), rng.random())),
            };
            pair.inject(from, &bytes);
        }
        broadcast(&mut pair, 1);
    }
    pair.run(ms(100));
    assert_eq!(pair.clients.datagrams(client), 100);
}
