use media::ogg::{Demuxer, Event, Tags};
use wire::TrackId;
use wire::audio::{Copies, SendTime};

use super::*;

/// 20 ms of stereo in CELT, told apart by its number.
fn payload(number: u64) -> Vec<u8> {
    let mut payload = vec![31 << 3 | 4];
    payload.extend_from_slice(&number.to_le_bytes());
    payload
}

fn datagram(number: u64, timestamp: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let datagram = Datagram {
        track: TrackId::new(1).unwrap(),
        sequence: number,
        timestamp,
        send_time: SendTime(0),
        copies: Copies::none(),
        packet: &payload(number),
    };
    datagram.encode(&mut bytes).unwrap();
    bytes
}

fn titled(title: &str) -> Metadata {
    Metadata {
        title: title.into(),
        ..Metadata::default()
    }
}

/// The files written: when they began, their bytes, their notes, whether they ended.
#[derive(Debug, Default)]
struct Files(Vec<(u64, Vec<u8>, Vec<String>, bool)>);

impl Files {
    fn take(&mut self, core: &mut Core) {
        while let Some(output) = core.poll_output() {
            if let Output::Begin(at, bytes) = output {
                self.0.push((at, bytes, Vec::new(), false));
                continue;
            }
            let file = self.0.last_mut().expect("it has begun");
            match output {
                Output::Begin(..) => unreachable!(),
                Output::Write(bytes) => file.1.extend(bytes),
                Output::Note(line) => file.2.push(line),
                Output::End => file.3 = true,
            }
        }
    }
}

/// Pre-skip, samples to the end, packets and tags of a file.
fn read(bytes: &[u8]) -> (u64, u64, Vec<Vec<u8>>, Tags) {
    let mut demuxer = Demuxer::new();
    demuxer.push(bytes).unwrap();
    let (mut skip, mut end, mut packets, mut tags) = (0, 0, Vec::new(), Tags::default());
    while let Some(event) = demuxer.poll() {
        match event {
            Event::Head(head) => skip = head.pre_skip.into(),
            Event::Tags(found) => tags = found,
            Event::Packet { data, granule } => {
                packets.push(data);
                end = granule.unwrap_or(end);
            }
            Event::End { .. } => {}
            Event::Gap | Event::Foreign => panic!("{event:?}"),
        }
    }
    (skip, end, packets, tags)
}

#[test]
fn the_stations_own_packets_are_in_the_file_in_order() {
    let (mut core, mut files) = (Core::new("Jazz FM".into(), Cut::Show, 7), Files::default());
    core.handle_title(0, titled("First"));
    for number in [0, 1, 3, 2, 4, 5, 5, 6] {
        core.handle_datagram(&datagram(number, number * 960), 7);
        files.take(&mut core);
    }
    core.handle_datagram(b"what is this", 8);
    core.finish(9);
    files.take(&mut core);
    let [(at, bytes, notes, ended)] = &files.0[..] else {
        panic!("{files:?}")
    };
    let (skip, end, packets, tags) = read(bytes);
    assert_eq!((*at, skip, end, *ended), (7, 312, 7 * 960, true));
    assert_eq!(packets, (0..7).map(payload).collect::<Vec<_>>());
    assert_eq!(tags.first("title"), Some("First"));
    assert_eq!(tags.first("organization"), Some("Jazz FM"));
    assert_eq!(notes, &[r#"{"at_ms":0,"title":"First"}"#]);
}

#[test]
fn whatever_is_lost_a_file_is_as_long_as_its_broadcast() {
    let (mut core, mut files) = (Core::new("x".into(), Cut::Show, 7), Files::default());
    let send = |core: &mut Core, number, timestamp| {
        core.handle_datagram(&datagram(number, timestamp), 7);
    };
    send(&mut core, 0, 0);
    // Seven lost, then a source that returns after 3 s, off the grid of packets.
    send(&mut core, 8, 8 * 960);
    for (step, number) in (9..20).enumerate() {
        send(&mut core, number, 150_010 + 960 * step as u64);
    }
    core.finish(8);
    files.take(&mut core);
    let (_, end, packets, _) = read(&files.0[0].1);
    let length = 150_010 + 11 * 960;
    assert!(end <= length && length - end < GAP_STEP, "{end}");
    let real = packets.iter().filter(|packet| packet.len() > 2).count();
    assert_eq!(real, 13);
}

#[test]
fn a_new_hour_begins_a_file_that_the_last_one_leads_into() {
    let (mut core, mut files) = (Core::new("x".into(), Cut::Hour, 7), Files::default());
    core.handle_title(0, titled("A"));
    core.handle_title(60 * 960, titled("B"));
    for number in 0..100 {
        // The 50th packet comes in the next hour.
        let at = HOUR_US - 1_000_000 + number * 20_000;
        core.handle_datagram(&datagram(number, number * 960), at);
    }
    core.finish(HOUR_US + 2_000_000);
    files.take(&mut core);
    assert_eq!(files.0.len(), 2);
    let (_, end, packets, _) = read(&files.0[0].1);
    assert_eq!((end, packets.len()), (50 * 960, 50));
    let (skip, end, packets, tags) = read(&files.0[1].1);
    assert!(skip >= PREROLL, "{skip}");
    assert_eq!(end - skip, 50 * 960, "the files together are the broadcast");
    assert_eq!(packets.last(), Some(&payload(99)));
    assert_eq!(packets[skip as usize / 960], payload(50));
    assert_eq!(tags.first("TITLE"), Some("A"));
    let notes = [r#"{"at_ms":0,"title":"A"}"#, r#"{"at_ms":200,"title":"B"}"#];
    assert_eq!(files.0[1].2, notes);
    assert!(files.0.iter().all(|file| file.3));
}

#[test]
fn any_beginning_of_a_file_is_a_file() {
    let (mut core, mut files) = (Core::new("x".into(), Cut::Show, 7), Files::default());
    for number in 0..60 {
        core.handle_datagram(&datagram(number, number * 960), 7);
    }
    files.take(&mut core);
    let whole = &files.0[0].1;
    let (_, end, all, _) = read(whole);
    assert!(end >= 50 * 960, "at most 200 ms wait: {end}");
    for cut in 200..whole.len() {
        let (_, end, packets, _) = read(&whole[..cut]);
        assert_eq!(packets[..], all[..packets.len()]);
        assert_eq!(end, packets.len() as u64 * 960);
    }
}

#[test]
fn after_a_pause_a_new_file_goes_on() {
    let (mut core, mut files) = (Core::new("x".into(), Cut::Show, 7), Files::default());
    for number in 0..30 {
        core.handle_datagram(&datagram(number, number * 960), 7);
        files.take(&mut core);
        match number {
            9 => core.pause(),
            19 => core.resume(),
            _ => {}
        }
    }
    core.finish(8);
    files.take(&mut core);
    let (skip, end, packets, _) = read(&files.0[1].1);
    assert_eq!(packets[skip as usize / 960], payload(20));
    assert_eq!(end - skip, 10 * 960);
    assert_eq!((files.0.len(), files.0[0].3), (2, false));
}

#[test]
fn a_step_in_media_time_begins_a_file() {
    let (mut core, mut files) = (Core::new("x".into(), Cut::Show, 7), Files::default());
    for number in 0..30 {
        let timestamp = [0, 100_000_000, 50_000_000][number as usize / 10] + number * 960;
        core.handle_datagram(&datagram(number, timestamp), 7);
    }
    core.finish(8);
    files.take(&mut core);
    let ends: Vec<_> = files.0.iter().map(|file| read(&file.1).1).collect();
    assert_eq!(ends, [9600; 3]);
}
