//! One station's recording: datagrams in, the bytes of files out. No file, thread or clock.
//!
//! A file is Ogg Opus with the station's own packets. Its time is media time: what is
//! missing becomes packets that ask the decoder to conceal, so that a file is as long as
//! the broadcast it holds. A file that goes on where another was cut begins with the last
//! 80 ms of that one as pre-skip, so that its decoder is settled at its first sample.

use std::collections::VecDeque;

use media::ogg::{GAP_STEP, Gap, Head, Muxer};
use media::reorder::{Next, Reorder};
use media::toc::Toc;
use serde::Serialize;
use wire::audio::Datagram;
use wire::message::Metadata;

use crate::config::Cut;
use crate::tags::tags;

/// Sound that precedes a file as its pre-skip: 80 ms, what RFC 7845 recommends.
const PREROLL: u64 = 3840;

/// Samples of a new encoder's look-ahead, skipped where nothing precedes.
const LOOKAHEAD: u16 = 312;

/// A hole above this ends the file instead of being filled: a minute.
const GAP_MAX: u64 = 60 * 48_000;

/// Titles kept that hold from later on.
const TITLES_MAX: usize = 32;

const HOUR_US: u64 = 3_600_000_000;

/// What is to be done with files, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Output {
    /// A file begins, at this moment in microseconds since the Unix epoch, with these bytes.
    Begin(u64, Vec<u8>),
    /// Whole pages for it.
    Write(Vec<u8>),
    /// A line for the list of what it holds.
    Note(String),
    /// It is complete.
    End,
}

/// Turns datagrams into files.
#[derive(Debug)]
pub(super) struct Core {
    station: String,
    /// The number of the next file's logical stream.
    serial: u32,
    cut: Cut,
    reorder: Reorder,
    preroll: VecDeque<Next>,
    title: Option<Metadata>,
    titles: VecDeque<(u64, Metadata)>,
    file: Option<File>,
    paused: bool,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
struct File {
    muxer: Muxer,
    hour: u64,
    /// Media time of its first sample.
    first: u64,
    /// Media time behind its last sample.
    end: u64,
    /// The first byte of its last packet.
    toc: u8,
}

/// One line of the list beside a file.
#[derive(Serialize)]
struct Note<'a> {
    at_ms: u64,
    #[serde(flatten)]
    metadata: &'a Metadata,
}

impl Core {
    /// `station` is the name for people, `serial` the number of the first file's logical
    /// stream: a random one, as RFC 3533 has it.
    pub(super) fn new(station: String, cut: Cut, serial: u32) -> Self {
        Self {
            station,
            serial,
            cut,
            reorder: Reorder::default(),
            preroll: VecDeque::new(),
            title: None,
            titles: VecDeque::new(),
            file: None,
            paused: false,
            outputs: VecDeque::new(),
        }
    }

    /// The next thing to do.
    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Takes a datagram that came at `unix_us`. What is no datagram is passed over.
    pub(super) fn handle_datagram(&mut self, bytes: &[u8], unix_us: u64) {
        let Ok(datagram) = Datagram::decode(bytes) else {
            return;
        };
        // Copies are older than what they travel with.
        for copy in media::Packet::copies_of(&datagram) {
            self.insert(&copy);
        }
        self.insert(&media::Packet::of(&datagram));
        while let Some(next) = self.reorder.poll() {
            self.handle_packet(next, unix_us);
        }
    }

    /// Something else plays from that media time on.
    pub(super) fn handle_title(&mut self, timestamp: u64, metadata: Metadata) {
        let at = self.titles.partition_point(|(from, _)| *from <= timestamp);
        self.titles.insert(at, (timestamp, metadata));
        self.titles.truncate(TITLES_MAX);
    }

    /// The file cannot be written: what follows is for none, until [`Self::resume`].
    pub(super) fn pause(&mut self) {
        self.file = None;
        self.paused = true;
        self.outputs.clear();
    }

    /// Files may be written again; the next packet begins one.
    pub(super) fn resume(&mut self) {
        self.paused = false;
    }

    /// Whether [`Self::pause`] holds.
    pub(super) fn is_paused(&self) -> bool {
        self.paused
    }

    /// The recording is over.
    pub(super) fn finish(&mut self, unix_us: u64) {
        while let Some(next) = self.reorder.drain() {
            self.handle_packet(next, unix_us);
        }
        self.end_file();
    }

    fn insert(&mut self, packet: &media::Packet<'_>) {
        if let Ok(toc) = Toc::parse(packet.payload) {
            self.reorder.insert(packet, toc.samples());
        }
    }

    fn handle_packet(&mut self, next: Next, unix_us: u64) {
        let end = next.timestamp + u64::from(next.samples);
        let hour = unix_us / HOUR_US;
        if let Some(file) = &self.file {
            let gap = next.timestamp.saturating_sub(file.end);
            let back = file.end.saturating_sub(next.timestamp);
            if gap > GAP_MAX || back > PREROLL || (self.cut == Cut::Hour && hour != file.hour) {
                self.end_file();
            }
        }
        self.turn_titles(next.timestamp);
        if self.file.is_none() && !self.paused {
            self.begin_file(&next, unix_us);
        }
        if let Some(file) = &mut self.file {
            let mut pages = Vec::new();
            let gap = next.timestamp.saturating_sub(file.end);
            for (packet, samples) in Gap::new(file.toc, gap) {
                file.muxer.packet(&packet, samples, &mut pages);
                file.end += u64::from(samples);
            }
            file.muxer.packet(&next.payload, next.samples, &mut pages);
            // Less than a step may be missing; it is made up for by the next hole.
            file.end += u64::from(next.samples);
            file.toc = next.payload[0];
            if !pages.is_empty() {
                self.outputs.push_back(Output::Write(pages));
            }
        }
        self.preroll.push_back(next);
        while let Some(first) = self.preroll.front() {
            // In either direction: time may have stepped back.
            if end.abs_diff(first.timestamp) <= PREROLL + u64::from(first.samples) {
                break;
            }
            self.preroll.pop_front();
        }
    }

    fn begin_file(&mut self, next: &Next, unix_us: u64) {
        // Only what joins the new file without a hole can precede it.
        let mut from = next.timestamp;
        let joined = self.preroll.iter().rev().take_while(|earlier| {
            let joins = earlier.timestamp + u64::from(earlier.samples) == from;
            from = earlier.timestamp;
            joins
        });
        let count = joined.count();
        let preroll = self.preroll.range(self.preroll.len() - count..);
        let samples: u64 = preroll.clone().map(|next| u64::from(next.samples)).sum();
        let skip = match count {
            0 => LOOKAHEAD,
            _ => u16::try_from(samples).expect("the preroll is 200 ms at most"),
        };
        let channels = Toc::parse(&next.payload).map_or(2, |toc| toc.channels);
        let tags = tags(&self.station, self.title.as_ref());
        let mut bytes = Vec::new();
        let head = Head::new(channels, skip);
        let mut muxer = Muxer::new(self.serial, &head, &tags, &mut bytes);
        self.serial = self.serial.wrapping_add(1);
        for earlier in preroll {
            muxer.packet(&earlier.payload, earlier.samples, &mut bytes);
        }
        self.outputs.push_back(Output::Begin(unix_us, bytes));
        self.file = Some(File {
            muxer,
            hour: unix_us / HOUR_US,
            first: next.timestamp,
            end: next.timestamp,
            toc: next.payload[0],
        });
        self.note(next.timestamp);
    }

    /// What holds at that media time becomes the title.
    fn turn_titles(&mut self, timestamp: u64) {
        let due = self.titles.partition_point(|(from, _)| *from <= timestamp);
        let current = self.titles.drain(..due).next_back();
        if let Some((from, title)) = current {
            self.title = Some(title);
            self.note(from);
        }
    }

    /// Writes down the title in the list beside the file.
    fn note(&mut self, timestamp: u64) {
        let (Some(file), Some(metadata)) = (&self.file, &self.title) else {
            return;
        };
        let at_ms = timestamp.saturating_sub(file.first) / 48;
        let note = Note { at_ms, metadata };
        let line = serde_json::to_string(&note).expect("metadata is JSON");
        self.outputs.push_back(Output::Note(line));
    }

    fn end_file(&mut self) {
        if let Some(file) = self.file.take() {
            let mut pages = Vec::new();
            file.muxer.finish(None, &mut pages);
            self.outputs.push_back(Output::Write(pages));
            self.outputs.push_back(Output::End);
        }
    }
}

// A step of the finest frames is below what a page or a packet is checked for.
const _: () = assert!(GAP_STEP < PREROLL);

#[cfg(test)]
mod tests;
