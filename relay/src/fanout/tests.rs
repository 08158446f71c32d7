use super::queue::PacketQueue;
use super::*;
use std::sync::Mutex;
use std::time::Duration;
use wire::audio::{Copies, SendTime};

fn packet(track: u64, sequence: u64) -> Packet {
    let datagram = Datagram {
        track: TrackId::new(track).unwrap(),
        sequence,
        timestamp: sequence * 960,
        send_time: SendTime(7),
        copies: Copies::none(),
        packet: &[1, 2, 3],
    };
    Packet::encode(20_000, &datagram).unwrap()
}

fn sequence(packet: &Packet) -> u64 {
    Datagram::decode(&packet.datagram()).unwrap().sequence
}

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<u64>>>);

impl Sink for Heard {
    fn send(&self, packet: &Packet) -> Sent {
        self.0.lock().unwrap().push(sequence(packet));
        Sent::Queued
    }
}

fn listener() -> (Heard, Arc<Listener>) {
    let heard = Heard::default();
    let listener = Listener::new(Box::new(heard.clone()), Arc::default());
    (heard, listener)
}

fn track(id: u64) -> Arc<Track> {
    Track::new(TrackId::new(id).unwrap(), Arc::default())
}

#[test]
fn every_listener_gets_the_same_bytes() {
    let first = packet(1, 5);
    let again = Packet::copy_from(first.track, 20_000, &first.datagram());
    assert_eq!(first.prefixed(), again.prefixed());
    assert_eq!(first.prefixed()[0], 0);
    assert_eq!(
        first.datagram().as_ptr(),
        first.prefixed()[1..].as_ptr(),
        "no copy"
    );
}

#[test]
fn listeners_join_leave_and_move_between_packets() {
    let (one, two) = (track(1), track(2));
    let (heard_a, a) = listener();
    let (heard_b, b) = listener();
    one.attach(&a);
    one.attach(&b);
    one.fan_out(&packet(1, 0));
    one.detach(&a);
    one.fan_out(&packet(1, 1));
    one.move_listeners(&two);
    one.fan_out(&packet(1, 2));
    two.fan_out(&packet(2, 3));
    two.attach(&a);
    two.fan_out(&packet(2, 4));
    two.close();
    two.fan_out(&packet(2, 5));
    assert_eq!(*heard_a.0.lock().unwrap(), [0, 4]);
    assert_eq!(*heard_b.0.lock().unwrap(), [0, 1, 3, 4]);
}

#[test]
fn a_listener_that_turned_away_hears_nothing_still_under_way() {
    let (one, two) = (track(1), track(2));
    let (heard, a) = listener();
    one.attach(&a);
    // As seen by a loop that began before the switch.
    let before = one.listeners.load_full();
    one.detach(&a);
    two.attach(&a);
    for listener in before.iter() {
        assert_eq!(listener.send(&packet(1, 0)), Sent::Aside);
    }
    assert!(heard.0.lock().unwrap().is_empty());
}

#[test]
fn listeners_come_and_go_while_packets_pass() {
    let one = track(1);
    let (heard, steady) = listener();
    one.attach(&steady);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let (_, passing) = listener();
                    one.attach(&passing);
                    one.detach(&passing);
                }
            });
        }
        for number in 0..2_000 {
            one.fan_out(&packet(1, number));
        }
    });
    assert_eq!(*heard.0.lock().unwrap(), (0..2_000).collect::<Vec<_>>());
    assert_eq!(one.listeners.load().len(), 1);
}

#[test]
fn a_queue_keeps_the_newest_of_its_time() {
    let mut queue = PacketQueue::new(Duration::from_millis(200));
    for number in 0..10 {
        assert_eq!(queue.push(packet(1, number)), Sent::Queued);
    }
    assert_eq!(queue.push(packet(1, 10)), Sent::Displaced(1));
    assert_eq!(sequence(&queue.pop().unwrap()), 1);
    let long = Packet {
        frame_us: 60_000,
        ..packet(1, 11)
    };
    assert_eq!(
        queue.push(long),
        Sent::Displaced(7),
        "three of them are 180 ms"
    );
}

#[test]
fn all_listeners_share_one_buffer() {
    let one = track(1);
    let kept: Arc<Mutex<Vec<Bytes>>> = Arc::default();
    struct Keep(Arc<Mutex<Vec<Bytes>>>);
    impl Sink for Keep {
        fn send(&self, packet: &Packet) -> Sent {
            self.0.lock().unwrap().push(packet.prefixed().clone());
            Sent::Queued
        }
    }
    for _ in 0..1_000 {
        one.attach(&Listener::new(
            Box::new(Keep(Arc::clone(&kept))),
            Arc::default(),
        ));
    }
    one.fan_out(&packet(1, 0));
    let kept = kept.lock().unwrap();
    assert_eq!(kept.len(), 1_000);
    assert!(kept.iter().all(|bytes| bytes.as_ptr() == kept[0].as_ptr()));
}
