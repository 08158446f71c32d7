//! A file on air as if a sound card recorded it: a sample is there when its time has come, and
//! a frame leaves when its last sample is there. What is heard can so be held against the
//! clock. Prints `{"began_us":N}`, the Unix time of the first sample, and plays until killed.
//!
//! `SKYWAVE_TOKEN=.. cargo run -p skywave-client --example microphone -- SERVER STATION FILE`

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use media::encoder;
use media::input::{Event, Input};
use media::packetizer::Packetizer;
use skywave_client::publisher::{Config, Publisher};
use skywave_client::{Connector, Options, Prefer, Transport};
use wire::message::{Codec, TrackParams};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("needs SERVER, STATION and FILE");
    let (server, station, file) = (next()?, next()?, next()?);
    let mut input = Input::open(Path::new(&file))?;
    let encoder = encoder::Config {
        channels: input.channels(),
        ..encoder::Config::default()
    };
    let mut sound = Vec::new();
    while let Some(event) = input.next_event()? {
        if let Event::Sound(samples) = event {
            sound.extend(samples);
        }
    }
    let connector = Connector::new(Options {
        server,
        token: Some(std::env::var("SKYWAVE_TOKEN")?),
        prefer: Prefer::Only(Transport::WebTransport),
        give_up_after: Some(Duration::from_secs(10)),
    })?;
    let config = Config {
        station: station.parse()?,
        track: TrackParams {
            codec: Codec::Opus,
            channels: encoder.channels.count() as u8,
            frame_us: encoder.frame.micros(),
            bitrate: encoder.bitrate,
        },
        name: None,
        description: None,
        metadata: None,
        takeover: false,
    };
    let mut packetizer = Packetizer::new(encoder, 0, 0)?;
    let publisher = Publisher::start(connector, config).await?;
    let began = tokio::time::Instant::now();
    let began_us = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros();
    println!("{{\"began_us\":{began_us}}}");
    let frame_len = encoder.frame.samples() * encoder.channels.count();
    let mut samples = sound.iter().copied().cycle();
    for frame in 1.. {
        let due = Duration::from_micros(u64::from(encoder.frame.micros()) * frame);
        tokio::select! {
            () = tokio::time::sleep_until(began + due) => {}
            error = publisher.ended() => return Err(error.into()),
        }
        let recorded: Vec<f32> = samples.by_ref().take(frame_len).collect();
        packetizer.push(&recorded, |packet| publisher.send(packet))?;
    }
    Ok(())
}
