use proptest::prelude::*;

use super::*;

/// An ACK frame of ranges from the first number to the second, the highest first.
fn ack_frame(ranges: &[(u64, u64)], delay: u64, ecn: Option<[u64; 3]>) -> Vec<u8> {
    let ranges: Vec<_> = ranges.iter().map(|(low, high)| (*low, high + 1)).collect();
    let mut out = Vec::new();
    write_ack(Head { delay, ecn }, &ranges, &mut out);
    out
}

/// A frame of each other kind.
fn others() -> Vec<Vec<u8>> {
    let mut frames = vec![
        vec![0x01],
        vec![0x1e],
        vec![0x1f],
        vec![0x04, 1, 2, 3],
        vec![0x05, 1, 2],
        vec![0x11, 1, 2],
        vec![0x15, 1, 2],
        vec![0x06, 9, 2, 0x02, 0x02],
        vec![0x07, 2, 0x02, 0x02],
        vec![0x31, 3, 0x02, 0x02, 0x03],
        vec![0x31, 0],
        vec![0x0a, 4, 2, 0x02, 0x02],
        vec![0x0e, 4, 0x40, 0x50, 2, 0x02, 0x02],
        vec![0x0f, 4, 7, 1, 0x02],
        vec![0x18, 1, 0, 4, 2, 2, 2, 2],
        [vec![0x1a], vec![2; 8]].concat(),
        [vec![0x1b], vec![2; 8]].concat(),
        vec![0x1c, 1, 0x02, 2, 0x02, 0x02],
        vec![0x1d, 1, 2, 0x02, 0x02],
        vec![0x40, 0xaf, 1, 2, 3, 4],
    ];
    frames[14].extend([2; 16]);
    frames.extend([0x10, 0x12, 0x13, 0x14, 0x16, 0x17, 0x19].map(|kind| vec![kind, 2]));
    frames
}

/// Numbers of which `period - 1` of `period` are the fast path's.
fn sparse(period: u64, count: u64) -> Numbers {
    let mut numbers = Numbers::default();
    for own in 0..count {
        for _ in 1..period {
            numbers.take();
        }
        numbers.on_wire(own);
    }
    numbers
}

#[test]
fn an_acknowledgement_between_any_other_frames_is_found() {
    let numbers = sparse(4, 5);
    let wire = ack_frame(&[(14, 19), (0, 7)], 9, None);
    let quinn = ack_frame(&[(3, 4), (0, 1)], 9, None);
    for before in others() {
        for after in others()
            .into_iter()
            .chain([vec![0x08, 4, 1, 2], vec![0x30, 0x02]])
        {
            let mut seen = Vec::new();
            let told = renumbered(
                &[&before[..], &wire, &[0, 0, 0], &after].concat(),
                &numbers,
                &mut |low, high| seen.push((low, high)),
            );
            assert_eq!(
                told,
                Some([&before[..], &quinn, &[0, 0, 0], &after].concat())
            );
            assert_eq!(seen, [(14, 19), (0, 7)]);
        }
    }
}

#[test]
fn ranges_that_only_the_fast_paths_packets_part_become_one() {
    let numbers = sparse(4, 5);
    let wire = ack_frame(&[(18, 19), (9, 12), (3, 7)], 0, Some([1, 2, 3]));
    let quinn = ack_frame(&[(4, 4), (0, 2)], 0, Some([1, 2, 3]));
    assert_eq!(renumbered(&wire, &numbers, &mut |_, _| {}), Some(quinn));
}

#[test]
fn an_acknowledgement_of_nothing_quinn_sent_becomes_padding() {
    let numbers = sparse(4, 5);
    let wire = ack_frame(&[(16, 18), (12, 14)], 300, None);
    assert_eq!(renumbered(&wire, &numbers, &mut |_, _| {}), Some(vec![0]));
    let both = [&wire[..], &[0x01]].concat();
    assert_eq!(
        renumbered(&both, &numbers, &mut |_, _| {}),
        Some(vec![0, 1])
    );
    assert_eq!(renumbered(&[0x01, 0, 0], &numbers, &mut |_, _| {}), None);
}

#[test]
fn what_cannot_be_read_is_left_to_quinn() {
    let numbers = sparse(4, 5);
    let wire = ack_frame(&[(16, 19)], 300, None);
    let quinn = ack_frame(&[(4, 4)], 300, None);
    for rubbish in [
        &[0x21, 1, 2][..],
        &[0x06, 0, 60, 1],
        &[0x02, 3, 0, 0, 9],
        &[0xc0],
    ] {
        let both = [&wire[..], rubbish].concat();
        let told = renumbered(&both, &numbers, &mut |_, _| {});
        assert_eq!(told, Some([&quinn[..], rubbish].concat()));
        assert_eq!(only_acks(&both, &mut |_, _| {}), None);
    }
    // A packet that was never sent stays so.
    let lie = ack_frame(&[(0, 20)], 0, None);
    let told = renumbered(&lie, &numbers, &mut |_, _| {});
    assert_eq!(told, Some(ack_frame(&[(0, 5)], 0, None)));
}

#[test]
fn only_acknowledgements_and_padding_are_only_acknowledgements() {
    let mut seen = Vec::new();
    let two = [
        ack_frame(&[(5, 9)], 1, Some([1, 1, 1])),
        vec![0, 0],
        ack_frame(&[(1, 2)], 1, None),
    ];
    let told = only_acks(&two.concat(), &mut |low, high| seen.push((low, high)));
    assert_eq!(told, Some(()));
    assert_eq!(seen, [(5, 9), (1, 2)]);
    for other in others() {
        assert_eq!(
            only_acks(&[&two[0][..], &other].concat(), &mut |_, _| {}),
            None
        );
    }
}

proptest! {
    /// Against a set of numbers.
    #[test]
    fn what_is_acknowledged_stays_so(
        period in 1u64..6,
        count in 1u64..50,
        steps in proptest::collection::vec((1u64..6, 0u64..6), 1..10),
        delay in 0u64..1 << 20,
    ) {
        let numbers = sparse(period, count);
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        let mut at = 0;
        for (gap, len) in steps {
            let (low, high) = (at + gap, at + gap + len);
            if high < period * count {
                ranges.insert(0, (low, high));
            }
            at = high + 1;
        }
        prop_assume!(!ranges.is_empty());
        let expected: Vec<u64> = (0..count)
            .filter(|own| {
                let number = own * period + period - 1;
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&number))
            })
            .collect();
        let told = renumbered(&ack_frame(&ranges, delay, None), &numbers, &mut |_, _| {});
        let mut got = Vec::new();
        prop_assert!(only_acks(&told.unwrap(), &mut |low, high| got.extend(low..=high)).is_some());
        got.sort_unstable();
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let numbers = sparse(3, 20);
        let _ = only_acks(&bytes, &mut |_, _| {});
        let _ = renumbered(&bytes, &numbers, &mut |_, _| {});
    }
}

#[test]
fn what_goes_out_is_looked_through() {
    let mut frames = ack_frame(&[(3, 4)], 9, None);
    assert_eq!(look_through(&frames), Found::default());
    frames.extend([0x40, 0xaf, 1, 9, 0x40, 0x64, 2, 0x01]);
    let found = look_through(&frames);
    let frequency = Frequency {
        sequence: 1,
        threshold: 9,
        delay_us: 100,
        reordering: 2,
    };
    assert!(found.is_eliciting);
    assert_eq!(found.frequency, Some(frequency));
    let mut out = Vec::new();
    frequency.write(&mut out);
    assert_eq!(out, [0x40, 0xaf, 1, 9, 0x40, 0x64, 2]);
    assert_eq!(frequency.bytes(), out.len());
    for close in [&[0x1c, 1, 2, 0][..], &[0x1d, 1, 0], &[0, 0]] {
        assert_eq!(look_through(close), Found::default());
    }
}

#[test]
fn only_a_last_datagram_gives_its_length_away() {
    let datagram = |len: u8| [vec![0x31, 0x40, len], vec![9; usize::from(len)]].concat();
    let ack = ack_frame(&[(3, 4)], 9, None);
    let mut frames = [vec![0x01], datagram(80), ack.clone(), vec![0]].concat();
    let found = look_through(&frames);
    assert_eq!(found.last_datagram, Some(1..84));
    assert!(ask_at_once(&mut frames, found.last_datagram));
    let asking = [vec![0x1f, 0x00, 0x30], vec![9; 80]].concat();
    assert_eq!(frames, [vec![0x01], ack, vec![0], asking].concat());
    // Another frame behind it, one byte of length.
    for others in [[datagram(80), vec![0x01]].concat(), vec![0x31, 2, 9, 9]] {
        let mut frames = others.clone();
        let found = look_through(&frames);
        assert_eq!(found.last_datagram, None);
        assert!(!ask_at_once(&mut frames, found.last_datagram));
        assert_eq!(frames, others);
    }
}

proptest! {
    #[test]
    fn looking_through_anything_does_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut frames = bytes.clone();
        let found = look_through(&frames);
        ask_at_once(&mut frames, found.last_datagram);
        prop_assert_eq!(frames.len(), bytes.len());
    }
}
