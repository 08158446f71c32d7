use std::io::Cursor;

use super::*;
use crate::encoder::{self, Encoder, Frame};
use crate::ogg::{Head, Muxer, Tags as OggTags};

fn packets(frame: Frame, bitrate: u32, count: usize) -> Vec<Vec<u8>> {
    let config = encoder::Config {
        frame,
        bitrate,
        complexity: 0,
        ..encoder::Config::default()
    };
    let mut encoder = Encoder::new(config).unwrap();
    let sound = |n: usize| (n as f32 * 0.05).sin() * 0.4;
    (0..count)
        .map(|at| {
            let from = at * encoder.frame_len();
            let frame: Vec<_> = (from..from + encoder.frame_len()).map(sound).collect();
            encoder.encode(&frame).unwrap().to_vec()
        })
        .collect()
}

fn ogg(head: Head, chains: &[(&str, &[Vec<u8>])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (serial, (title, packets)) in chains.iter().enumerate() {
        let tags = OggTags {
            vendor: "test".into(),
            comments: vec![("TITLE".into(), (*title).to_owned())],
        };
        let mut muxer = Muxer::new(serial as u32, &head, &tags, &mut out);
        for packet in *packets {
            let samples = Toc::parse(packet).unwrap().samples();
            muxer.packet(packet, samples, &mut out);
        }
        muxer.finish(None, &mut out);
    }
    out
}

fn pieces(bytes: Vec<u8>) -> Result<Vec<Piece>, Error> {
    let mut ingest = Ingest::open(Box::new(Cursor::new(bytes)), None)?;
    let mut pieces = Vec::new();
    while let Some(piece) = ingest.next_piece()? {
        pieces.push(piece);
    }
    Ok(pieces)
}

#[test]
fn packets_of_ogg_opus_pass_as_they_are_with_their_tags() {
    let head = Head::new(2, 312);
    for frame in Frame::ALL {
        let (first, second) = (packets(frame, 96_000, 3), packets(frame, 64_000, 2));
        let got = pieces(ogg(head, &[("One", &first), ("Two", &second)])).unwrap();
        let titles = got.iter().filter_map(|piece| match piece {
            Piece::Tags(tags) => tags.title.clone(),
            _ => None,
        });
        assert_eq!(titles.collect::<Vec<_>>(), ["One", "Two"]);
        let payloads = got.iter().filter_map(|piece| match piece {
            Piece::Packet { payload, samples } => {
                assert_eq!(*samples as usize, frame.samples());
                Some(payload.clone())
            }
            _ => None,
        });
        assert_eq!(payloads.collect::<Vec<_>>(), [first, second].concat());
    }
}

#[test]
fn a_packet_of_a_duration_no_track_has_is_cut_into_its_frames() {
    let frames = packets(Frame::Ms10, 64_000, 3);
    // Three frames of 10 ms in one packet, each with its length.
    let mut packet = vec![frames[0][0] | 3, 0x80 | 3];
    for frame in &frames[..2] {
        let length = frame.len() - 1;
        if length < 252 {
            packet.push(length as u8);
        } else {
            packet.push(252 + (length & 3) as u8);
            packet.push(((length - 252) / 4) as u8);
        }
    }
    frames.iter().for_each(|frame| packet.extend(&frame[1..]));
    assert_eq!(Toc::parse(&packet).unwrap().samples(), 1440);
    let got = pieces(ogg(Head::new(2, 312), &[("x", &[packet])])).unwrap();
    let payloads: Vec<_> = got.iter().skip(1).collect();
    assert_eq!(payloads.len(), 3);
    for (piece, frame) in payloads.into_iter().zip(frames) {
        let expected = Piece::Packet {
            payload: frame,
            samples: 480,
        };
        assert_eq!(*piece, expected);
    }
}

#[test]
fn a_stream_with_a_gain_of_its_own_is_decoded() {
    let head = Head {
        output_gain: 256,
        ..Head::new(2, 312)
    };
    let got = pieces(ogg(head, &[("x", &packets(Frame::Ms20, 96_000, 4))])).unwrap();
    assert!(got.iter().any(|piece| matches!(piece, Piece::Sound(_))));
}

#[test]
fn what_is_no_audio_is_refused() {
    assert!(pieces(vec![7; 100_000]).is_err());
    assert!(pieces(Vec::new()).is_err());
}
