//! Opus packets to bytes.

use super::headers::{Head, Tags};
use super::page::{CONTINUED, FIRST, LAST, NO_GRANULE, Page};
use crate::SAMPLE_RATE;

/// A page is closed once it holds this much sound: 200 ms. Players wait for whole pages.
const PAGE_SAMPLES: u64 = SAMPLE_RATE as u64 / 5;

/// Writes one logical stream. For new tags end it with [`Self::finish`] and begin another
/// with a different serial number: a chained stream.
///
/// Everything is appended to a buffer of the caller's.
#[derive(Debug)]
pub struct Muxer {
    serial: u32,
    sequence: u32,
    granule: u64,
    lacing: Vec<u8>,
    body: Vec<u8>,
    page_samples: u64,
    page_samples_max: u64,
}

impl Muxer {
    /// Begins a stream, writing its two headers.
    #[must_use]
    pub fn new(serial: u32, head: &Head, tags: &Tags, out: &mut Vec<u8>) -> Self {
        let mut muxer = Self {
            serial,
            sequence: 0,
            granule: 0,
            lacing: Vec::new(),
            body: Vec::new(),
            page_samples: 0,
            page_samples_max: PAGE_SAMPLES,
        };
        muxer.header(&head.to_packet(), FIRST, out);
        muxer.header(&tags.to_packet(), 0, out);
        muxer
    }

    /// Closes pages after this many samples instead of 200 ms; 0 gives each packet its page,
    /// for the least delay.
    #[must_use]
    pub fn with_page_samples(mut self, samples: u64) -> Self {
        self.page_samples_max = samples;
        self
    }

    /// Adds a packet that decodes to `samples`.
    pub fn packet(&mut self, packet: &[u8], samples: u32, out: &mut Vec<u8>) {
        if self.lacing.len() + packet.len() / 255 + 1 > 255 {
            self.flush(out);
        }
        lace(packet.len(), &mut self.lacing);
        self.body.extend_from_slice(packet);
        self.granule += u64::from(samples);
        self.page_samples += u64::from(samples);
        if self.page_samples >= self.page_samples_max {
            self.flush(out);
        }
    }

    /// Closes the page under way, if it holds anything.
    pub fn flush(&mut self, out: &mut Vec<u8>) {
        if !self.lacing.is_empty() {
            self.page(0, out);
        }
    }

    /// Ends the stream. With `samples` the end is cut to that many samples, the pre-skip
    /// included.
    pub fn finish(mut self, samples: Option<u64>, out: &mut Vec<u8>) {
        self.granule = samples.unwrap_or(self.granule).min(self.granule);
        self.page(LAST, out);
    }

    fn page(&mut self, flags: u8, out: &mut Vec<u8>) {
        let page = Page {
            flags,
            granule: self.granule,
            serial: self.serial,
            sequence: self.sequence,
            lacing: &self.lacing,
            body: &self.body,
        };
        page.write(out);
        self.sequence += 1;
        self.lacing.clear();
        self.body.clear();
        self.page_samples = 0;
    }

    /// A header packet on pages of its own, as long as it may be.
    fn header(&mut self, packet: &[u8], flags: u8, out: &mut Vec<u8>) {
        let mut lacing = Vec::new();
        lace(packet.len(), &mut lacing);
        let pages = lacing.chunks(255).count();
        let mut rest = packet;
        for (n, lacing) in lacing.chunks(255).enumerate() {
            let length = lacing.iter().map(|&part| usize::from(part)).sum();
            let (body, after) = rest.split_at(length);
            rest = after;
            let page = Page {
                flags: if n == 0 { flags } else { CONTINUED },
                granule: if n + 1 == pages { 0 } else { NO_GRANULE },
                serial: self.serial,
                sequence: self.sequence,
                lacing,
                body,
            };
            page.write(out);
            self.sequence += 1;
        }
    }
}

fn lace(length: usize, lacing: &mut Vec<u8>) {
    lacing.extend(std::iter::repeat_n(255, length / 255));
    lacing.push((length % 255) as u8);
}
