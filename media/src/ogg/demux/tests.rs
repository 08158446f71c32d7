use super::*;
use crate::ogg::Muxer;
use proptest::prelude::*;

fn tags(title: &str) -> Tags {
    Tags {
        vendor: "skywave".into(),
        comments: vec![("TITLE".into(), title.into())],
    }
}

fn stream(serial: u32, title: &str, packets: &[Vec<u8>], end: Option<u64>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut muxer = Muxer::new(serial, &Head::new(2, 312), &tags(title), &mut out);
    for packet in packets {
        muxer.packet(packet, 960, &mut out);
    }
    muxer.finish(end, &mut out);
    out
}

fn demux(bytes: &[u8], piece: usize) -> Vec<Event> {
    let mut demuxer = Demuxer::new();
    let mut events = Vec::new();
    for piece in bytes.chunks(piece) {
        demuxer.push(piece).unwrap();
        events.extend(std::iter::from_fn(|| demuxer.poll()));
    }
    events
}

fn packets(events: &[Event]) -> Vec<Vec<u8>> {
    let packet = |event: &Event| match event {
        Event::Packet { data, .. } => Some(data.clone()),
        _ => None,
    };
    events.iter().filter_map(packet).collect()
}

proptest! {
    #[test]
    fn what_is_muxed_is_demuxed(
        packets_in in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..1300), 1..60),
        piece in 1usize..5000,
        title in ".{0,40}",
    ) {
        let events = demux(&stream(7, &title, &packets_in, None), piece);
        prop_assert_eq!(&events[0], &Event::Head(Head::new(2, 312)));
        prop_assert_eq!(&events[1], &Event::Tags(tags(&title)));
        prop_assert_eq!(packets(&events), packets_in);
        let ended = matches!(events.last(), Some(Event::End { .. }));
        prop_assert!(ended);
    }

    #[test]
    fn any_bytes_never_panic(bytes: Vec<u8>, flips in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..20)) {
        let mut demuxer = Demuxer::new();
        let _ = demuxer.push(&bytes);
        let mut good = stream(1, "x", &vec![vec![5; 300]; 30], None);
        for (at, value) in flips {
            let at = at % good.len();
            good[at] = value;
        }
        let _ = demuxer.push(&good);
        while demuxer.poll().is_some() {}
    }
}

#[test]
fn chained_streams_follow_each_other_and_end_where_told() {
    let mut bytes = b"junk before".to_vec();
    bytes.extend(stream(1, "one", &vec![vec![1; 100]; 30], Some(28_000)));
    bytes.extend(stream(2, "two", &vec![vec![2; 100]; 30], None));
    let events = demux(&bytes, 1000);
    let heads = events
        .iter()
        .filter(|e| matches!(e, Event::Head(_)))
        .count();
    let ends = events
        .iter()
        .filter(|e| matches!(e, Event::End { .. }))
        .count();
    assert_eq!((heads, ends, packets(&events).len()), (2, 2, 60));
    let granules: Vec<u64> = events
        .iter()
        .filter_map(|e| match e {
            Event::Packet { granule, .. } => *granule,
            _ => None,
        })
        .collect();
    assert_eq!(granules[..3], [9_600, 19_200, 28_800]);
    assert!(events.contains(&Event::End {
        granule: Some(28_000)
    }));
}

#[test]
fn a_damaged_page_is_a_gap_and_the_rest_plays() {
    let mut bytes = stream(1, "one", &vec![vec![1; 100]; 60], None);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    let events = demux(&bytes, 4096);
    assert!(events.contains(&Event::Gap));
    assert_eq!(
        packets(&events).len(),
        50,
        "one page of ten packets is missing"
    );
}

#[test]
fn long_comments_span_pages() {
    let title = "long ".repeat(30_000);
    let events = demux(&stream(1, &title, &[vec![1]], None), 999);
    // Comments are read up to 128 KiB, then the list ends; the stream goes on.
    assert!(matches!(&events[1], Event::Tags(tags) if tags.comments.is_empty()));
    assert_eq!(packets(&events).len(), 1);
}
