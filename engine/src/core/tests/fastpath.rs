//! Frames that go past quinn, beside all that goes through it.

use super::*;

/// A listener on track 1, and what the engine told of it.
fn listener(pair: &mut Pair) -> (usize, SessionId) {
    let (client, opened) = pair.open();
    join(pair, opened.session, 1);
    (client, opened.session)
}

/// Sends a numbered frame every 20 ms.
fn numbered(pair: &mut Pair, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let mut payload = [7; 250];
        payload[..4].copy_from_slice(&number.to_be_bytes());
        pair.core.handle_frame(track(1), Frame::new(&payload));
        pair.run(ms(20));
    }
}

/// The numbers of the frames the client has, in the order they came.
fn heard(pair: &mut Pair, client: usize) -> Vec<u32> {
    let mut numbers = Vec::new();
    pair.client_events.retain(|event| match event {
        ClientEvent::Datagram(number, bytes) if *number == client => {
            numbers.push(u32::from_be_bytes(bytes[..4].try_into().unwrap()));
            false
        }
        _ => true,
    });
    numbers
}

#[test]
fn frames_go_the_fast_way_once_each_and_in_order() {
    let mut pair = Pair::new(|_| {});
    let (client, _) = listener(&mut pair);
    numbered(&mut pair, 0..500);
    pair.run(ms(100));
    assert_eq!(heard(&mut pair, client), (0..500).collect::<Vec<_>>());
    let stats = pair.core.stats();
    // One of a second, and the first, go the long way.
    assert!((485..495).contains(&stats.fast_sent), "{stats:?}");
    assert!(stats.fast_received > 60, "{stats:?}");
    assert!(pair.events.is_empty(), "{:?}", pair.events);
}

#[test]
fn it_can_be_left_off() {
    let mut pair = Pair::new(|config| config.fast_path = false);
    let (client, _) = listener(&mut pair);
    numbered(&mut pair, 0..100);
    pair.run(ms(100));
    assert_eq!(heard(&mut pair, client).len(), 100);
    assert_eq!(pair.core.stats().fast_sent, 0);
}

#[test]
fn a_summary_counts_both_ways() {
    let mut pair = Pair::new(|_| {});
    let (client, session) = listener(&mut pair);
    pair.loses = |number| number % 25 == 0;
    numbered(&mut pair, 0..500);
    pair.loses = |_| false;
    pair.run(ms(500));
    let now = pair.now;
    pair.clients.close(now, client, 3, "");
    pair.run(ms(500));
    let Some(Event::Closed {
        summary,
        session: closed,
        ..
    }) = pair.events.pop_back()
    else {
        panic!("not closed");
    };
    assert_eq!(closed, session);
    assert!(summary.packets_sent >= 500, "{summary:?}");
    let lost = summary.packets_lost;
    assert!((15..=25).contains(&lost), "{summary:?}");
}

/// Control bytes both ways, key updates of both sides, losses and lulls, all at random: quinn
/// is never in doubt and every byte arrives.
#[test]
fn streams_and_key_updates_live_beside_it() {
    for seed in 0..12 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut pair = Pair::new(|_| {});
        let (client, session) = listener(&mut pair);
        pair.loses = match seed % 3 {
            0 => |_| false,
            1 => |number| number % 13 == 0,
            _ => |number| number % 97 < 9,
        };
        let (mut sent, mut told) = (0, 0);
        for _ in 0..1000 {
            pair.core.handle_frame(track(1), Frame::new(&[7; 250]));
            match rng.random_range(0..60) {
                0 => {
                    sent += pair.clients.write(client, &[b'c'; 900]);
                }
                1 => {
                    write(&mut pair, session, Lane::Control, &[b's'; 3000]);
                    told += 3000;
                }
                2 => pair.clients.conn(client).force_key_update(),
                3 => pair.core.force_key_update(session),
                4 => pair.run(ms(rng.random_range(0..3000))),
                5 => pair.clients.send_datagram(client, &[1; 30]),
                _ => {}
            }
            pair.run(ms(20));
            assert!(
                pair.clients.has(client),
                "seed {seed}: {:?} {:?}",
                pair.events,
                pair.client_events.back()
            );
            pair.events.retain(|event| match event {
                Event::Control { bytes, .. } => {
                    sent -= bytes.len();
                    false
                }
                _ => true,
            });
            for event in std::mem::take(&mut pair.client_events) {
                if let ClientEvent::Control(_, bytes) = event {
                    told -= bytes.len();
                }
            }
            let taken = Command::Consumed {
                session,
                bytes: 900,
            };
            command(&mut pair, taken);
        }
        pair.run(ms(3000));
        for event in &pair.events {
            match event {
                Event::Control { bytes, .. } => sent -= bytes.len(),
                event => assert!(
                    matches!(event, Event::Datagram { .. }),
                    "seed {seed}: {event:?}"
                ),
            }
        }
        for event in &pair.client_events {
            if let ClientEvent::Control(_, bytes) = event {
                told -= bytes.len();
            }
        }
        assert_eq!((sent, told), (0, 0), "seed {seed}");
        let stats = pair.core.stats();
        let least = [600, 5, 20][seed as usize % 3];
        assert!(stats.fast_sent > least, "seed {seed}: {stats:?}");
        // Decryption never fails: a number is never read wrongly.
        let received = pair.clients.datagrams(client);
        let least = if seed % 3 == 0 { 1000 } else { 850 };
        assert!(received >= least, "seed {seed}: {received}");
    }
}

/// Ten seconds of frames, with `extra` in between: the packets that came for them, and those
/// that went.
fn ten_seconds(pair: &mut Pair, mut extra: impl FnMut(&mut Pair, u32)) -> (u64, u64) {
    numbered(pair, 0..100);
    let (received, sent) = (pair.core.stats().packets_received, pair.sent);
    for number in 100..600 {
        numbered(pair, number..number + 1);
        extra(pair, number);
    }
    let received = pair.core.stats().packets_received - received;
    (received, pair.sent - sent)
}

#[test]
fn a_peer_that_may_acknowledges_seldom_and_quinn_doubts_nothing() {
    let mut pair = Pair::new(|config| config.ack_every = None);
    listener(&mut pair);
    let (often, _) = ten_seconds(&mut pair, |_, _| {});
    assert!((240..=270).contains(&often), "{often} for 500");
    let mut pair = Pair::new(|_| {});
    let (client, _) = listener(&mut pair);
    let (seldom, sent) = ten_seconds(&mut pair, |_, _| {});
    assert!((80..=110).contains(&seldom), "{seldom} for 500");
    // No probes: what quinn sends is acknowledged at once.
    assert!((500..=503).contains(&sent), "{sent}");
    let now = pair.now;
    pair.clients.close(now, client, 3, "");
    pair.run(ms(500));
    let Some(Event::Closed { summary, .. }) = pair.events.pop_back() else {
        panic!("not closed");
    };
    // Twice 10 ms, and no frame's time more.
    assert!(summary.rtt < ms(25), "{summary:?}");
}

#[test]
fn control_bytes_in_between_are_acknowledged_with_the_next_frame() {
    let mut pair = Pair::new(|_| {});
    let (_, session) = listener(&mut pair);
    let (received, sent) = ten_seconds(&mut pair, |pair, number| {
        if number % 10 == 3 {
            write(pair, session, Lane::Control, b"now playing");
        }
    });
    // 50 packets more, and as many acknowledgements: hardly any come besides.
    assert!((95..=115).contains(&received), "{received}");
    assert!((550..=553).contains(&sent), "{sent}");
}

#[test]
fn a_lossy_path_is_quinns() {
    let mut pair = Pair::new(|_| {});
    let (client, _) = listener(&mut pair);
    numbered(&mut pair, 0..100);
    let before = pair.core.stats().fast_sent;
    pair.loses = |number| number % 10 == 0;
    numbered(&mut pair, 100..600);
    let fast = pair.core.stats().fast_sent - before;
    assert!(fast < 150, "{fast} of 500 the fast way");
    pair.loses = |_| false;
    numbered(&mut pair, 600..700);
    let before = pair.core.stats().fast_sent;
    numbered(&mut pair, 700..800);
    let fast = pair.core.stats().fast_sent - before;
    assert!(fast > 90, "{fast} of 100 when all is well again");
    let heard = heard(&mut pair, client);
    assert!(heard.is_sorted() && heard.len() > 730, "{}", heard.len());
}

#[test]
fn whoever_acknowledges_nothing_is_quinns_and_times_out() {
    let mut pair = Pair::new(|config| config.idle_timeout = ms(5000));
    let (_, session) = listener(&mut pair);
    numbered(&mut pair, 0..50);
    pair.is_mute = true;
    let before = pair.core.stats().fast_sent;
    numbered(&mut pair, 50..400);
    assert!(pair.core.stats().fast_sent - before <= 64);
    assert_eq!(closed(&mut pair, session), Cause::TimedOut);
}

#[test]
fn whoever_moves_hears_on_through_quinn() {
    let mut pair = Pair::new(|_| {});
    let (client, _) = listener(&mut pair);
    numbered(&mut pair, 0..100);
    pair.client_address = SocketAddr::from(([10, 0, 0, 77], 7777));
    let before = pair.core.stats().fast_sent;
    pair.clients.write(client, b"here");
    numbered(&mut pair, 100..300);
    let fast = pair.core.stats().fast_sent - before;
    // Until its first packet from there is here.
    assert!(fast < 10, "{fast}");
    let heard = heard(&mut pair, client);
    assert!(
        heard.len() >= 290 && heard.ends_with(&[298, 299]),
        "{heard:?}"
    );
}

#[test]
fn a_packet_sent_again_from_elsewhere_is_not_taken() {
    let mut pair = Pair::new(|_| {});
    let (client, _) = listener(&mut pair);
    numbered(&mut pair, 0..100);
    pair.is_holding = true;
    numbered(&mut pair, 100..102);
    let held = pair.held();
    let before = pair.core.stats().fast_received;
    let elsewhere = SocketAddr::from(([10, 9, 9, 9], 9));
    for packet in &held {
        pair.inject(elsewhere, packet);
    }
    assert_eq!(pair.core.stats().fast_received, before);
    pair.is_holding = false;
    numbered(&mut pair, 102..200);
    pair.run(ms(100));
    assert_eq!(heard(&mut pair, client), (0..200).collect::<Vec<_>>());
}
