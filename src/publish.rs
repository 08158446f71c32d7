//! `skywave publish`: files on air in real time.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use client::publisher::{self, Publisher};
use client::{Connector, Options};
use media::encoder::{self, Channels};
use media::pacer::{self, Pacer};
use wire::message::{Codec, Metadata, TrackParams};

use crate::cli::PublishArgs;
use crate::exit::BadArguments;
use crate::signals::Stop;

mod feed;
mod progress;

use feed::{Feed, Item};
use progress::Progress;

/// How long after the last packet the station is taken off air.
const GOODBYE_AFTER: Duration = Duration::from_millis(50);

pub(crate) fn run(args: Box<PublishArgs>) -> anyhow::Result<()> {
    crate::logging::start_client(args.server.quiet)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start threads")?;
    let result = runtime.block_on(publish(&args));
    // A thread that waits for standard input would hold the program up.
    runtime.shutdown_background();
    result
}

async fn publish(args: &PublishArgs) -> anyhow::Result<()> {
    let mut stop = Stop::listen();
    let connector = Connector::new(Options {
        server: args.server.server.clone(),
        token: Some(args.token.clone()),
        prefer: args.server.transport.prefer(),
        give_up_after: args.server.give_up_after,
    })?;
    // The first sound is decoded before anything goes on air: no station for a broken file.
    let mut feed = open(args, &mut stop).await?;
    let first = feed.first_metadata.take();
    let config = publisher::Config {
        station: args.server.station.clone(),
        track: track(&feed.config),
        name: args.name.clone(),
        description: args.description.clone(),
        metadata: first.clone(),
        takeover: args.takeover,
    };
    let publisher = match stop.or_stop(Publisher::start(connector, config)).await {
        Ok(started) => started?,
        // The station may be on air by now, and nobody else could have it for a while.
        Err(Some(Ok(publisher))) => {
            publisher.finish().await;
            return Ok(());
        }
        Err(_) => return Ok(()),
    };
    let progress = Progress::new(&args.server, feed.config.bitrate);
    let played = tokio::select! {
        played = play(&mut feed, &publisher, first, progress) => played,
        error = publisher.ended() => return Err(error.into()),
        () = stop.asked() => Ok(()),
    };
    publisher.finish().await;
    played
}

/// Opens the first file, on a thread that may wait.
async fn open(args: &PublishArgs, stop: &mut Stop) -> anyhow::Result<Feed> {
    let has_stdin = args.files.iter().any(|file| file == Path::new("-"));
    if has_stdin && (args.repeat || args.files.len() > 1) {
        let why = "standard input cannot be repeated or be one of several files";
        return Err(BadArguments(why.into()).into());
    }
    let config = encoder::Config {
        bitrate: args.bitrate,
        frame: args.frame,
        channels: Channels::default(),
        complexity: args.complexity,
        ..encoder::Config::default()
    };
    config
        .validate()
        .map_err(|error| BadArguments(error.to_string()))?;
    let request = feed::Request {
        files: args.files.clone(),
        repeat: args.repeat,
        channels: args
            .channels
            .and_then(|count| Channels::from_count(count.into())),
        overrides: Metadata {
            title: args.title.clone().unwrap_or_default(),
            artist: args.artist.clone(),
            ..Metadata::default()
        },
        config,
    };
    tokio::select! {
        feed = Feed::open(request) => Ok(feed?),
        () = stop.asked() => Err(anyhow::anyhow!("interrupted before the first sound")),
    }
}

fn track(config: &encoder::Config) -> TrackParams {
    TrackParams {
        codec: Codec::Opus,
        channels: config.channels.count() as u8,
        frame_us: config.frame.micros(),
        bitrate: config.bitrate,
    }
}

/// Sends everything at its time; returns at the end of the sound.
async fn play(
    feed: &mut Feed,
    publisher: &Publisher,
    mut told: Option<Metadata>,
    mut progress: Progress,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    let mut pacer = Pacer::new(pacer::Config::default());
    let mut end = 0;
    while let Some(item) = feed.next().await {
        match item {
            Item::Metadata { position, metadata } => {
                progress.set_metadata(&metadata);
                // What plays first was told when the station went on air.
                if told.take().as_ref() == Some(&metadata) {
                    continue;
                }
                publisher.set_metadata(position, metadata).await;
            }
            Item::Packet { packet, level } => {
                let timestamp = packet.timestamp;
                end = timestamp + u64::from(packet.samples);
                let due = pacer.due(begun.elapsed(), timestamp);
                tokio::time::sleep_until((begun + due).into()).await;
                let bytes = packet.payload.len();
                publisher.send(packet);
                let slip = pacer.handle_sent(begun.elapsed(), timestamp);
                if slip > Duration::ZERO {
                    tracing::warn!(ms = slip.as_millis() as u64, "the input came too late");
                }
                progress.handle_packet(bytes, level, &publisher.status());
            }
            Item::Failed(error) => return Err(error.into()),
        }
    }
    // The last packet is to reach the relay before the goodbye does, and to have played.
    let over = pacer.due(begun.elapsed(), end) + GOODBYE_AFTER;
    tokio::time::sleep_until((begun + over).into()).await;
    progress.finish(&publisher.status());
    Ok(())
}
