//! Clients that do not read or acknowledge, and a caller that does not take.

use super::*;

#[test]
fn a_listener_who_acknowledges_nothing_holds_back_little_and_then_is_gone() {
    let mut pair = Pair::new(|_| {});
    pair.clients.shows_datagrams = false;
    let (_, opened) = pair.open();
    join(&mut pair, opened.session, 1);
    broadcast(&mut pair, 50);
    pair.is_mute = true;
    let sent = pair.sent_bytes;
    broadcast(&mut pair, 1400);
    let sent = pair.sent_bytes - sent;
    // The window of 32 KiB, then a trickle: 1,400 frames would be 400 KiB.
    assert!(sent < 80_000, "{sent} bytes into a dead path");
    pair.run(ms(10_000));
    assert_eq!(closed(&mut pair, opened.session), Cause::TimedOut);
    assert_eq!(pair.core.stats().sessions, 0);
}

#[test]
fn a_client_that_reads_no_control_bytes_is_a_slow_consumer() {
    let mut pair = Pair::new(|config| {
        config.lane_writes_max = 8;
        config.lane_bytes_max = 1 << 20;
    });
    let (_, opened) = pair.open();
    let session = opened.session;
    pair.loses = |_| true;
    for _ in 0..40 {
        let bytes = Bytes::from(vec![b'x'; 30_000]);
        let lane = Lane::Control;
        command(
            &mut pair,
            Command::Write {
                session,
                lane,
                bytes,
            },
        );
        pair.run(ms(10));
    }
    assert_eq!(closed(&mut pair, session), Cause::SlowConsumer);
}

#[test]
fn control_bytes_nobody_takes_block_their_sender_and_lose_nothing() {
    let mut pair = Pair::new(|config| config.events_max = 4);
    let (client, opened) = pair.open();
    let mut written = 0;
    let mut taken = 0;
    // Nobody takes events for a while: the flow-control window fills.
    for _ in 0..50 {
        written += pair.clients.write(client, &[b'x'; 16_000]);
        let mut batch = crate::Batch::new();
        while pair.clients.poll_transmit(pair.now, &mut batch) || !batch.packets().is_empty() {
            for packet in batch.packets() {
                pair.inject(pair.client_address, &packet.bytes);
            }
            batch.clear();
        }
        pair.now += ms(1);
    }
    assert!(written >= 16_000, "{written}");
    assert!(written < 400_000, "{written} bytes taken without a reader");
    for _ in 0..300 {
        pair.run(ms(20));
        while let Some(event) = pair.events.pop_front() {
            let Event::Control { session, bytes } = event else {
                panic!("{event:?}");
            };
            assert_eq!(session, opened.session);
            taken += bytes.len();
            let bytes = bytes.len();
            command(&mut pair, Command::Consumed { session, bytes });
        }
    }
    assert_eq!(taken, written);
}

#[test]
fn a_session_whose_bytes_are_not_consumed_is_not_read() {
    let mut pair = Pair::new(|config| config.control_bytes_max = 10_000);
    let (client, opened) = pair.open();
    let (other, _) = pair.open();
    let mut written = 0;
    for _ in 0..100 {
        written += pair.clients.write(client, &[b'x'; 8_000]);
        pair.run(ms(20));
    }
    let told = |pair: &mut Pair| -> usize {
        let events = pair.events.drain(..);
        events
            .map(|event| match event {
                Event::Control { bytes, .. } => bytes.len(),
                _ => 0,
            })
            .sum()
    };
    let mut taken = told(&mut pair);
    assert!((10_000..12_000).contains(&taken), "{taken}");
    assert!(written < 200_000, "{written}");
    // Others are.
    pair.clients.write(other, b"hello");
    pair.run(ms(100));
    assert_eq!(told(&mut pair), 5);
    let session = opened.session;
    for _ in 0..100 {
        let bytes = 10_000;
        command(&mut pair, Command::Consumed { session, bytes });
        pair.run(ms(50));
        taken += told(&mut pair);
    }
    assert_eq!(taken, written);
}
