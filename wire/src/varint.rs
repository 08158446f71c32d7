//! Variable-length integers as in QUIC (RFC 9000, section 16): the top two bits
//! of the first byte give the length, 1, 2, 4 or 8 bytes, big-endian.

/// The largest value a varint holds, 2^62 - 1.
pub const MAX: u64 = (1 << 62) - 1;

/// The most bytes a varint takes.
pub const BYTES_MAX: usize = 8;

/// Input ended inside a varint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("input ends inside a varint")]
pub struct Truncated;

/// How many bytes `value` takes: 1, 2, 4 or 8. Values above [`MAX`] are counted as 8.
#[must_use]
pub fn size(value: u64) -> usize {
    match value {
        0..=0x3f => 1,
        0x40..=0x3fff => 2,
        0x4000..=0x3fff_ffff => 4,
        _ => 8,
    }
}

/// Appends `value` in its shortest form.
///
/// # Panics
/// When `value` is above [`MAX`]: callers hold values that fit by construction.
pub fn encode(value: u64, out: &mut Vec<u8>) {
    assert!(value <= MAX, "a varint holds 62 bits");
    let size = size(value);
    let prefix = (size.trailing_zeros() as u64) << (size * 8 - 2);
    out.extend_from_slice(&(value | prefix).to_be_bytes()[8 - size..]);
}

/// Takes one varint off the front of `input`, in any of its lengths.
pub fn decode(input: &mut &[u8]) -> Result<u64, Truncated> {
    let first = *input.first().ok_or(Truncated)?;
    let size = 1 << (first >> 6);
    let (head, rest) = input.split_at_checked(size).ok_or(Truncated)?;
    let mut value = u64::from(first & 0x3f);
    for byte in &head[1..] {
        value = value << 8 | u64::from(*byte);
    }
    *input = rest;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rfc_9000_examples_decode() {
        for (bytes, value) in [
            (
                &[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c][..],
                151_288_809_941_952_652,
            ),
            (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
            (&[0x7b, 0xbd], 15_293),
            (&[0x40, 0x25], 37),
            (&[0x25], 37),
        ] {
            let mut input = bytes;
            assert_eq!(decode(&mut input), Ok(value));
            assert!(input.is_empty());
        }
    }

    proptest! {
        #[test]
        fn every_value_comes_back_in_the_size_claimed(value in 0..=MAX) {
            let mut out = Vec::new();
            encode(value, &mut out);
            prop_assert_eq!(out.len(), size(value));
            let mut input = &out[..];
            prop_assert_eq!(decode(&mut input), Ok(value));
            prop_assert!(input.is_empty());
            for end in 0..out.len() {
                prop_assert_eq!(decode(&mut &out[..end]), Err(Truncated));
            }
        }
    }
}
