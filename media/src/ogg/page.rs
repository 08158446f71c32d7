//! Ogg pages (RFC 3533, section 6).

/// Bytes of a page header before its segment table.
const HEADER_BYTES: usize = 27;

/// The largest page: 255 segments of 255 bytes.
pub(super) const PAGE_BYTES_MAX: usize = HEADER_BYTES + 255 + 255 * 255;

pub(super) const CONTINUED: u8 = 1;
pub(super) const FIRST: u8 = 2;
pub(super) const LAST: u8 = 4;

/// Granule position of a page on which no packet ends.
pub(super) const NO_GRANULE: u64 = u64::MAX;

/// A page, borrowed from the bytes it was found in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page<'a> {
    pub(super) flags: u8,
    pub(super) granule: u64,
    pub(super) serial: u32,
    pub(super) sequence: u32,
    pub(super) lacing: &'a [u8],
    pub(super) body: &'a [u8],
}

/// What the front of a buffer holds.
#[derive(Debug)]
pub(super) enum Found<'a> {
    /// A page; it took this many bytes.
    Page(Page<'a>, usize),
    /// This many bytes are no page.
    Junk(usize),
    /// More bytes are needed to tell.
    Incomplete,
}

impl<'a> Page<'a> {
    pub(super) fn find(bytes: &'a [u8]) -> Found<'a> {
        let junk = bytes
            .windows(4)
            .position(|four| four == b"OggS")
            .unwrap_or(bytes.len().saturating_sub(3));
        if junk > 0 {
            return Found::Junk(junk);
        }
        let Some(header) = bytes.get(..HEADER_BYTES) else {
            return Found::Incomplete;
        };
        let segments = usize::from(header[26]);
        let Some(lacing) = bytes.get(HEADER_BYTES..HEADER_BYTES + segments) else {
            return Found::Incomplete;
        };
        let body_bytes: usize = lacing.iter().map(|&part| usize::from(part)).sum();
        let total = HEADER_BYTES + segments + body_bytes;
        let Some(page) = bytes.get(..total) else {
            return Found::Incomplete;
        };
        if header[4] != 0 || le32(&header[22..]) != checksum(page) {
            return Found::Junk(4);
        }
        let page = Self {
            flags: header[5],
            granule: u64::from(le32(&header[6..])) | u64::from(le32(&header[10..])) << 32,
            serial: le32(&header[14..]),
            sequence: le32(&header[18..]),
            lacing,
            body: &page[HEADER_BYTES + segments..],
        };
        Found::Page(page, total)
    }

    /// Appends the page to `out`.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(b"OggS\0");
        out.push(self.flags);
        out.extend_from_slice(&self.granule.to_le_bytes());
        out.extend_from_slice(&self.serial.to_le_bytes());
        out.extend_from_slice(&self.sequence.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.push(self.lacing.len() as u8);
        out.extend_from_slice(self.lacing);
        out.extend_from_slice(self.body);
        let sum = checksum(&out[start..]);
        out[start + 22..start + 26].copy_from_slice(&sum.to_le_bytes());
    }
}

/// CRC-32 with polynomial 0x04c11db7, over a page whose checksum field counts as zero.
fn checksum(page: &[u8]) -> u32 {
    page.iter().enumerate().fold(0, |sum, (at, &byte)| {
        let byte = if (22..26).contains(&at) { 0 } else { byte };
        (sum << 8) ^ CRC[usize::from((sum >> 24) as u8 ^ byte)]
    })
}

static CRC: [u32; 256] = crc_table();

const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = (index as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            value = (value << 1) ^ ((value >> 31) * 0x04c1_1db7);
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

pub(super) fn le32(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}
