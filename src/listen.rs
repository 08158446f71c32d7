//! `skywave listen`: a station recorded and measured.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use client::listener::{self, Event, Listener, Stats};
use client::{Connector, Options};

use crate::cli::ListenArgs;
use crate::exit::BadArguments;
use crate::signals::Stop;

mod progress;
mod recording;
mod report;

use progress::Progress;
use recording::Recording;
use report::Log;

pub(crate) fn run(args: Box<ListenArgs>) -> anyhow::Result<()> {
    crate::logging::start_client(args.server.quiet)?;
    if args.server.json && args.output.as_deref() == Some(Path::new("-")) {
        let why = "--json and --output - both write to standard output";
        return Err(BadArguments(why.into()).into());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start threads")?;
    runtime.block_on(listen(&args))
}

async fn listen(args: &ListenArgs) -> anyhow::Result<()> {
    let connector = Connector::new(Options {
        server: args.server.server.clone(),
        token: args.token.clone(),
        prefer: args.server.transport.prefer(),
        give_up_after: args.server.give_up_after,
    })?;
    // Before connecting: a file that cannot be written is a bad argument.
    let mut recording = Recording::create(args.output.as_deref())?;
    let config = listener::Config {
        rendition: args.rendition.clone(),
        rewind: args.rewind.unwrap_or_default(),
        start_delay: args.start_delay,
        latency: args.latency.profile(),
        repair: args.repair.repair(),
        bundle: args.bundle.0,
        ..listener::Config::new(args.server.station.clone())
    };
    let mut stop = Stop::listen();
    let mut listener = match stop.or_stop(Listener::start(connector, config)).await {
        Ok(started) => started?,
        // It would be counted until the relay gives it up.
        Err(Some(Ok(listener))) => {
            let _ = listener.finish().await;
            return Ok(());
        }
        Err(_) => return Ok(()),
    };
    let mut log = Log::new(Instant::now());
    let mut progress = Progress::new(&args.server);
    let heard = hear(
        args,
        &mut listener,
        &mut recording,
        &mut log,
        &mut progress,
        &mut stop,
    )
    .await;
    let (ended, stats) = match heard {
        Ok(ended) => (Ok(ended), finish(listener, &log).await),
        Err(error) => (Err(error), log.last_stats),
    };
    let written = recording.finish().context("cannot finish the recording");
    progress.finish();
    if let Some(path) = &args.stats {
        let why = match &ended {
            Ok(ended) => (*ended).to_owned(),
            Err(error) => error.to_string(),
        };
        let report = log.report(args, &stats, written.as_ref().copied().unwrap_or(0), &why);
        let json = serde_json::to_string_pretty(&report).expect("plain numbers and text");
        std::fs::write(path, json + "\n").with_context(|| path.display().to_string())?;
    }
    ended?;
    written?;
    Ok(())
}

async fn finish(listener: Listener, log: &Log) -> Stats {
    let stats = listener.finish().await;
    stats.unwrap_or(log.last_stats)
}

/// Takes what comes until the time is over or somebody asks to stop; answers which.
async fn hear(
    args: &ListenArgs,
    listener: &mut Listener,
    recording: &mut Recording,
    log: &mut Log,
    progress: &mut Progress,
    stop: &mut Stop,
) -> anyhow::Result<&'static str> {
    let over = async {
        match args.duration {
            Some(duration) => tokio::time::sleep(duration).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(over);
    let mut look = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            event = listener.next() => handle(&event?, recording, log)?,
            _ = look.tick() => {
                let stats = listener.stats().await;
                log.last_stats = stats.unwrap_or(log.last_stats);
                progress.tell(log, recording.seconds());
            }
            () = &mut over => return Ok("duration"),
            () = stop.asked() => return Ok("interrupted"),
        }
    }
}

fn handle(event: &Event, recording: &mut Recording, log: &mut Log) -> anyhow::Result<()> {
    match event {
        Event::Sound(block) => recording
            .handle_block(block)
            .context("cannot write the recording")?,
        other => log.handle_event(other, recording.frames()),
    }
    Ok(())
}
