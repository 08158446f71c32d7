use super::frame::FRAMES_MAX;
use super::*;
use crate::gate::PushClass;
use wire::StationId;
use wire::message::Counts;

fn push(number: u32) -> Push {
    Push::new("test", "number", &number)
}

fn taken(outbox: &Outbox, lane: Lane) -> Option<String> {
    match outbox.take(lane) {
        Taken::Frames(batch) => {
            assert_eq!(batch.len(), 1);
            batch.texts().next().map(str::to_owned)
        }
        Taken::Empty | Taken::End => None,
    }
}

fn bye(code: CloseCode) -> Bye {
    Bye {
        code,
        reason: "over".into(),
        reconnect_after_ms: None,
    }
}

#[test]
fn volatile_frames_replace_one_another_in_place() {
    let outbox = Outbox::default();
    outbox.push(Lane::Control, Frame::volatile(&push(1), "report"));
    outbox.push(Lane::Control, Frame::durable(&push(2)));
    outbox.push(Lane::Control, Frame::volatile(&push(3), "report"));
    assert_eq!(taken(&outbox, Lane::Control).unwrap(), push(3).encode());
    assert_eq!(taken(&outbox, Lane::Control).unwrap(), push(2).encode());
    assert!(taken(&outbox, Lane::Control).is_none());
    for number in 0..10_000 {
        outbox.push(Lane::Listeners, Frame::durable(&push(number)));
        outbox.push(Lane::Control, Frame::volatile(&push(number), "report"));
    }
    assert_eq!(
        taken(&outbox, Lane::Listeners).unwrap(),
        push(9_999).encode()
    );
    assert!(taken(&outbox, Lane::Listeners).is_none());
    assert!(outbox.lock().reason.is_none());
}

#[test]
fn counts_that_wait_are_brought_up_to_date_and_cut_to_frames() {
    let outbox = Outbox::default();
    let counts = |ids: std::ops::Range<u32>, count| {
        let entry = |id: u32| {
            let id: StationId = format!("s{id:05}").parse().unwrap();
            (id, Counts { count, peak: 9 })
        };
        Arc::new(ids.map(entry).collect::<CountsByStation>())
    };
    outbox.push_counts(&counts(0..600, 1));
    outbox.push_counts(&counts(500..1_000, 2));
    let mut all = CountsByStation::new();
    while let Some(json) = taken(&outbox, Lane::Control) {
        assert!(json.len() < 65_536);
        let push: Push = serde_json::from_str(&json).unwrap();
        all.extend(wire::frame::read::<CountsByStation>(&push.data).unwrap());
    }
    let mut expected = CountsByStation::clone(&counts(0..600, 1));
    expected.extend(CountsByStation::clone(&counts(500..1_000, 2)));
    assert_eq!(all, expected);
}

#[tokio::test]
async fn a_lane_that_runs_over_asks_for_the_end() {
    for lane in [Lane::Control, Lane::Metadata] {
        let outbox = Outbox::default();
        for number in 0..FRAMES_MAX as u32 {
            outbox.push(lane, Frame::durable(&push(number)));
        }
        assert!(outbox.lock().reason.is_none());
        outbox.push(lane, Frame::durable(&push(0)));
        assert_eq!(outbox.distress().await.code, CloseCode::SlowConsumer);
        outbox.finish(bye(CloseCode::SlowConsumer));
        let first = taken(&outbox, Lane::Control).unwrap();
        assert!(
            first.contains("\"bye\""),
            "the goodbye waits for nothing: {first}"
        );
        assert!(matches!(outbox.take(Lane::Control), Taken::End));
        assert!(matches!(outbox.take(Lane::Metadata), Taken::End));
    }
}

#[tokio::test]
async fn replies_come_before_the_goodbye_and_nothing_after_it() {
    let outbox = Outbox::default();
    outbox.push(Lane::Control, Frame::durable(&push(1)));
    outbox.push(Lane::Metadata, Frame::durable(&push(2)));
    outbox.finish(bye(CloseCode::Draining));
    outbox.push(Lane::Control, Frame::durable(&push(3)));
    outbox.finish(bye(CloseCode::Internal));
    assert_eq!(taken(&outbox, Lane::Control).unwrap(), push(1).encode());
    assert!(taken(&outbox, Lane::Control).unwrap().contains("draining"));
    assert!(matches!(outbox.take(Lane::Control), Taken::End));
    assert!(matches!(outbox.take(Lane::Metadata), Taken::End));
    assert_eq!(outbox.finished().await, CloseCode::Draining);
    assert!(!outbox.listening().await);
}

#[test]
fn frames_told_together_come_together_and_count_one_by_one() {
    let outbox = Outbox::default();
    let batch = Batch::new(&["1", "2", "3"]);
    let three = || Frame::shared(batch.clone(), PushClass::Durable);
    for _ in 0..FRAMES_MAX / 3 {
        outbox.push(Lane::Control, three());
    }
    // One place is left.
    assert!(outbox.lock().reason.is_none());
    let Taken::Frames(taken) = outbox.take_any() else {
        panic!("nothing waits");
    };
    assert!(taken.texts().eq(["1", "2", "3"]));
    assert_eq!(taken.messages().as_ptr(), batch.messages().as_ptr());
    outbox.push(Lane::Control, three());
    assert!(outbox.lock().reason.is_none());
    outbox.push(Lane::Control, three());
    let reason = outbox.lock().reason.clone();
    assert_eq!(reason.map(|end| end.code), Some(CloseCode::SlowConsumer));
}
