//! What an Icecast or SHOUTcast encoder says before and around its sound.
#![no_main]

use icecast::body::{Body, Decoder};
use icecast::head::{Head, sniff};
use icecast::{shoutcast, text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = (sniff(bytes, true), shoutcast::Greeting::parse(bytes));
    let _ = text::query(&String::from_utf8_lossy(bytes));
    if let Ok(Some((head, used))) = Head::parse(bytes) {
        assert!(used <= bytes.len());
        let _ = (head.basic(), head.details());
        if let Ok(body) = head.body() {
            let _ = Decoder::new(body).push(&bytes[used..], |_| {});
        }
    }
    let mut sound = 0;
    let _ = Decoder::new(Body::Chunked).push(bytes, |piece| sound += piece.len());
    assert!(sound <= bytes.len());
});
