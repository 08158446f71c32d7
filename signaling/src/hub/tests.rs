use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::state::HELD_MAX;
use super::*;

#[derive(Debug, Default)]
struct Frames {
    frames: Mutex<Vec<String>>,
    closed: Mutex<Vec<CloseCode>>,
}

impl Outbox for Frames {
    fn push(&self, batch: Batch, _class: Class) {
        let texts = batch.texts().map(str::to_owned);
        self.frames.lock().unwrap().extend(texts);
    }

    fn close(&self, code: CloseCode, _reason: &str) {
        self.closed.lock().unwrap().push(code);
    }
}

fn hub() -> (Hub, Arc<Frames>, SessionId) {
    let hub = Hub::default();
    let id = SessionId(1);
    let frames = connect(&hub, id);
    (hub, frames, id)
}

fn connect(hub: &Hub, id: SessionId) -> Arc<Frames> {
    let frames = Arc::new(Frames::default());
    let caller = Arc::new(Caller::new(None, IpAddr::V4(Ipv4Addr::LOCALHOST)));
    hub.connect(id, caller, frames.clone());
    frames
}

fn publish(hub: &Hub, seq: u64) {
    publish_at(hub, seq, Instant::now());
}

fn publish_at(hub: &Hub, seq: u64, now: Instant) {
    let event = Event {
        seq,
        asked: now,
        frame: format!("{seq}").into(),
    };
    hub.publish("r", event, now);
}

/// Subscribes from an offset on, reply and all.
fn subscribe(hub: &Hub, id: SessionId, from: u64) {
    hub.hold(id, "r", "room:r");
    hub.start_from(id, "r", from);
    hub.release(id);
}

impl Frames {
    fn told(&self) -> String {
        self.frames.lock().unwrap().join(" ")
    }
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

#[test]
fn a_crowd_is_told_together_each_event_once_and_in_order() {
    const CROWD: u64 = 1_000;
    let hub = Hub::default();
    let ids = (0..CROWD).map(SessionId);
    let crowd: Vec<_> = ids.map(|id| (id, connect(&hub, id))).collect();
    for (id, _) in &crowd {
        subscribe(&hub, *id, 0);
    }
    let (first, stays) = (&crowd[0].1, &crowd[1].1);
    let begin = Instant::now();
    publish_at(&hub, 1, begin);
    assert_eq!(first.told(), "1", "after silence at once");
    assert_eq!(hub.poll_timeout(), None);
    for seq in 2..=4 {
        publish_at(&hub, seq, begin + Duration::from_millis(seq));
    }
    let due = hub.poll_timeout().expect("they wait");
    assert!(due > begin && due < begin + Duration::from_millis(60));
    hub.handle_timeout(due - Duration::from_millis(1));
    assert_eq!(first.told(), "1");
    // Who leaves has what happened before; who comes has had some of it with the reply.
    assert!(hub.unsubscribe(crowd[0].0, "r"));
    assert_eq!(
        (first.told().as_str(), stays.told().as_str()),
        ("1 2 3 4", "1")
    );
    let late = connect(&hub, SessionId(CROWD));
    subscribe(&hub, SessionId(CROWD), 3);
    let unsure = connect(&hub, SessionId(CROWD + 1));
    hub.hold(SessionId(CROWD + 1), "r", "room:r");
    hub.handle_timeout(due);
    assert_eq!(hub.poll_timeout(), None);
    assert_eq!(
        (first.told().as_str(), late.told().as_str()),
        ("1 2 3 4", "4")
    );
    assert_eq!(unsure.told(), "", "nothing before the reply");
    hub.start_from(SessionId(CROWD + 1), "r", 2);
    hub.release(SessionId(CROWD + 1));
    assert_eq!(unsure.told(), "3 4");
    for (_, frames) in &crowd {
        assert_eq!(frames.told(), "1 2 3 4");
    }
    // Nothing volatile overtakes them, and what waits when a channel ends is told.
    publish_at(&hub, 5, due);
    publish_at(&hub, 6, due);
    assert_eq!(stays.told(), "1 2 3 4");
    hub.publish_latest("r", "key".into(), "latest");
    assert_eq!(stays.told(), "1 2 3 4 5 6 latest");
    publish_at(&hub, 7, due);
    hub.remove_channel("r");
    publish_at(&hub, 8, due);
    hub.handle_timeout(due + Duration::from_secs(1));
    assert_eq!(stays.told(), "1 2 3 4 5 6 latest 7");
    assert_eq!(hub.poll_timeout(), None);
}
