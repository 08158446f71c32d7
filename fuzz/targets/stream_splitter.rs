//! Frames of a stream come out the same however its bytes are cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::frame::Splitter;

fn frames<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Vec<u8>>, bool) {
    let mut splitter = Splitter::default();
    let mut frames = Vec::new();
    for piece in pieces {
        splitter.handle_bytes(piece);
        loop {
            match splitter.poll_frame() {
                Ok(Some(frame)) => frames.push(frame.to_vec()),
                Ok(None) => break,
                Err(_) => return (frames, true),
            }
        }
    }
    (frames, false)
}

fuzz_target!(|input: (u8, &[u8])| {
    let (size, bytes) = (usize::from(input.0).max(1), input.1);
    assert_eq!(frames(bytes.chunks(size)), frames(std::iter::once(bytes)));
});
