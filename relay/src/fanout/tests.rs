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
    Track::new(
        TrackId::new(id).unwrap(),
        super::Kept::default(),
        Arc::default(),
    )
}

#[test]
fn every_listener_gets_the_same_bytes() {
    let first = packet(1, 5);
    let bytes = first.datagram();
    let again = Packet::copy_from(20_000, &Datagram::decode(&bytes).unwrap(), &bytes);
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
    let before = one.audience.load_full();
    one.detach(&a);
    two.attach(&a);
    for listener in before.all() {
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
    assert_eq!(one.audience.load().single.len(), 1);
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

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Bytes>>>);

impl Kept {
    fn take(&self) -> Vec<Bytes> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    fn listener(&self) -> Arc<Listener> {
        Listener::new(Box::new(self.clone()), Arc::default())
    }
}

impl Sink for Kept {
    fn send(&self, packet: &Packet) -> Sent {
        self.0.lock().unwrap().push(packet.datagram());
        Sent::Queued
    }
}

fn sized(sequence: u64, size: usize) -> Packet {
    let datagram = Datagram {
        track: TrackId::new(1).unwrap(),
        sequence,
        timestamp: sequence * 960,
        send_time: SendTime(7),
        copies: Copies::none(),
        packet: &vec![sequence as u8; size],
    };
    Packet::encode(20_000, &datagram).unwrap()
}

fn distances(datagram: &Bytes) -> Vec<u8> {
    let datagram = Datagram::decode(datagram).unwrap();
    for copy in datagram.copies {
        let sequence = datagram.sequence - u64::from(copy.distance);
        assert_eq!(copy.age, 960 * u64::from(copy.distance));
        assert!(copy.packet.iter().all(|byte| *byte == sequence as u8));
    }
    let copies = datagram.copies.into_iter();
    copies.map(|copy| copy.distance).collect()
}

#[test]
fn each_level_of_redundancy_is_encoded_once_and_only_when_taken() {
    let one = track(1);
    let levels = [Level::Plain, Level::Single, Level::Spaced];
    let kept: Vec<_> = levels
        .iter()
        .flat_map(|level| [*level; 3])
        .map(|level| {
            let kept = Kept::default();
            let listener = kept.listener();
            listener.set_level(level);
            one.attach(&listener);
            (level, kept, listener)
        })
        .collect();
    let expected: [[&[u8]; 3]; 6] = [
        [&[], &[], &[]],
        [&[], &[1], &[1]],
        [&[], &[1], &[1]],
        [&[], &[1], &[1]],
        [&[], &[1], &[1, 4]],
        [&[], &[1], &[1, 4]],
    ];
    for (sequence, expected) in expected.iter().enumerate() {
        let packet = sized(sequence as u64, 300);
        one.fan_out(&packet);
        let sent: Vec<_> = kept.iter().map(|(_, kept, _)| kept.take()).collect();
        for (same, expected) in sent.chunks(3).zip(expected) {
            assert_eq!(same[0].len(), 1);
            assert_eq!(distances(&same[0][0]), *expected);
            assert!(
                same.iter()
                    .all(|other| other[0].as_ptr() == same[0][0].as_ptr()),
                "one encoding for all of a level"
            );
        }
        assert_eq!(
            sent[0][0].as_ptr(),
            packet.datagram().as_ptr(),
            "passthrough"
        );
    }
    // In place, from the next packet on.
    kept[8].2.set_level(Level::Plain);
    one.fan_out(&sized(6, 300));
    assert_eq!(distances(&kept[8].1.take()[0]), [0_u8; 0]);
    assert_eq!(distances(&kept[7].1.take()[0]), [1, 4]);
}

#[test]
fn copies_that_do_not_fit_are_left_out_oldest_first() {
    let one = track(1);
    let kept = Kept::default();
    let listener = kept.listener();
    listener.set_level(Level::Spaced);
    one.attach(&listener);
    for sequence in 0..6 {
        one.fan_out(&sized(sequence, 550));
    }
    assert_eq!(distances(&kept.take()[5]), [1]);
    one.fan_out(&sized(6, 1_100));
    assert_eq!(distances(&kept.take()[0]), [0_u8; 0]);
    one.fan_out(&sized(7, 100));
    assert_eq!(distances(&kept.take()[0]), [0_u8; 0], "1,100 bytes and 100");
    one.fan_out(&sized(8, 100));
    assert_eq!(distances(&kept.take()[0]), [1, 4]);
}

#[test]
fn a_bundle_is_encoded_once_for_all_who_take_it_and_others_hear_each_packet() {
    let one = track(1);
    let kept: Vec<_> = [Level::Triples, Level::Plain, Level::Triples, Level::Pairs]
        .into_iter()
        .map(|level| {
            let kept = Kept::default();
            let listener = kept.listener();
            listener.set_level(level);
            // In bundles there is nothing to change.
            listener.set_redundancy(listener.level());
            one.attach(&listener);
            (kept, listener)
        })
        .collect();
    kept[0].1.set_redundancy(Level::Spaced);
    for sequence in 0..6 {
        one.fan_out(&sized(sequence, 300));
    }
    let sent: Vec<_> = kept.iter().map(|(kept, _)| kept.take()).collect();
    assert_eq!(sent.iter().map(Vec::len).collect::<Vec<_>>(), [2, 6, 2, 3]);
    for (mine, others) in sent[0].iter().zip(&sent[2]) {
        assert_eq!(distances(mine), [2, 1]);
        assert_eq!(mine.as_ptr(), others.as_ptr(), "one encoding for all");
    }
    assert!(sent[3].iter().all(|pair| distances(pair) == [1]));
    assert_eq!(one.metrics.datagrams_out.get(), 2 + 6 + 2 + 3);
}

fn request(track: u64, sequences: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    wire::repair::encode(TrackId::new(track).unwrap(), sequences, &mut bytes).unwrap();
    bytes
}

#[test]
fn what_a_listener_asks_for_comes_again_to_it_alone() {
    let (one, metrics) = (track(1), Metrics::default());
    let (asking, other) = (Kept::default(), Kept::default());
    let (listener, bystander) = (asking.listener(), other.listener());
    listener.set_level(Level::Single);
    one.attach(&listener);
    one.attach(&bystander);
    let answer = |track: u64, sequences: &[u64]| {
        let bytes = request(track, sequences);
        let request = wire::repair::Request::decode(&bytes).unwrap();
        listener.answer(&request, std::time::Instant::now(), &metrics)
    };
    assert!(!answer(1, &[5]), "nothing has passed");
    for sequence in 0..70 {
        one.fan_out(&packet(1, sequence));
    }
    let first = other.take();
    asking.take();
    assert!(answer(1, &[19, 20, 40, 69, 70, u64::MAX >> 2]));
    let again = asking.take();
    assert_eq!(
        again,
        [&first[20], &first[40], &first[69]],
        "the last second"
    );
    assert_eq!(again[0].as_ptr(), first[20].as_ptr(), "the very bytes");
    assert!(other.take().is_empty());
    assert!(!answer(2, &[40]), "of another track");
    one.detach(&listener);
    assert!(!answer(1, &[40]), "of a track no more taken");
    assert!(asking.take().is_empty());
}

#[test]
fn a_listener_that_asks_without_end_gets_a_fair_share() {
    let (one, metrics) = (track(1), Metrics::default());
    let asking = Kept::default();
    let listener = asking.listener();
    one.attach(&listener);
    (0..50).for_each(|sequence| one.fan_out(&packet(1, sequence)));
    asking.take();
    let start = std::time::Instant::now();
    let bytes = request(1, &(10..42).collect::<Vec<_>>());
    let request = wire::repair::Request::decode(&bytes).unwrap();
    for ms in 0..10_000 {
        listener.answer(&request, start + Duration::from_millis(ms), &metrics);
    }
    let sent = asking.take().len();
    assert!(
        (545..=550).contains(&sent),
        "50 and 10 s of 50 a second: {sent}"
    );
}

#[test]
fn a_late_packet_takes_its_place_and_no_newer_one_s() {
    let (one, metrics) = (track(1), Metrics::default());
    let asking = Kept::default();
    let listener = asking.listener();
    one.attach(&listener);
    for sequence in [0, 1, 3, 2, 80, 30] {
        one.fan_out(&packet(1, sequence));
    }
    asking.take();
    let bytes = request(1, &[2, 30, 80]);
    let request = wire::repair::Request::decode(&bytes).unwrap();
    listener.answer(&request, std::time::Instant::now(), &metrics);
    let again: Vec<_> = asking.take();
    let again = again
        .iter()
        .map(|bytes| Datagram::decode(bytes).unwrap().sequence);
    assert_eq!(again.collect::<Vec<_>>(), [2, 80]);
}
