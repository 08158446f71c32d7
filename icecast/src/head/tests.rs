use proptest::prelude::*;

use super::*;

fn parsed(text: &str) -> Head {
    let (head, used) = Head::parse(text.as_bytes()).unwrap().unwrap();
    assert_eq!(&text[used..], "");
    head
}

#[test]
fn each_encoder_is_understood() {
    let ffmpeg = parsed(
        "PUT /jazz HTTP/1.1\r\nUser-Agent: Lavf/59.27.100\r\nAccept: */*\r\n\
         Expect: 100-continue\r\nConnection: close\r\nHost: localhost:8000\r\n\
         Content-Type: audio/ogg\r\nIcy-MetaData: 1\r\nIce-Name: Jazz\r\n\
         Ice-Public: 0\r\nAuthorization: Basic c291cmNlOmhhOmNr\r\n\r\n",
    );
    assert_eq!((ffmpeg.method, &*ffmpeg.path), (Method::Put, "/jazz"));
    assert!(ffmpeg.is_http_11 && ffmpeg.expects_continue());
    assert_eq!(ffmpeg.body(), Ok(Body::Endless));
    let both = ("source".into(), "ha:ck".into());
    assert_eq!(ffmpeg.basic(), Some(both));
    assert_eq!(ffmpeg.details().name.as_deref(), Some("Jazz"));

    let curl = parsed("PUT /a%2fb?x HTTP/1.1\r\nContent-Length: 12\r\n\r\n");
    assert_eq!(curl.path, "/a/b");
    assert_eq!(curl.body(), Ok(Body::Length(12)));

    let libshout = parsed(
        "SOURCE /live HTTP/1.0\nice-audio-info: ice-channels=2;ice-bitrate=96\n\
         transfer-encoding: chunked\n\n",
    );
    assert_eq!(libshout.method, Method::Source);
    assert_eq!(libshout.body(), Ok(Body::Chunked));
    assert_eq!(libshout.details().bitrate_kbps, Some(96));
    assert!(!parsed("SOURCE /x ICE/1.0\r\n\r\n").is_http_11);
}

#[test]
fn what_no_source_says_is_named() {
    for (head, error) in [
        ("GET / HTTP/1.1\r\n\r\n", Error::RequestLine),
        ("PUT /\r\n\r\n", Error::RequestLine),
        ("PUT / HTTP/3\r\n\r\n", Error::RequestLine),
        ("PUT / HTTP/1.1\r\nno colon\r\n\r\n", Error::Header),
        (&"PUT / HTTP/1.1\r\na: b\r\n".repeat(2000), Error::TooLong),
    ] {
        assert_eq!(Head::parse(head.as_bytes()), Err(error), "{head:?}");
    }
    let head = parsed("PUT / HTTP/1.1\r\nContent-Length: many\r\n\r\n");
    assert_eq!(head.body(), Err(Error::Header));
    let head = parsed("PUT / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n");
    assert_eq!(head.body(), Err(Error::TransferEncoding));
}

#[test]
fn the_first_bytes_tell_who_speaks() {
    for (bytes, on_http, on_icecast) in [
        ("SOURCE /", Sniffed::Source, Sniffed::Source),
        ("SOUR", Sniffed::Incomplete, Sniffed::Incomplete),
        ("PUT /jazz", Sniffed::Source, Sniffed::Source),
        ("PUT /ap", Sniffed::Incomplete, Sniffed::Incomplete),
        ("PUT /api/v1", Sniffed::Http, Sniffed::Http),
        ("GET / HTTP", Sniffed::Http, Sniffed::Http),
        ("OPTIONS *", Sniffed::Http, Sniffed::Http),
        ("hackme\r\n", Sniffed::Http, Sniffed::Shoutcast),
        ("HACKME\r\n", Sniffed::Http, Sniffed::Shoutcast),
    ] {
        assert_eq!(sniff(bytes.as_bytes(), false), on_http, "{bytes}");
        assert_eq!(sniff(bytes.as_bytes(), true), on_icecast, "{bytes}");
    }
}

proptest! {
    #[test]
    fn ten_bytes_are_enough(bytes in proptest::collection::vec(any::<u8>(), 10..40)) {
        prop_assert_ne!(sniff(&bytes, false), Sniffed::Incomplete);
        prop_assert_ne!(sniff(&bytes, true), Sniffed::Incomplete);
    }

    #[test]
    fn any_bytes_are_a_head_or_an_error(bytes: Vec<u8>) {
        if let Ok(Some((head, used))) = Head::parse(&bytes) {
            prop_assert!(used <= bytes.len());
            let _ = (head.basic(), head.details(), head.body());
        }
    }

    #[test]
    fn a_head_is_found_however_it_is_cut(at in 0usize..60) {
        let bytes = b"PUT /jazz HTTP/1.1\r\nice-name: J\xe4zz\r\nHost: x\r\n\r\nOggS";
        let cut = &bytes[..at.min(bytes.len())];
        match Head::parse(cut).unwrap() {
            Some((head, used)) => {
                prop_assert_eq!(&bytes[used..], b"OggS");
                let details = head.details();
                prop_assert_eq!(details.name.as_deref(), Some("Jäzz"));
            }
            None => prop_assert!(at < bytes.len() - 4),
        }
    }
}
