//! From the caller's sequence and media time to the station's.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use media::{EncodedPacket, MediaClock};
use wire::TrackId;
use wire::audio::{Copies, Datagram, SendTime};
use wire::message::{Metadata, PublishResult};

/// How far the packets may fall behind the clock before time is left out: a source that
/// stalled goes on now and not then, for the relay refuses what is 10 s old.
const LAG_MAX: Duration = Duration::from_millis(500);

/// Metadata that may wait for the first packet.
const ANNOUNCED_MAX: usize = 32;

/// One publish: where its packets lie on the station's timeline.
#[derive(Debug)]
pub(super) struct Timeline {
    track: TrackId,
    /// The number and timestamp the relay gave for the first packet.
    start: (u64, u64),
    anchor: Option<Anchor>,
    announced: VecDeque<(u64, Metadata)>,
}

/// Where the caller's timeline meets the station's.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    at: Duration,
    /// The caller's first packet: number and timestamp.
    own: (u64, u64),
    /// The station's timestamp of it.
    timestamp: u64,
}

impl Timeline {
    pub(super) fn new(publish: &PublishResult) -> Self {
        Self {
            track: publish.track.id,
            start: (publish.sequence, publish.timestamp),
            anchor: None,
            announced: VecDeque::new(),
        }
    }

    /// The packet as a datagram sent at `now`, with its number; `None` for what fits none or goes back in time.
    pub(super) fn datagram(
        &mut self,
        packet: &EncodedPacket,
        now: Duration,
        server_time_us: u64,
    ) -> Option<(u64, Bytes)> {
        let own = (packet.sequence, packet.timestamp);
        let anchor = self.anchor.get_or_insert(Anchor {
            at: now,
            own,
            timestamp: self.start.1,
        });
        let ahead = packet.timestamp.checked_sub(anchor.own.1)?;
        let lag = (now - anchor.at).saturating_sub(MediaClock::duration(ahead));
        if lag > LAG_MAX {
            // As if the packets before had been later by so much.
            anchor.at += lag;
            anchor.timestamp += MediaClock::samples(lag);
        }
        let number = packet.sequence.checked_sub(anchor.own.0)?;
        let datagram = Datagram {
            track: self.track,
            sequence: self.start.0.checked_add(number)?,
            timestamp: anchor.timestamp.checked_add(ahead)?,
            send_time: SendTime::from_server_time(server_time_us),
            copies: Copies::none(),
            packet: &packet.payload,
        };
        let mut bytes = Vec::with_capacity(packet.payload.len() + 32);
        datagram.encode(&mut bytes).ok()?;
        Some((datagram.sequence, bytes.into()))
    }

    /// Notes what plays from the caller's `position` on.
    pub(super) fn announce(&mut self, position: u64, metadata: Metadata) {
        if self.announced.len() == ANNOUNCED_MAX {
            self.announced.pop_front();
        }
        self.announced.push_back((position, metadata));
    }

    /// The next thing to tell the relay, once it is known where the timelines meet.
    pub(super) fn poll_metadata(&mut self) -> Option<Metadata> {
        let anchor = self.anchor?;
        let (position, metadata) = self.announced.pop_front()?;
        let ahead = position.saturating_sub(anchor.own.1);
        Some(Metadata {
            timestamp: Some(anchor.timestamp + ahead),
            ..metadata
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::message::{Codec, Station, StationState, Track, TrackParams};

    fn timeline() -> Timeline {
        Timeline::new(&PublishResult {
            station: Station {
                id: "demo".parse().unwrap(),
                name: String::new(),
                description: String::new(),
                genre: None,
                url: None,
                bitrate: None,
                state: StationState::Live,
                started_at: None,
                listeners: 0,
                listeners_peak: 0,
                metadata: None,
                renditions: vec![],
                rewind_ms: 0,
            },
            track: Track {
                id: TrackId::new(4).unwrap(),
                rendition: "source".into(),
                params: TrackParams {
                    codec: Codec::Opus,
                    channels: 2,
                    frame_us: 20_000,
                    bitrate: 128_000,
                },
            },
            sequence: 50,
            timestamp: 96_000,
        })
    }

    fn packet(number: u64, timestamp: u64) -> EncodedPacket {
        EncodedPacket {
            sequence: number,
            timestamp,
            samples: 960,
            payload: vec![0xfc, 1, 2],
        }
    }

    fn sent(timeline: &mut Timeline, packet: EncodedPacket, ms: u64) -> (u64, u64) {
        let (_, bytes) = timeline
            .datagram(&packet, Duration::from_millis(ms), 7_000_000)
            .unwrap();
        let datagram = Datagram::decode(&bytes).unwrap();
        assert_eq!(datagram.packet, packet.payload);
        assert_eq!(
            (datagram.track.number(), datagram.send_time.0),
            (4, 7_000_000)
        );
        (datagram.sequence, datagram.timestamp)
    }

    #[test]
    fn the_first_packet_begins_where_the_relay_said() {
        let mut timeline = timeline();
        assert_eq!(
            sent(&mut timeline, packet(1000, 5_000_000), 300),
            (50, 96_000)
        );
        assert_eq!(
            sent(&mut timeline, packet(1001, 5_000_960), 320),
            (51, 96_960)
        );
        // A packet that was lost on the way here leaves its number free.
        assert_eq!(
            sent(&mut timeline, packet(1003, 5_002_880), 360),
            (53, 98_880)
        );
        let before = packet(999, 4_999_040);
        assert_eq!(timeline.datagram(&before, Duration::from_secs(1), 0), None);
    }

    #[test]
    fn metadata_is_told_in_the_stations_time_once_it_is_known() {
        let mut timeline = timeline();
        let titled = |title: &str| Metadata {
            title: title.into(),
            ..Metadata::default()
        };
        timeline.announce(10_312, titled("a"));
        assert_eq!(timeline.poll_metadata(), None);
        sent(&mut timeline, packet(0, 10_000), 0);
        timeline.announce(20_000, titled("b"));
        let told: Vec<_> = std::iter::from_fn(|| timeline.poll_metadata())
            .map(|metadata| (metadata.title, metadata.timestamp.unwrap()))
            .collect();
        assert_eq!(told, [("a".to_owned(), 96_312), ("b".to_owned(), 106_000)]);
    }

    #[test]
    fn a_source_that_stalled_goes_on_now() {
        let mut timeline = timeline();
        sent(&mut timeline, packet(0, 0), 0);
        assert_eq!(
            sent(&mut timeline, packet(1, 960), 400),
            (51, 96_960),
            "a little late"
        );
        let (sequence, timestamp) = sent(&mut timeline, packet(2, 1920), 20_040);
        assert_eq!((sequence, timestamp), (52, 96_000 + 20_040 * 48));
        assert_eq!(
            sent(&mut timeline, packet(3, 2880), 20_060).1,
            timestamp + 960
        );
    }
}
