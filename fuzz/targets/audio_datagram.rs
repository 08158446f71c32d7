//! Audio datagrams: whatever decodes encodes, and decodes to the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::audio::Datagram;

fuzz_target!(|bytes: &[u8]| {
    let Ok(datagram) = Datagram::decode(bytes) else {
        return;
    };
    let copies: Vec<_> = datagram.copies.into_iter().collect();
    assert_eq!(copies.len(), datagram.copies.len());
    let mut out = Vec::new();
    datagram
        .encode(&mut out)
        .expect("what was decoded is in range");
    let again = Datagram::decode(&out).expect("what was encoded decodes");
    assert_eq!(again.copies.into_iter().collect::<Vec<_>>(), copies);
    assert_eq!(
        (again.sequence, again.packet),
        (datagram.sequence, datagram.packet)
    );
});
