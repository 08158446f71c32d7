//! The golden vectors that pin this crate and its TypeScript twin to the same bytes.

use serde_json::Value;
use skywave_wire::audio::{Copies, Copy, Datagram, DecodeError, SendTime};
use skywave_wire::frame::{Request, ServerFrame, Splitter};
use skywave_wire::{TrackId, repair, varint};

fn vectors(name: &str) -> Value {
    let path = format!("{}/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect(&path);
    serde_json::from_str(&text).expect(&path)
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    let list = value[key].as_array().expect(key);
    assert!(!list.is_empty(), "{key} has no vectors");
    list
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().expect(key)
}

fn bytes(value: &Value, key: &str) -> Vec<u8> {
    hex::decode(text(value, key)).expect(key)
}

fn number(value: &Value, key: &str) -> u64 {
    text(value, key).parse().expect(key)
}

#[test]
fn varints() {
    let vectors = vectors("varint");
    for vector in list(&vectors, "decode") {
        let (bytes, value) = (bytes(vector, "bytes"), number(vector, "value"));
        let mut input = &bytes[..];
        assert_eq!(varint::decode(&mut input), Ok(value), "{vector}");
        assert!(input.is_empty(), "{vector}");
        let mut out = Vec::new();
        varint::encode(value, &mut out);
        assert_eq!(out == bytes, vector["canonical"] == true, "{vector}");
    }
    for cut in list(&vectors, "truncated") {
        let bytes = hex::decode(cut.as_str().unwrap()).unwrap();
        assert_eq!(
            varint::decode(&mut &bytes[..]),
            Err(varint::Truncated),
            "{cut}"
        );
    }
}

#[test]
fn audio_datagrams_decode_and_encode() {
    for vector in list(&vectors("audio"), "decode") {
        let expected = &vector["datagram"];
        let copies: Vec<(u8, u64, Vec<u8>)> = expected["copies"]
            .as_array()
            .unwrap()
            .iter()
            .map(|copy| {
                (
                    copy["distance"].as_u64().unwrap() as u8,
                    number(copy, "age"),
                    bytes(copy, "packet"),
                )
            })
            .collect();
        let copies: Vec<_> = copies
            .iter()
            .map(|(distance, age, packet)| Copy {
                distance: *distance,
                age: *age,
                packet,
            })
            .collect();
        let packet = bytes(expected, "packet");
        let header = Datagram {
            track: TrackId::new(expected["track"].as_u64().unwrap()).unwrap(),
            sequence: number(expected, "sequence"),
            timestamp: number(expected, "timestamp"),
            send_time: SendTime(expected["send_time"].as_u64().unwrap() as u32),
            copies: Copies::none(),
            packet: &packet,
        };
        let wire = bytes(vector, "bytes");
        let decoded = Datagram::decode(&wire).unwrap_or_else(|error| panic!("{error}: {vector}"));
        assert_eq!(
            Datagram {
                copies: Copies::none(),
                ..decoded
            },
            header,
            "{vector}"
        );
        assert_eq!(
            decoded.copies.into_iter().collect::<Vec<_>>(),
            copies,
            "{vector}"
        );
        let mut out = Vec::new();
        header.encode_with(copies.into_iter(), &mut out).unwrap();
        assert_eq!(out == wire, vector["canonical"] == true, "{vector}");
    }
}

#[test]
fn what_is_no_audio_datagram_is_refused() {
    for vector in list(&vectors("audio"), "refuse") {
        let error = Datagram::decode(&bytes(vector, "bytes")).expect_err(text(vector, "name"));
        let name = match error {
            DecodeError::Kind(_) => "kind",
            DecodeError::Truncated => "truncated",
            DecodeError::TooLarge(_) => "too_large",
            DecodeError::Track(_) => "track",
            DecodeError::TooManyCopies(_) => "too_many_copies",
            DecodeError::Copy => "copy",
            other => panic!("no vector names {other}"),
        };
        assert_eq!(name, text(vector, "error"), "{vector}");
    }
}

#[test]
fn requests_for_packets() {
    let vectors = vectors("repair");
    for vector in list(&vectors, "decode") {
        let expected = &vector["request"];
        let track = TrackId::new(expected["track"].as_u64().unwrap()).unwrap();
        let sequences = expected["sequences"].as_array().unwrap().iter();
        let sequences: Vec<u64> = sequences
            .map(|sequence| sequence.as_str().unwrap().parse().unwrap())
            .collect();
        let wire = bytes(vector, "bytes");
        let request = repair::Request::decode(&wire).unwrap();
        assert_eq!(request.track, track, "{vector}");
        assert_eq!(
            request.sequences.into_iter().collect::<Vec<_>>(),
            sequences,
            "{vector}"
        );
        let mut out = Vec::new();
        repair::encode(track, &sequences, &mut out).unwrap();
        assert_eq!(out == wire, vector["canonical"] == true, "{vector}");
    }
    for vector in list(&vectors, "refuse") {
        let error =
            repair::Request::decode(&bytes(vector, "bytes")).expect_err(text(vector, "name"));
        let name = match error {
            repair::DecodeError::Kind(_) => "kind",
            repair::DecodeError::Truncated => "truncated",
            repair::DecodeError::Track(_) => "track",
            repair::DecodeError::Count(_) => "count",
            repair::DecodeError::Order => "order",
            repair::DecodeError::Trailing => "trailing",
            other => panic!("no vector names {other}"),
        };
        assert_eq!(name, text(vector, "error"), "{vector}");
    }
}

#[test]
fn control_frames() {
    let vectors = vectors("frames");
    for vector in list(&vectors, "client") {
        let request = Request::decode(text(vector, "json").as_bytes()).unwrap();
        assert_eq!(vector["id"], request.id, "{vector}");
        assert_eq!(vector["method"], request.method, "{vector}");
    }
    for vector in list(&vectors, "server") {
        match ServerFrame::decode(text(vector, "json").as_bytes()).unwrap() {
            ServerFrame::Reply(reply) => {
                assert_eq!(vector["kind"], "reply", "{vector}");
                assert_eq!(vector["id"], reply.id, "{vector}");
                assert_eq!(vector["ok"], reply.result.is_ok(), "{vector}");
                if let Err(error) = reply.result {
                    assert_eq!(vector["code"], serde_json::to_value(error.code).unwrap());
                    assert_eq!(vector["temporary"], error.temporary, "{vector}");
                    assert_eq!(vector["retry_after_ms"].as_u64(), error.retry_after_ms);
                }
            }
            ServerFrame::Push(push) => {
                assert_eq!(vector["kind"], "push", "{vector}");
                assert_eq!(vector["channel"], push.channel, "{vector}");
                assert_eq!(vector["offset"].as_u64(), push.offset, "{vector}");
                assert_eq!(vector["type"], push.kind, "{vector}");
            }
        }
    }
    for refused in list(&vectors, "refuse_client") {
        assert!(
            Request::decode(refused.as_str().unwrap().as_bytes()).is_err(),
            "{refused}"
        );
    }
    for refused in list(&vectors, "refuse_server") {
        assert!(
            ServerFrame::decode(refused.as_str().unwrap().as_bytes()).is_err(),
            "{refused}"
        );
    }
}

#[test]
fn frames_on_a_stream() {
    for vector in list(&vectors("frames"), "stream") {
        let mut splitter = Splitter::default();
        splitter.handle_bytes(&bytes(vector, "bytes"));
        for frame in vector["frames"].as_array().unwrap() {
            let found = splitter.poll_frame().unwrap().expect("a whole frame");
            assert_eq!(frame, std::str::from_utf8(found).unwrap(), "{vector}");
        }
        let end = splitter.poll_frame().map(|frame| frame.is_some());
        assert_eq!(end.is_err(), vector["error"] == true, "{vector}");
        assert_ne!(end, Ok(true), "{vector}");
        if vector["error"] != true {
            assert_eq!(splitter.is_mid_frame(), vector["rest"] == true, "{vector}");
        }
    }
}
