//! A core and foreign clients in virtual time.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use quinn_proto::{Dir, VarInt};
use rand::{Rng, RngCore, SeedableRng, rngs::StdRng};
use wire::TrackId;

use crate::message::{Cause, Command, Event, Frame, Frames, Lane, SessionId};
use crate::testing::{ClientEvent, Pair};

mod closing;
mod fastpath;
mod faults;
mod hostile;
mod peer;
mod pressure;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn track(number: u64) -> TrackId {
    TrackId::new(number).unwrap()
}

fn command(pair: &mut Pair, command: Command) {
    pair.core.handle_command(pair.now, command);
}

fn write(pair: &mut Pair, session: SessionId, lane: Lane, bytes: &'static [u8]) {
    let bytes = Bytes::from_static(bytes);
    command(
        pair,
        Command::Write {
            session,
            lane,
            bytes,
        },
    );
}

fn join(pair: &mut Pair, session: SessionId, number: u64) {
    let track = track(number);
    command(pair, Command::Join { session, track });
}

/// Sends a frame of 250 bytes on track 1 every 20 ms.
fn broadcast(pair: &mut Pair, frames: usize) {
    for _ in 0..frames {
        pair.core.handle_frame(track(1), Frame::new(&[7; 250]));
        pair.run(ms(20));
    }
}

fn closed(pair: &mut Pair, session: SessionId) -> Cause {
    let at = pair.events.iter().position(
        |event| matches!(event, Event::Closed { session: closed, .. } if *closed == session),
    );
    match at.and_then(|at| pair.events.remove(at)) {
        Some(Event::Closed { cause, .. }) => cause,
        _ => panic!("not closed: {:?}", pair.events),
    }
}

#[test]
fn a_session_opens_with_what_was_asked() {
    let mut pair = Pair::new(|_| {});
    let (_, opened) = pair.open();
    assert_eq!(opened.path, "/v1");
    assert_eq!(opened.authority, "localhost");
    assert_eq!(opened.remote, pair.client_address);
    assert_eq!(opened.session.thread(), 3);
    assert!(opened.datagram_bytes_max >= 1190, "{opened:?}");
}

#[test]
fn control_bytes_go_both_ways_and_lanes_are_streams() {
    let mut pair = Pair::new(|_| {});
    let (client, opened) = pair.open();
    pair.clients.write(client, b"hello");
    write(&mut pair, opened.session, Lane::Uni(1), b"meta");
    pair.run(ms(100));
    assert_eq!(
        pair.events.pop_front(),
        Some(Event::Control {
            session: opened.session,
            bytes: Bytes::from_static(b"hello")
        })
    );
    write(&mut pair, opened.session, Lane::Control, b"welcome");
    write(&mut pair, opened.session, Lane::Uni(1), b"data");
    pair.run(ms(100));
    let said = |bytes: &'static [u8]| ClientEvent::Control(client, Bytes::from_static(bytes));
    assert!(pair.take_client_event(&said(b"welcome")));
    let uni: Vec<u8> = pair
        .client_events
        .iter()
        .filter_map(|event| match event {
            ClientEvent::Uni(_, 0, bytes) => Some(bytes.to_vec()),
            _ => None,
        })
        .flatten()
        .collect();
    assert_eq!(uni, b"metadata");
}

#[test]
fn writes_on_control_wait_for_the_stream() {
    let mut pair = Pair::new(|config| config.accept_at_once = false);
    pair.connect();
    pair.run(ms(200));
    let Some(Event::Opened(opened)) = pair.events.pop_front() else {
        panic!("not asked");
    };
    let session = opened.session;
    write(&mut pair, session, Lane::Control, b"early");
    pair.run(ms(200));
    assert!(pair.client_events.is_empty());
    command(&mut pair, Command::Accept { session });
    pair.run(ms(200));
    assert!(pair.take_client_event(&ClientEvent::Open(0)));
    // The stream exists for the engine once the client has sent something on it: its header.
    let early = ClientEvent::Control(0, Bytes::from_static(b"early"));
    assert!(pair.take_client_event(&early));
}

#[test]
fn a_full_core_takes_nobody_and_serves_those_it_has() {
    let mut pair = Pair::new(|_| {});
    pair.clients.shows_datagrams = false;
    let (client, opened) = pair.open();
    join(&mut pair, opened.session, 1);
    pair.core.set_full(true);
    let refused = pair.connect();
    broadcast(&mut pair, 20);
    let lost = pair.client_events.pop_front();
    assert!(
        matches!(&lost, Some(ClientEvent::Lost(number, text)) if *number == refused && text.contains("refused")),
        "{lost:?}"
    );
    assert_eq!(pair.clients.datagrams(client), 20);
    assert_eq!(pair.core.stats().refused, 1);
    pair.core.set_full(false);
    pair.open();
}

#[test]
fn a_refusal_is_a_status() {
    let mut pair = Pair::new(|config| config.accept_at_once = false);
    pair.connect();
    pair.run(ms(200));
    let Some(Event::Opened(opened)) = pair.events.pop_front() else {
        panic!("not asked");
    };
    let session = opened.session;
    command(
        &mut pair,
        Command::Refuse {
            session,
            status: 429,
        },
    );
    pair.run(ms(2000));
    assert!(pair.take_client_event(&ClientEvent::Refused(0, 429)));
    assert_eq!(closed(&mut pair, session), Cause::Local);
    pair.run(ms(2000));
    assert_eq!(pair.core.stats().sessions, 0);
}

#[test]
fn frames_reach_those_who_joined_and_nobody_else() {
    let mut pair = Pair::new(|_| {});
    pair.clients.shows_datagrams = false;
    let listeners: Vec<_> = (0..20).map(|_| pair.open()).collect();
    for (_, opened) in &listeners[..15] {
        join(&mut pair, opened.session, 1);
    }
    join(&mut pair, listeners[15].1.session, 2);
    broadcast(&mut pair, 10);
    let session = listeners[3].1.session;
    command(&mut pair, Command::Leave { session });
    join(&mut pair, listeners[4].1.session, 2);
    broadcast(&mut pair, 10);
    pair.run(ms(100));
    for (at, (client, _)) in listeners.iter().enumerate() {
        let expected = match at {
            3 | 4 => 10,
            0..15 => 20,
            _ => 0,
        };
        assert_eq!(pair.clients.datagrams(*client), expected, "client {at}");
    }
    assert_eq!(pair.core.stats().frames_sent, 15 * 10 + 13 * 10);
}

/// The datagrams a client was sent, as numbers of their first byte.
fn heard(pair: &mut Pair, client: usize) -> Vec<u8> {
    let told = pair.client_events.iter();
    let heard = told.filter_map(|event| match event {
        ClientEvent::Datagram(number, bytes) if *number == client => bytes.first().copied(),
        _ => None,
    });
    heard.collect()
}

#[test]
fn each_level_is_sent_its_encoding_and_a_change_of_level_loses_nothing() {
    let mut pair = Pair::new(|_| {});
    let clients = [(); 3].map(|()| pair.open());
    for (level, (_, opened)) in clients.iter().enumerate() {
        let (session, level) = (opened.session, level as u8);
        join(&mut pair, session, 1);
        command(&mut pair, Command::Level { session, level });
    }
    let frames = |number: u8| {
        let own = Frame::new(&[100 + number; 200]);
        Frames::from(Frame::new(&[number; 100])).with(1, own)
    };
    for number in 0..4 {
        pair.core.handle_frame(track(1), frames(number));
        if number == 1 {
            // While a frame waits for those of another level.
            let session = clients[0].1.session;
            command(&mut pair, Command::Level { session, level: 1 });
        }
        pair.run(ms(20));
    }
    // A level stays over a change of track.
    join(&mut pair, clients[1].1.session, 2);
    pair.core.handle_frame(track(2), frames(9));
    pair.run(ms(100));
    assert_eq!(heard(&mut pair, clients[0].0), [0, 101, 102, 103]);
    assert_eq!(heard(&mut pair, clients[1].0), [100, 101, 102, 103, 109]);
    assert_eq!(heard(&mut pair, clients[2].0), [0, 1, 2, 3]);
}

#[test]
fn a_level_that_is_sent_every_fourth_frame_costs_a_fourth_of_the_packets() {
    let mut pair = Pair::new(|config| config.ack_every = None);
    let (client, opened) = pair.open();
    let session = opened.session;
    join(&mut pair, session, 1);
    command(&mut pair, Command::Level { session, level: 5 });
    pair.run(ms(1000));
    let (sent, received) = (pair.sent, pair.core.stats().packets_received);
    for number in 0..200 {
        let frames = Frames::from(Frame::new(&[number; 250]));
        let frames = match number % 4 {
            3 => frames.with(5, Frame::new(&[number; 1000])),
            _ => frames.without(5),
        };
        pair.core.handle_frame(track(1), frames);
        pair.run(ms(20));
    }
    let bundles: Vec<u8> = (0..200).filter(|number| number % 4 == 3).collect();
    assert_eq!(heard(&mut pair, client), bundles);
    assert_eq!(pair.core.stats().frames_sent, 50);
    let sent = pair.sent - sent;
    let received = pair.core.stats().packets_received - received;
    assert!(sent <= 55, "{sent} packets for 50 bundles");
    assert!(received <= 55, "{received} acknowledgements");
}

#[test]
fn a_quiet_session_stays_and_one_that_is_gone_ends() {
    let mut pair = Pair::new(|_| {});
    // These clients would ping every 10 s by themselves: too late for this server.
    let (_, opened) = pair.open();
    let sent = pair.sent;
    pair.run(ms(300_000));
    assert!(pair.sent - sent >= 60, "asked every 5 s");
    assert_eq!(pair.core.stats().sessions, 1);
    assert!(pair.events.is_empty(), "{:?}", pair.events);
    pair.is_mute = true;
    pair.run(ms(30_000));
    assert_eq!(closed(&mut pair, opened.session), Cause::TimedOut);
    assert_eq!(pair.core.stats().sessions, 0);
}

#[test]
fn one_frame_is_one_packet_and_no_more_than_one_acknowledgement_in_two() {
    let mut pair = Pair::new(|config| config.ack_every = None);
    let (_, opened) = pair.open();
    join(&mut pair, opened.session, 1);
    broadcast(&mut pair, 10);
    let (sent, received) = (pair.sent, pair.core.stats().packets_received);
    broadcast(&mut pair, 500);
    let sent = pair.sent - sent;
    let received = pair.core.stats().packets_received - received;
    assert!((500..=505).contains(&sent), "{sent} packets for 500 frames");
    assert!(received <= 260, "{received} acknowledgements");
}

#[test]
fn datagrams_of_a_client_come_without_their_prefix() {
    let mut pair = Pair::new(|_| {});
    let (client, opened) = pair.open();
    pair.clients.send_datagram(client, b"sound");
    pair.run(ms(50));
    assert_eq!(
        pair.events.pop_front(),
        Some(Event::Datagram {
            session: opened.session,
            bytes: Bytes::from_static(b"sound")
        })
    );
}

#[test]
fn a_fence_is_told_once_what_was_written_has_left() {
    let mut pair = Pair::new(|_| {});
    let (_, opened) = pair.open();
    let session = opened.session;
    let lane = Lane::Uni(1);
    write(&mut pair, session, lane, b"news");
    pair.run(ms(50));
    assert_eq!(pair.events.pop_front(), None, "nobody asked");
    command(&mut pair, Command::Fence { session, lane });
    pair.run(ms(50));
    let written = Event::Written { session, lane };
    assert_eq!(pair.events.pop_front(), Some(written));
    assert_eq!(pair.events.pop_front(), None, "once");
}

#[test]
fn sound_goes_on_through_loss_and_a_change_of_address() {
    let mut pair = Pair::new(|_| {});
    pair.clients.shows_datagrams = false;
    let (client, opened) = pair.open();
    join(&mut pair, opened.session, 1);
    pair.delay = ms(100);
    pair.loses = |number| number % 10 == 0;
    broadcast(&mut pair, 200);
    pair.run(ms(300));
    let heard = pair.clients.datagrams(client);
    assert!(
        (170..=195).contains(&heard),
        "{heard} of 200 through 10 % loss"
    );
    pair.loses = |_| false;
    // A NAT forgets the client: its packets come from elsewhere now, and the engine
    // follows with the first of them.
    pair.client_address = SocketAddr::from(([10, 9, 9, 9], 77));
    pair.clients.conn(client).ping();
    pair.run(ms(250));
    let before = pair.clients.datagrams(client);
    broadcast(&mut pair, 100);
    pair.run(ms(300));
    assert_eq!(pair.clients.datagrams(client) - before, 100);
    assert!(pair.events.is_empty(), "{:?}", pair.events);
}

#[test]
fn much_for_one_client_goes_to_the_kernel_together() {
    let mut pair = Pair::new(|_| {});
    let (client, opened) = pair.open();
    pair.run(ms(100));
    let sent = pair.core.stats().packets_sent;
    let told = [7; 8_000];
    let bytes = Bytes::copy_from_slice(&told);
    let (session, lane) = (opened.session, Lane::Control);
    let write = Command::Write {
        session,
        lane,
        bytes,
    };
    command(&mut pair, write);
    let mut batch = crate::Batch::new();
    let mut datagrams = 0;
    while pair.core.poll_transmit(pair.now, &mut batch) {}
    for packet in batch.packets() {
        assert!(packet.datagrams().all(|bytes| bytes.len() <= 1_472));
        for bytes in packet.datagrams() {
            datagrams += 1;
            pair.deliver(bytes);
        }
    }
    assert!(batch.packets().len() < datagrams, "{datagrams} one by one");
    assert_eq!(pair.core.stats().packets_sent - sent, datagrams as u64);
    pair.run(ms(100));
    let heard = pair.client_events.iter().filter_map(|event| match event {
        ClientEvent::Control(number, bytes) if *number == client => Some(bytes.len()),
        _ => None,
    });
    assert_eq!(heard.sum::<usize>(), told.len());
}
