//! Writes real datagrams to standard output, for the bench of the worklet: each as a 32-bit
//! little-endian length, then its bytes. The demo station's music in stereo, track 7.
//!
//! `cargo run -p skywave-worklet --example vectors -- SECONDS BITRATE FRAME_US`

use std::io::{self, Write};

use media::encoder::{Config, Frame};
use media::packetizer::Packetizer;
use media::synth::Synth;
use wire::TrackId;
use wire::audio::{Copies, Datagram, SendTime};

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u32| {
        let argument = arguments.next();
        argument.map_or(default, |text| text.parse().expect("a number"))
    };
    let seconds = number(10);
    let config = Config {
        bitrate: number(128_000),
        frame: Frame::from_micros(number(20_000)).expect("a length of Opus frames"),
        ..Config::default()
    };
    let mut packetizer = Packetizer::new(config, 1000, 48_000).expect("a valid configuration");
    let mut music = Synth::new(1);
    let mut out = io::stdout().lock();
    let mut result = Ok(());
    let mut second = vec![0.0; 96_000];
    for _ in 0..seconds {
        music.fill(&mut second);
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
        packetizer.push(&second, emit).expect("encodes");
    }
    result
}
