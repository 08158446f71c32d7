//! QPACK (RFC 9204) without a dynamic table: our settings forbid peers to use one.

use super::{H3Error, huffman};

/// The fields of a request that matter to a session; all others are read past.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields {
    pub(crate) method: Option<String>,
    pub(crate) scheme: Option<String>,
    pub(crate) protocol: Option<String>,
    pub(crate) authority: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) origin: Option<String>,
    pub(crate) user_agent: Option<String>,
    pub(crate) protocols: Option<String>,
    #[cfg(test)]
    rest: Vec<(String, String)>,
}

impl Fields {
    fn set(&mut self, name: &str, value: String) {
        let field = match name {
            ":method" => &mut self.method,
            ":scheme" => &mut self.scheme,
            ":protocol" => &mut self.protocol,
            ":authority" => &mut self.authority,
            ":path" => &mut self.path,
            ":status" => &mut self.status,
            "origin" => &mut self.origin,
            "user-agent" => &mut self.user_agent,
            "wt-available-protocols" => &mut self.protocols,
            _ => {
                #[cfg(test)]
                self.rest.push((name.into(), value));
                return;
            }
        };
        *field = Some(value);
    }

    #[cfg(test)]
    pub(super) fn other(&self, name: &str) -> Option<&str> {
        let field = self.rest.iter().find(|(known, _)| known == name);
        field.map(|(_, value)| value.as_str())
    }
}

/// Decodes a header section.
pub(crate) fn decode(mut input: &[u8]) -> Result<Fields, H3Error> {
    let input = &mut input;
    let mut fields = Fields::default();
    // Required insert count: anything but zero needs the dynamic table.
    if integer(input, 8)? != 0 {
        return Err(H3Error::Decompression);
    }
    integer(input, 7)?;
    while let Some(&first) = input.first() {
        if first & 0x80 != 0 {
            // Indexed; the next bit says static.
            let index = integer(input, 6)?;
            let (name, value) = indexed(first & 0x40 != 0, index)?;
            fields.set(name, value.to_owned());
        } else if first & 0x40 != 0 {
            // Literal value behind an indexed name.
            let index = integer(input, 4)?;
            let (name, _) = indexed(first & 0x10 != 0, index)?;
            let value = string(input, 7)?;
            fields.set(name, value);
        } else if first & 0x20 != 0 {
            let name = string(input, 3)?;
            let value = string(input, 7)?;
            fields.set(&name, value);
        } else {
            return Err(H3Error::Decompression);
        }
    }
    Ok(fields)
}

/// An answer's header section with nothing but its status.
pub(crate) fn encode_status(status: u16) -> Vec<u8> {
    if status == 200 {
        return vec![0, 0, 0xc0 | 25];
    }
    let text = status.to_string();
    // Name of entry 24, `:status`, with a literal value: 15 in the prefix and 9 behind.
    let mut out = vec![0, 0, 0x5f, 9, text.len() as u8];
    out.extend_from_slice(text.as_bytes());
    out
}

/// The entries of the static table (RFC 9204, appendix A) that a request to us names;
/// the empty name stands for those nobody asks for.
fn indexed(is_static: bool, index: u32) -> Result<(&'static str, &'static str), H3Error> {
    if !is_static {
        return Err(H3Error::Decompression);
    }
    Ok(match index {
        0 => (":authority", ""),
        1 => (":path", "/"),
        15 => (":method", "CONNECT"),
        16 => (":method", "DELETE"),
        17 => (":method", "GET"),
        18 => (":method", "HEAD"),
        19 => (":method", "OPTIONS"),
        20 => (":method", "POST"),
        21 => (":method", "PUT"),
        22 => (":scheme", "http"),
        23 => (":scheme", "https"),
        24 => (":status", "103"),
        25 => (":status", "200"),
        26 => (":status", "304"),
        27 => (":status", "404"),
        28 => (":status", "503"),
        90 => ("origin", ""),
        95 => ("user-agent", ""),
        2..=14 | 29..=89 | 91..=94 | 96..=98 => ("", ""),
        _ => return Err(H3Error::Decompression),
    })
}

/// An integer with a prefix of that many bits (RFC 7541, section 5.1), below 2^24.
fn integer(input: &mut &[u8], prefix: u32) -> Result<u32, H3Error> {
    let mask = (1u32 << prefix) - 1;
    let mut value = u32::from(byte(input)?) & mask;
    if value < mask {
        return Ok(value);
    }
    for shift in [0, 7, 14] {
        let next = byte(input)?;
        value += u32::from(next & 0x7f) << shift;
        if next & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(H3Error::Decompression)
}

/// A string whose length has a prefix of that many bits, with the Huffman bit above it.
fn string(input: &mut &[u8], prefix: u32) -> Result<String, H3Error> {
    let is_huffman = input.first().ok_or(H3Error::Decompression)? >> prefix & 1 == 1;
    let len = integer(input, prefix)? as usize;
    let (text, rest) = input.split_at_checked(len).ok_or(H3Error::Decompression)?;
    *input = rest;
    let text = if is_huffman {
        huffman::decode(text).ok_or(H3Error::Decompression)?
    } else {
        text.to_vec()
    };
    String::from_utf8(text).map_err(|_| H3Error::Decompression)
}

fn byte(input: &mut &[u8]) -> Result<u8, H3Error> {
    let (first, rest) = input.split_first().ok_or(H3Error::Decompression)?;
    *input = rest;
    Ok(*first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use wtransport_proto::headers::Headers;
    use wtransport_proto::session::SessionRequest;

    #[test]
    fn a_request_of_wtransport_decodes() {
        let mut request = SessionRequest::new("https://radio.example:4433/v1?x=1").unwrap();
        request.insert("origin", "https://radio.example").unwrap();
        request.insert("user-agent", "test/1").unwrap();
        let frame = request.headers().generate_frame();
        let fields = decode(frame.payload()).unwrap();
        assert_eq!(fields.method.as_deref(), Some("CONNECT"));
        assert_eq!(fields.scheme.as_deref(), Some("https"));
        assert_eq!(fields.protocol.as_deref(), Some("webtransport"));
        assert_eq!(fields.authority.as_deref(), Some("radio.example:4433"));
        assert_eq!(fields.path.as_deref(), Some("/v1?x=1"));
        assert_eq!(fields.origin.as_deref(), Some("https://radio.example"));
        assert_eq!(fields.user_agent.as_deref(), Some("test/1"));
    }

    #[test]
    fn statuses_are_read_by_wtransport() {
        for status in [200, 404, 429, 503] {
            let section = encode_status(status);
            let frame = wtransport_proto::frame::Frame::new_headers(section.clone().into());
            let headers = Headers::with_frame(&frame).unwrap();
            assert_eq!(headers.get(":status").unwrap(), status.to_string());
            assert_eq!(decode(&section).unwrap().status, Some(status.to_string()));
        }
    }

    #[test]
    fn dynamic_tables_and_endless_integers_are_refused() {
        for bad in [
            &[1, 0][..],
            &[0, 0, 0x80],
            &[0, 0, 0x10],
            &[0, 0, 0x00],
            &[
                0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
            ],
            &[0, 0, 0xc0 | 63, 36],
            &[0],
        ] {
            assert_eq!(decode(bad), Err(H3Error::Decompression), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(mut input: Vec<u8>) {
            let _ = decode(&input);
            input.splice(0..0, [0, 0]);
            let _ = decode(&input);
        }
    }
}
