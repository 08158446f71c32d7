//! How sessions end when one of both wants it.

use super::*;

#[test]
fn a_close_delivers_what_was_written_then_code_and_reason() {
    let mut pair = Pair::new(|_| {});
    let (client, opened) = pair.open();
    let session = opened.session;
    write(&mut pair, session, Lane::Control, b"bye");
    let reason = "the relay shuts down".to_owned();
    command(
        &mut pair,
        Command::Close {
            session,
            code: 10,
            reason: reason.clone(),
        },
    );
    pair.run(ms(3000));
    let order: Vec<_> = pair.client_events.iter().cloned().collect();
    assert_eq!(
        order,
        [
            ClientEvent::Control(client, Bytes::from_static(b"bye")),
            ClientEvent::Capsule(client, 10, reason),
            ClientEvent::Lost(client, "closed 10".into()),
        ]
    );
    assert_eq!(closed(&mut pair, session), Cause::Local);
    pair.run(ms(3000));
    assert_eq!(pair.core.stats().sessions, 0);
}

#[test]
fn a_client_may_close_by_quic_by_capsule_or_by_the_end_of_its_stream() {
    let mut pair = Pair::new(|_| {});
    let (quic, quic_opened) = pair.open();
    let (capsule, capsule_opened) = pair.open();
    let (fin, fin_opened) = pair.open();
    pair.clients.close(pair.now, quic, 7, "done");
    let stream = pair.clients.connect_stream(capsule).unwrap();
    let frame = crate::h3::capsule::close_frame(5, "left");
    pair.clients
        .conn(capsule)
        .send_stream(stream)
        .write(&frame)
        .unwrap();
    let stream = pair.clients.connect_stream(fin).unwrap();
    pair.clients.conn(fin).send_stream(stream).finish().unwrap();
    pair.run(ms(100));
    let cause = |code, reason: &str| Cause::Client {
        code,
        reason: reason.into(),
    };
    assert_eq!(closed(&mut pair, quic_opened.session), cause(7, "done"));
    assert_eq!(closed(&mut pair, capsule_opened.session), cause(5, "left"));
    assert_eq!(closed(&mut pair, fin_opened.session), cause(0, ""));
}
