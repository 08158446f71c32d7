//! The parts every packet passes, by themselves: wire, engine, encoder, receiver.
#![allow(missing_docs, reason = "what criterion's macros make")]

mod fanout;

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use media::Packet;
use media::encoder::{Config, Encoder};
use media::receiver::{self, Receiver};
use media::synth::Synth;
use wire::TrackId;
use wire::audio::{Copies, Datagram, SendTime};
use wire::frame::{Request, write_framed};
use wire::message::PingParams;

/// A second of the demo station's music, in packets of 20 ms.
fn packets() -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(Config::default()).expect("the defaults are valid");
    let mut sound = vec![0.0; encoder.frame_len()];
    let mut synth = Synth::new(1);
    let encode = |_| {
        synth.fill(&mut sound);
        encoder.encode(&sound).expect("a whole frame").to_vec()
    };
    (0..50).map(encode).collect()
}

fn datagram(packet: &[u8]) -> Datagram<'_> {
    Datagram {
        track: TrackId::new(7).expect("a valid track"),
        sequence: 1_000_000,
        timestamp: 960_000_000,
        send_time: SendTime(1),
        copies: Copies::none(),
        packet,
    }
}

fn wire(criterion: &mut Criterion) {
    let packet = [7; 236];
    let mut bytes = Vec::new();
    criterion.bench_function("wire: encode a datagram", |bencher| {
        bencher.iter(|| {
            bytes.clear();
            datagram(&packet).encode(black_box(&mut bytes))
        });
    });
    criterion.bench_function("wire: decode a datagram", |bencher| {
        bencher.iter(|| Datagram::decode(black_box(&bytes)).map(|datagram| datagram.sequence));
    });
    criterion.bench_function("wire: encode and frame a request", |bencher| {
        let mut framed = Vec::new();
        bencher.iter(|| {
            framed.clear();
            let request = Request::new(7, "ping", &PingParams { time: None });
            write_framed(&request.encode(), black_box(&mut framed));
        });
    });
}

fn encoder(criterion: &mut Criterion) {
    let mut encoder = Encoder::new(Config::default()).expect("the defaults are valid");
    let mut sound = vec![0.0; encoder.frame_len()];
    Synth::new(1).fill(&mut sound);
    criterion.bench_function("encoder: 20 ms of stereo", |bencher| {
        bencher.iter(|| encoder.encode(black_box(&sound)).map(<[u8]>::len));
    });
}

fn receiver(criterion: &mut Criterion) {
    let packets = packets();
    let mut receiver = Receiver::new(receiver::Config::default());
    let mut out = vec![0.0; 2 * 480];
    let mut number = 0u64;
    criterion.bench_function("receiver: a packet in, 20 ms of sound out", |bencher| {
        bencher.iter(|| {
            let now = Duration::from_millis(20 * number);
            let packet = Packet {
                sequence: number,
                timestamp: 960 * number,
                send_time: None,
                copy: false,
                payload: &packets[number as usize % packets.len()],
            };
            let _ = receiver.handle_packet(now, &packet);
            receiver.pull(now, &mut out);
            receiver.pull(now + Duration::from_millis(10), &mut out);
            number += 1;
            black_box(out[0])
        });
    });
}

criterion_group!(core, wire, fanout::fanout, encoder, receiver);
criterion_main!(core);
