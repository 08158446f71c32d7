//! Requests for packets: whatever decodes encodes, and decodes to the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::repair::{self, Request};

fuzz_target!(|bytes: &[u8]| {
    let Ok(request) = Request::decode(bytes) else {
        return;
    };
    let sequences: Vec<_> = request.sequences.into_iter().collect();
    assert_eq!(sequences.len(), request.sequences.len());
    let mut out = Vec::new();
    repair::encode(request.track, &sequences, &mut out).expect("what was decoded is in range");
    let again = Request::decode(&out).expect("what was encoded decodes");
    assert_eq!(again.track, request.track);
    assert_eq!(again.sequences.into_iter().collect::<Vec<_>>(), sequences);
});
