//! Datagrams of a track to pages of chained Ogg Opus. No task, socket or clock.
//!
//! Packets stay as they are. A new title begins a new logical stream, and so does a source
//! that turns from mono to stereo. Packets that were lost become ones that ask the decoder
//! to conceal; longer holes are left out, for a player that waited through one would be
//! late by it for ever.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use media::ogg::{Gap, Head, Muxer};
use media::reorder::{Next, Reorder};
use media::toc::Toc;
use wire::audio::Datagram;
use wire::message::Metadata;

use super::ring::{Chunk, Link};
use crate::tags::{line, tags};

/// A page holds so much sound, and a packet at least: 20 ms.
const PAGE_SAMPLES: u64 = 960;

/// What a player is to drop of the first sound of a stream, for its decoder to settle: 80 ms,
/// as RFC 7845, section 4.6, recommends. Who comes from the stream before is given so much
/// of it again.
const PRE_SKIP: u16 = 3840;

/// A hole above this is left out: 1 s.
const GAP_MAX: u64 = 48_000;

/// Titles kept that hold from later on.
const TITLES_MAX: usize = 32;

#[derive(Debug)]
pub(super) struct Pager {
    station: String,
    /// The number of the next logical stream.
    serial: u32,
    reorder: Reorder,
    title: Option<Metadata>,
    titles: VecDeque<(u64, Metadata)>,
    stream: Option<Stream>,
    /// The last packets with their samples, [`PRE_SKIP`] together and hardly more.
    last: VecDeque<(Vec<u8>, u32)>,
    chunks: VecDeque<Chunk>,
}

/// The logical stream under way.
#[derive(Debug)]
struct Stream {
    muxer: Muxer,
    link: Arc<Link>,
    channels: u8,
    /// Media time behind its last packet.
    end: u64,
    /// The first byte of its last packet.
    toc: u8,
    /// Samples since the last chunk.
    samples: u64,
    pages: Vec<u8>,
}

impl Pager {
    /// `station` is the name for people, `serial` the number of the first logical stream:
    /// a random one, as RFC 3533 has it.
    pub(super) fn new(station: String, serial: u32) -> Self {
        Self {
            station,
            serial,
            reorder: Reorder::default(),
            title: None,
            titles: VecDeque::new(),
            stream: None,
            last: VecDeque::new(),
            chunks: VecDeque::new(),
        }
    }

    /// The next thing for all players.
    pub(super) fn poll_chunk(&mut self) -> Option<Chunk> {
        self.chunks.pop_front()
    }

    /// Something else plays from that media time on.
    pub(super) fn handle_title(&mut self, timestamp: u64, metadata: Metadata) {
        let at = self.titles.partition_point(|(from, _)| *from <= timestamp);
        self.titles.insert(at, (timestamp, metadata));
        self.titles.truncate(TITLES_MAX);
    }

    /// Takes a datagram. What is no datagram is passed over.
    pub(super) fn handle_datagram(&mut self, bytes: &[u8]) {
        let Ok(datagram) = Datagram::decode(bytes) else {
            return;
        };
        // Copies are older than what they travel with.
        for copy in media::Packet::copies_of(&datagram) {
            self.insert(&copy);
        }
        self.insert(&media::Packet::of(&datagram));
        while let Some(next) = self.reorder.poll() {
            self.handle_packet(&next);
        }
    }

    /// There will be no more.
    pub(super) fn finish(&mut self) {
        while let Some(next) = self.reorder.drain() {
            self.handle_packet(&next);
        }
        if let Some(mut stream) = self.stream.take() {
            let mut pages = std::mem::take(&mut stream.pages);
            stream.muxer.finish(None, &mut pages);
            self.chunks.push_back(Chunk {
                bytes: pages.into(),
                lasts: time(stream.samples),
                link: stream.link,
            });
        }
    }

    fn insert(&mut self, packet: &media::Packet<'_>) {
        if let Ok(toc) = Toc::parse(packet.payload) {
            self.reorder.insert(packet, toc.samples());
        }
    }

    fn handle_packet(&mut self, next: &Next) {
        let channels = Toc::parse(&next.payload).map_or(2, |toc| toc.channels);
        let retitled = self.turn_titles(next.timestamp);
        let widened = |stream: &Stream| channels > stream.channels;
        if retitled || self.stream.as_ref().is_none_or(widened) {
            self.begin_stream(channels, next);
        }
        let Some(stream) = &mut self.stream else {
            return;
        };
        let hole = next.timestamp.saturating_sub(stream.end);
        if hole <= GAP_MAX {
            for (packet, samples) in Gap::new(stream.toc, hole) {
                stream.put(&packet, samples, &mut self.chunks);
            }
        }
        stream.put(&next.payload, next.samples, &mut self.chunks);
        stream.end = next.timestamp + u64::from(next.samples);
        stream.toc = next.payload[0];
        self.keep(next);
    }

    fn keep(&mut self, next: &Next) {
        let others = |last: &VecDeque<(Vec<u8>, u32)>| -> u32 {
            last.iter().skip(1).map(|(_, samples)| samples).sum()
        };
        self.last.push_back((next.payload.clone(), next.samples));
        while others(&self.last) >= u32::from(PRE_SKIP) {
            self.last.pop_front();
        }
    }

    fn begin_stream(&mut self, channels: u8, next: &Next) {
        let former = self.stream.take();
        let (end, channels) = match &former {
            Some(former) => (former.end, former.channels.max(channels)),
            None => (next.timestamp, channels),
        };
        let mut continues = Vec::new();
        let mut samples = 0;
        if let Some(mut former) = former {
            continues = std::mem::take(&mut former.pages);
            samples = former.samples;
            former.muxer.finish(None, &mut continues);
        }
        let tags = tags(&self.station, self.title.as_ref());
        let serial = self.serial;
        self.serial = serial.wrapping_add(1);
        let mut joins = Vec::new();
        // Who joins drops sound it never had, who goes on what it has heard already.
        drop(Muxer::new(
            serial,
            &Head::new(channels, PRE_SKIP),
            &tags,
            &mut joins,
        ));
        let heard: u32 = self.last.iter().map(|(_, samples)| samples).sum();
        let head = Head::new(channels, u16::try_from(heard).unwrap_or(u16::MAX));
        let mut muxer = Muxer::new(serial, &head, &tags, &mut continues);
        for (packet, samples) in &self.last {
            muxer.packet(packet, *samples, &mut continues);
        }
        muxer.flush(&mut continues);
        let link = Link {
            joins: joins.into(),
            continues: continues.into(),
            title: self.title.as_ref().map(line).unwrap_or_default(),
        };
        self.stream = Some(Stream {
            muxer: muxer.with_page_samples(PAGE_SAMPLES),
            link: Arc::new(link),
            channels,
            end,
            toc: next.payload[0],
            samples,
            pages: Vec::new(),
        });
    }

    /// What holds at that media time becomes the title; whether it is another.
    fn turn_titles(&mut self, timestamp: u64) -> bool {
        let due = self.titles.partition_point(|(from, _)| *from <= timestamp);
        let Some((_, title)) = self.titles.drain(..due).next_back() else {
            return false;
        };
        let shown = |title: &Metadata| tags("", Some(title));
        let same = self
            .title
            .as_ref()
            .is_some_and(|now| shown(now) == shown(&title));
        self.title = Some(title);
        !same
    }
}

impl Stream {
    fn put(&mut self, packet: &[u8], samples: u32, chunks: &mut VecDeque<Chunk>) {
        self.muxer.packet(packet, samples, &mut self.pages);
        self.samples += u64::from(samples);
        if !self.pages.is_empty() {
            chunks.push_back(Chunk {
                bytes: Bytes::from(std::mem::take(&mut self.pages)),
                lasts: time(std::mem::take(&mut self.samples)),
                link: Arc::clone(&self.link),
            });
        }
    }
}

fn time(samples: u64) -> Duration {
    Duration::from_micros(samples * 125 / 6)
}
