//! Varints: what decodes encodes to no more bytes than it came in, and decodes the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::varint;

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    while let Ok(value) = varint::decode(&mut rest) {
        let mut out = Vec::new();
        varint::encode(value, &mut out);
        assert!(out.len() <= bytes.len());
        assert_eq!(varint::decode(&mut &out[..]), Ok(value));
    }
});
