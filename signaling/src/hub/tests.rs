use std::net::{IpAddr, Ipv4Addr};

use super::state::HELD_MAX;
use super::*;

#[derive(Debug, Default)]
struct Frames {
    frames: Mutex<Vec<String>>,
    closed: Mutex<Vec<CloseCode>>,
}

impl Outbox for Frames {
    fn push(&self, frame: Arc<str>, _class: Class) {
        self.frames.lock().unwrap().push(frame.to_string());
    }

    fn close(&self, code: CloseCode, _reason: &str) {
        self.closed.lock().unwrap().push(code);
    }
}

fn hub() -> (Hub, Arc<Frames>, SessionId) {
    let hub = Hub::default();
    let frames = Arc::new(Frames::default());
    let id = SessionId(1);
    let caller = Arc::new(Caller::new(None, IpAddr::V4(Ipv4Addr::LOCALHOST)));
    hub.connect(id, caller, frames.clone());
    (hub, frames, id)
}

fn publish(hub: &Hub, seq: u64) {
    hub.publish("r", seq, &format!("{seq}").into());
}

#[test]
fn whatever_the_order_of_reading_and_committing_each_event_arrives_once() {
    // The events 1 to 6; the reader sees those up to `read`, the fan-out reaches
    // the subscription with those from `held` on before the reply is out.
    for read in 0..=6 {
        for released in 0..=6 {
            let (hub, frames, id) = hub();
            hub.hold(id, "r", "room:r");
            for seq in 1..=released {
                publish(&hub, seq);
            }
            assert!(hub.start_from(id, "r", read));
            assert!(
                frames.frames.lock().unwrap().is_empty(),
                "nothing before the reply"
            );
            hub.release(id);
            for seq in released + 1..=6 {
                publish(&hub, seq);
            }
            let got = frames.frames.lock().unwrap().clone();
            let expected: Vec<_> = (read + 1..=6).map(|seq| seq.to_string()).collect();
            assert_eq!(got, expected, "read {read}, released after {released}");
        }
    }
}

#[test]
fn a_subscription_that_never_gets_its_reply_is_bounded() {
    let (hub, frames, id) = hub();
    hub.hold(id, "r", "room:r");
    for seq in 1..=HELD_MAX as u64 {
        publish(&hub, seq);
    }
    assert!(frames.closed.lock().unwrap().is_empty());
    publish(&hub, HELD_MAX as u64 + 1);
    assert_eq!(*frames.closed.lock().unwrap(), [CloseCode::SlowConsumer]);
}

#[test]
fn nothing_is_left_of_sessions_that_went() {
    let (hub, frames, id) = hub();
    hub.hold(id, "r", "room:r");
    hub.start_from(id, "r", 0);
    hub.release(id);
    hub.watch(id, &["presence:ann".into()], "presence:");
    assert_eq!((hub.count("r"), hub.count("presence:ann")), (1, 1));
    assert!(hub.disconnect(id).is_some());
    assert!(hub.disconnect(id).is_none());
    publish(&hub, 1);
    let state = hub.lock();
    assert!(state.channels.is_empty() && state.users.is_empty() && state.watchers.is_empty());
    assert!(frames.frames.lock().unwrap().is_empty());
}

#[test]
fn watching_others_forgets_the_former() {
    let (hub, _frames, id) = hub();
    hub.watch(
        id,
        &["presence:ann".into(), "presence:bob".into()],
        "presence:",
    );
    hub.watch(
        id,
        &["presence:bob".into(), "presence:eve".into()],
        "presence:",
    );
    assert_eq!(hub.count("presence:ann"), 0);
    assert_eq!(
        (hub.count("presence:bob"), hub.count("presence:eve")),
        (1, 1)
    );
    hub.unwatch(id, "presence:");
    assert_eq!(hub.count("presence:bob"), 0);
    assert!(!hub.has_watchers());
}
