//! The Huffman code of HPACK and QPACK (RFC 7541, appendix B), which is canonical:
//! the lengths alone give it.

use std::sync::LazyLock;

/// Bits of each symbol's code; the last is the end of string, which is never sent.
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5,
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6,
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22,
    23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22,
    21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20,
    22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19,
    21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22,
    22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

const BITS_MAX: usize = 30;

struct Code {
    /// Symbols by length, then value.
    symbols: Vec<u16>,
    /// For each length: its first code, how many codes, and where its symbols begin.
    lengths: [(u32, u32, usize); BITS_MAX + 1],
}

static CODE: LazyLock<Code> = LazyLock::new(|| {
    let mut symbols: Vec<u16> = (0..257).collect();
    symbols.sort_by_key(|symbol| (LENGTHS[usize::from(*symbol)], *symbol));
    let mut lengths = [(0, 0, 0); BITS_MAX + 1];
    let (mut code, mut begin) = (0u32, 0);
    for (bits, entry) in lengths.iter_mut().enumerate().skip(1) {
        code <<= 1;
        let count = LENGTHS
            .iter()
            .filter(|len| usize::from(**len) == bits)
            .count();
        *entry = (code, count as u32, begin);
        code += count as u32;
        begin += count;
    }
    Code { symbols, lengths }
});

/// Decodes a string; `None` when it is no code, or its padding is wrong.
pub(super) fn decode(input: &[u8]) -> Option<Vec<u8>> {
    let code = &*CODE;
    // The shortest code has five bits.
    let mut out = Vec::with_capacity(input.len() * 8 / 5);
    let (mut bits, mut value) = (0usize, 0u32);
    for byte in input {
        for shift in (0..8).rev() {
            value = value << 1 | u32::from(byte >> shift & 1);
            bits += 1;
            let (first, count, begin) = *code.lengths.get(bits)?;
            // Codes of this length are consecutive; smaller values were found shorter.
            if value.wrapping_sub(first) < count {
                let symbol = code.symbols[begin + (value - first) as usize];
                out.push(u8::try_from(symbol).ok()?);
                (bits, value) = (0, 0);
            }
        }
    }
    // Padding is the start of the end of string: fewer than eight ones.
    (bits < 8 && value == (1 << bits) - 1).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_the_rfc_decode() {
        let text = hex("f1e3c2e5f23a6ba0ab90f4ff");
        assert_eq!(decode(&text).unwrap(), b"www.example.com");
        assert_eq!(decode(&hex("a8eb10649cbf")).unwrap(), b"no-cache");
        assert_eq!(
            decode(&hex("9d29ad171863c78f0b97c8e9ae82ae43d3")).unwrap(),
            b"https://www.example.com"
        );
    }

    #[test]
    fn wrong_padding_and_the_end_of_string_are_refused() {
        assert_eq!(decode(&[0x00]), None);
        assert_eq!(decode(&[0xff, 0xff]), None);
        assert_eq!(decode(&[0xff; 8]), None);
        assert_eq!(decode(&[]), Some(Vec::new()));
    }

    proptest! {
        #[test]
        fn what_wtransport_encodes_decodes(text in "[ -~]{0,200}") {
            // Its encoder chooses Huffman whenever that is shorter.
            let section = wtransport_proto::qpack::Encoder::encode([("x-name", text.as_str())]);
            let fields = super::super::qpack::decode(&section).unwrap();
            prop_assert_eq!(fields.other("x-name"), Some(text.as_str()));
        }

        #[test]
        fn no_bytes_panic(input: Vec<u8>) {
            let _ = decode(&input);
        }
    }

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    }
}
