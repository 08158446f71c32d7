use super::*;
use crate::message::{ListenParams, PingParams};
use proptest::prelude::*;

#[test]
fn a_request_keeps_its_parameters() {
    let request =
        Request::decode(br#"{"id":3,"method":"listen","params":{"station":"demo"},"later":1}"#)
            .unwrap();
    let params: ListenParams = request.params().unwrap();
    assert_eq!((request.id, request.method.as_str()), (3, "listen"));
    assert_eq!(
        (params.station.as_str(), params.rendition.as_str()),
        ("demo", "source")
    );
}

#[test]
fn wrong_parameters_name_their_field() {
    let request =
        Request::decode(br#"{"id":3,"method":"listen","params":{"stations":1}}"#).unwrap();
    let error = request.params::<ListenParams>().unwrap_err();
    assert_eq!(error.code, ErrorCode::BadRequest);
    assert!(error.message.contains("station"), "{}", error.message);
    assert!(
        Request::decode(br#"{"id":3,"method":"ping"}"#)
            .unwrap()
            .params::<PingParams>()
            .is_ok()
    );
}

#[test]
fn what_is_no_request_is_an_error() {
    let nested = "[".repeat(10_000);
    let huge = format!(r#"{{"id":1,"method":"{}"}}"#, "x".repeat(FRAME_BYTES_MAX));
    for bad in [
        "",
        "null",
        "{}",
        "[]",
        r#"{"id":1}"#,
        r#"{"method":"ping"}"#,
        r#"{"id":-1,"method":"ping"}"#,
        r#"{"id":1.5,"method":"ping"}"#,
        r#"{"id":9007199254740992,"method":"ping"}"#,
        r#"{"id":1,"method":7}"#,
        r#"{"id":1,"method":"ping""#,
        &nested,
        &huge,
    ] {
        assert!(Request::decode(bad.as_bytes()).is_err(), "{:.60}", bad);
    }
    assert!(Request::decode(b"{\"id\":1,\"method\":\"\xff\"}").is_err());
}

#[test]
fn replies_and_pushes_come_back() {
    let error = Error::new(ErrorCode::StationBusy, "another source is on air").retry_after_ms(500);
    let reply = Reply::new::<()>(9, Err(error.clone())).encode();
    assert_eq!(
        reply,
        r#"{"id":9,"error":{"code":"station_busy","message":"another source is on air","temporary":true,"retry_after_ms":500}}"#
    );
    let Ok(ServerFrame::Reply(reply)) = ServerFrame::decode(reply.as_bytes()) else {
        panic!()
    };
    assert_eq!(reply.result.unwrap_err(), error);

    let push = Push::new("stations", "stopped", &serde_json::json!({"id": "demo"}))
        .at(4)
        .encode();
    assert_eq!(
        push,
        r#"{"channel":"stations","offset":4,"type":"stopped","data":{"id":"demo"}}"#
    );
    assert!(
        matches!(ServerFrame::decode(push.as_bytes()), Ok(ServerFrame::Push(push)) if push.offset == Some(4))
    );
    assert!(matches!(
        ServerFrame::decode(b"{\"id\":1}"),
        Err(DecodeError::Neither)
    ));
}

#[test]
fn a_frame_above_the_limit_is_refused_before_it_is_held() {
    let mut splitter = Splitter::default();
    let mut bytes = Vec::new();
    crate::varint::encode(FRAME_BYTES_MAX as u64 + 1, &mut bytes);
    splitter.handle_bytes(&bytes);
    assert_eq!(
        splitter.poll_frame(),
        Err(FrameTooLarge(FRAME_BYTES_MAX as u64 + 1))
    );
}

proptest! {
    #[test]
    fn frames_survive_any_cutting(
        frames in prop::collection::vec("[a-z]{0,300}", 0..8),
        cuts in prop::collection::vec(1..40_usize, 1..20),
    ) {
        let mut stream = Vec::new();
        for frame in &frames {
            write_framed(frame, &mut stream);
        }
        let mut splitter = Splitter::default();
        let mut seen = Vec::new();
        let mut rest = &stream[..];
        let mut cuts = cuts.iter().cycle();
        while !rest.is_empty() {
            let (head, tail) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            splitter.handle_bytes(head);
            rest = tail;
            while let Some(frame) = splitter.poll_frame().unwrap() {
                seen.push(String::from_utf8(frame.to_vec()).unwrap());
            }
        }
        prop_assert_eq!(seen, frames);
        prop_assert!(!splitter.is_mid_frame());
    }

    #[test]
    fn any_bytes_are_a_frame_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Request::decode(&bytes);
        let _ = ServerFrame::decode(&bytes);
        let mut splitter = Splitter::default();
        splitter.handle_bytes(&bytes);
        while let Ok(Some(_)) = splitter.poll_frame() {}
    }
}
