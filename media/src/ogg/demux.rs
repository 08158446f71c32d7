//! Bytes to Opus packets.

use std::collections::VecDeque;

use super::headers::{Head, HeaderError, Tags};
use super::page::{CONTINUED, FIRST, Found, LAST, NO_GRANULE, PAGE_BYTES_MAX, Page};

/// Largest packet put together from pages; comments with pictures are the large ones.
const PACKET_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What an Ogg Opus stream says, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A stream begins; in a chained file there are several, one after the other.
    Head(Head),
    /// Its comments.
    Tags(Tags),
    /// A packet.
    Packet {
        /// The Opus packet.
        data: Vec<u8>,
        /// On the last packet that ends on a page: samples at 48 kHz up to its end, the
        /// pre-skip included. At the end of a stream it may be less than what was decoded:
        /// the rest is padding.
        granule: Option<u64>,
    },
    /// Bytes or packets are missing here.
    Gap,
    /// The stream's last page is over.
    End {
        /// Samples at 48 kHz up to its end, the pre-skip included, if the last page says so.
        granule: Option<u64>,
    },
    /// A stream begins that is not Opus; it is passed over.
    Foreign,
}

/// Takes bytes in pieces of any size. Anything but Opus pages is skipped: junk is looked
/// through for the next page, pages whose checksum is wrong count as missing.
///
/// Holds at most one page of bytes (65 KB), an unfinished packet (16 MB) and the events not
/// polled yet; poll until `None` after each push.
#[derive(Debug, Default)]
pub struct Demuxer {
    bytes: Vec<u8>,
    used: usize,
    stream: Option<Stream>,
    events: VecDeque<Event>,
}

#[derive(Debug)]
struct Stream {
    serial: u32,
    next_page: u32,
    headers: u8,
    partial: Vec<u8>,
    /// Whether the beginning of the packet under way was missed.
    skipping: bool,
}

impl Demuxer {
    /// A demuxer at the beginning.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes. An Opus header that is malformed is an error, what follows of
    /// that stream is passed over.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), HeaderError> {
        let mut result = Ok(());
        for piece in bytes.chunks(PAGE_BYTES_MAX) {
            self.bytes.drain(..self.used);
            self.used = 0;
            self.bytes.extend_from_slice(piece);
            if let Err(error) = self.read_pages() {
                result = Err(error);
            }
        }
        result
    }

    /// The next event.
    pub fn poll(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn read_pages(&mut self) -> Result<(), HeaderError> {
        let bytes = std::mem::take(&mut self.bytes);
        let mut result = Ok(());
        loop {
            match Page::find(&bytes[self.used..]) {
                Found::Page(page, length) => {
                    self.used += length;
                    if let Err(error) = self.handle_page(&page) {
                        self.stream = None;
                        result = Err(error);
                    }
                }
                Found::Junk(length) => self.used += length,
                Found::Incomplete => break,
            }
            if bytes.len() - self.used < 4 {
                break;
            }
        }
        self.bytes = bytes;
        result
    }

    fn handle_page(&mut self, page: &Page<'_>) -> Result<(), HeaderError> {
        if page.flags & FIRST != 0 {
            if page.body.starts_with(b"OpusHead") {
                // A second Opus stream beside a running one would be multiplexed; the first
                // wins. Chained ones begin after the first has ended or was cut short.
                self.stream = Some(Stream::new(page));
            } else if self.stream.is_none() {
                self.events.push_back(Event::Foreign);
            }
        }
        let Some(stream) = self.stream.as_mut().filter(|s| s.serial == page.serial) else {
            return Ok(());
        };
        stream.follow(page, &mut self.events);
        stream.read_packets(page, &mut self.events)?;
        if page.flags & LAST != 0 {
            let granule = (page.granule != NO_GRANULE).then_some(page.granule);
            self.events.push_back(Event::End { granule });
            self.stream = None;
        }
        Ok(())
    }
}

impl Stream {
    fn new(page: &Page<'_>) -> Self {
        Self {
            serial: page.serial,
            next_page: page.sequence,
            headers: 0,
            partial: Vec::new(),
            skipping: false,
        }
    }

    /// Notices missing pages and parts of packets.
    fn follow(&mut self, page: &Page<'_>, events: &mut VecDeque<Event>) {
        let continued = page.flags & CONTINUED != 0;
        if page.sequence != self.next_page {
            events.push_back(Event::Gap);
            self.partial.clear();
            self.skipping = continued;
        } else if continued == self.partial.is_empty() && !self.skipping {
            self.partial.clear();
            self.skipping = continued;
        }
        self.next_page = page.sequence.wrapping_add(1);
    }

    fn read_packets(
        &mut self,
        page: &Page<'_>,
        events: &mut VecDeque<Event>,
    ) -> Result<(), HeaderError> {
        let last_end = page.lacing.iter().rposition(|&part| part < 255);
        let mut body = page.body;
        for (at, &part) in page.lacing.iter().enumerate() {
            let (piece, rest) = body.split_at(usize::from(part));
            body = rest;
            if !self.skipping {
                self.partial.extend_from_slice(piece);
            }
            if self.partial.len() > PACKET_BYTES_MAX {
                self.partial.clear();
                self.skipping = true;
            }
            if part == 255 {
                continue;
            }
            let packet = std::mem::take(&mut self.partial);
            if !std::mem::take(&mut self.skipping) {
                let ends = Some(at) == last_end && page.granule != NO_GRANULE;
                events.extend(self.interpret(packet, ends.then_some(page.granule))?);
            }
        }
        Ok(())
    }

    fn interpret(
        &mut self,
        packet: Vec<u8>,
        granule: Option<u64>,
    ) -> Result<Option<Event>, HeaderError> {
        self.headers = self.headers.saturating_add(1);
        Ok(match self.headers {
            1 => Some(Event::Head(Head::parse(&packet)?)),
            // A stream without readable comments still plays.
            2 => Tags::parse(&packet).ok().map(Event::Tags),
            _ => Some(Event::Packet {
                data: packet,
                granule,
            }),
        })
    }
}

#[cfg(test)]
mod tests;
