use super::*;
use proptest::prelude::*;

fn datagram() -> Datagram<'static> {
    Datagram {
        track: TrackId::new(5).unwrap(),
        sequence: 1000,
        timestamp: 960_000,
        send_time: SendTime(0xdead_beef),
        copies: Copies::none(),
        packet: &[0xfc, 1, 2, 3],
    }
}

#[test]
fn send_time_survives_its_wrap() {
    let sent = SendTime::from_server_time((7 << 32) - 10);
    assert_eq!(sent.elapsed_us((7 << 32) + 5), 15);
    assert_eq!(sent.elapsed_us((7 << 32) - 30), -20);
}

#[test]
fn a_failed_encode_leaves_the_buffer_as_it_was() {
    let big = [7; DATAGRAM_BYTES_MAX];
    let mut out = vec![1, 2, 3];
    let error = Datagram {
        packet: &big,
        ..datagram()
    }
    .encode(&mut out);
    assert!(matches!(error, Err(EncodeError::TooLarge(_))));
    assert_eq!(out, [1, 2, 3]);
}

#[test]
fn copies_from_before_the_track_are_refused() {
    let copy = |distance, age| Copy {
        distance,
        age,
        packet: &[1],
    };
    let mut out = Vec::new();
    for bad in [copy(0, 960), copy(3, 960), copy(1, 961)] {
        let datagram = Datagram {
            sequence: 2,
            timestamp: 960,
            ..datagram()
        };
        assert_eq!(
            datagram.encode_with([bad].into_iter(), &mut out),
            Err(EncodeError::Range)
        );
    }
}

prop_compose! {
    fn any_copy()(distance in 1..=255_u8, age in 0..100_000_u64, packet in prop::collection::vec(any::<u8>(), 1..60)) -> (u8, u64, Vec<u8>) {
        (distance, age, packet)
    }
}

proptest! {
    #[test]
    fn round_trip(
        track in 1..=TrackId::MAX,
        sequence in 255..=varint::MAX,
        timestamp in 100_000..=varint::MAX,
        send_time: u32,
        copies in prop::collection::vec(any_copy(), 0..=COPIES_MAX),
        packet in prop::collection::vec(any::<u8>(), 1..600),
    ) {
        let header = Datagram {
            track: TrackId::new(track.into()).unwrap(),
            sequence,
            timestamp,
            send_time: SendTime(send_time),
            copies: Copies::none(),
            packet: &packet,
        };
        let wanted: Vec<_> = copies
            .iter()
            .map(|(distance, age, packet)| Copy { distance: *distance, age: *age, packet })
            .collect();
        let mut bytes = Vec::new();
        header.encode_with(wanted.iter().copied(), &mut bytes).unwrap();
        let mut bare = Vec::new();
        header.encode(&mut bare).unwrap();
        let added: usize = wanted.iter().map(Copy::encoded_len).sum();
        prop_assert_eq!(bytes.len(), bare.len() + added);
        let decoded = Datagram::decode(&bytes).unwrap();
        prop_assert_eq!(decoded.copies.into_iter().collect::<Vec<_>>(), wanted);
        prop_assert_eq!(Datagram { copies: Copies::none(), ..decoded }, header);
        let mut again = Vec::new();
        decoded.encode(&mut again).unwrap();
        prop_assert_eq!(again, bytes);
    }

    #[test]
    fn any_bytes_decode_or_err(bytes in prop::collection::vec(any::<u8>(), 0..1400)) {
        if let Ok(datagram) = Datagram::decode(&bytes) {
            prop_assert_eq!(datagram.copies.into_iter().count(), datagram.copies.len());
        }
    }

    #[test]
    fn flipped_and_cut_datagrams_decode_or_err(
        copies in prop::collection::vec(any_copy(), 0..=COPIES_MAX),
        flip in any::<prop::sample::Index>(),
        bit in 0..8_u8,
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = Vec::new();
        let copies = copies.iter().map(|(distance, age, packet)| Copy { distance: *distance, age: *age, packet });
        datagram().encode_with(copies, &mut bytes).unwrap();
        let flip = flip.index(bytes.len());
        bytes[flip] ^= 1 << bit;
        let cut = cut.index(bytes.len() + 1);
        if let Ok(datagram) = Datagram::decode(&bytes[..cut]) {
            prop_assert_eq!(datagram.copies.into_iter().count(), datagram.copies.len());
            prop_assert!(!datagram.packet.is_empty());
        }
    }
}
