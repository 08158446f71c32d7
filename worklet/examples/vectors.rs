//! Writes real datagrams for the smoke test to standard output: each as a 32-bit
//! little-endian length, then its bytes. A 440 Hz tone in stereo, 20 ms packets, track 7.
//!
//! `cargo run -p skywave-worklet --example vectors -- SECONDS [BITRATE]`

use std::io::{self, Write};

use media::encoder::Config;
use media::packetizer::Packetizer;
use wire::TrackId;
use wire::audio::{Copies, Datagram, SendTime};

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u32| {
        let argument = arguments.next();
        argument.map_or(default, |text| text.parse().expect("a number"))
    };
    let seconds = number(10);
    let bitrate = number(128_000);
    let config = Config {
        bitrate,
        ..Config::default()
    };
    let mut packetizer = Packetizer::new(config, 1000, 48_000).expect("a valid configuration");
    let mut out = io::stdout().lock();
    let mut result = Ok(());
    let mut samples = Vec::new();
    for n in 0..seconds * 48_000 {
        let phase = f64::from(n) * 440.0 / 48_000.0 * std::f64::consts::TAU;
        samples.extend([(phase.sin() * 0.5) as f32, (phase.cos() * 0.5) as f32]);
    }
    let emit = |packet: media::EncodedPacket| {
        let datagram = Datagram {
            track: TrackId::new(7).expect("7 is a track id"),
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            send_time: SendTime((packet.timestamp * 1000 / 48) as u32),
            copies: Copies::none(),
            packet: &packet.payload,
        };
        let mut bytes = Vec::new();
        datagram.encode(&mut bytes).expect("packets fit");
        let written = out
            .write_all(&(bytes.len() as u32).to_le_bytes())
            .and_then(|()| out.write_all(&bytes));
        if let Err(error) = written {
            result = Err(error);
        }
    };
    packetizer.push(&samples, emit).expect("encodes");
    result
}
