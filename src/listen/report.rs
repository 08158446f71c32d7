//! What was heard, told and counted, as JSON.

use std::time::Instant;

use client::Transport;
use client::listener::{Event, Stats};
use media::receiver::Percentiles;
use serde::Serialize;
use wire::message::{Counts, Metadata};

use crate::cli::ListenArgs;

/// Entries kept of each kind; a listener may run for months.
const ENTRIES_MAX: usize = 10_000;

/// Collects what is worth telling at the end.
#[derive(Debug)]
pub(super) struct Log {
    begun: Instant,
    /// The newest totals, for the case that the listener ends without any.
    pub(super) last_stats: Stats,
    pub(super) listeners: Option<Counts>,
    pub(super) title: String,
    metadata: Vec<Told>,
    counts: Vec<Counted>,
    events: Vec<Happened>,
}

/// Metadata and when it was shown.
#[derive(Debug, Clone, Serialize)]
struct Told {
    #[serde(flatten)]
    metadata: Metadata,
    /// Media time of the 10 ms in which it came to hold.
    played_at: u64,
    /// Where these begin in the recording, in milliseconds.
    output_ms: f64,
}

#[derive(Debug, Clone, Serialize)]
struct Counted {
    at_ms: u64,
    #[serde(flatten)]
    counts: Counts,
}

#[derive(Debug, Clone, Serialize)]
struct Happened {
    at_ms: u64,
    output_ms: f64,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// The file `--stats` writes.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    station: String,
    rendition: String,
    transport: Option<&'static str>,
    /// Why it ended: `duration`, `interrupted` or an error.
    ended: String,
    seconds: f64,
    output_seconds: f64,
    packets: u64,
    lost: u64,
    late: u64,
    duplicates: u64,
    recovered: u64,
    retransmitted: u64,
    /// Packets asked for once more, every time counted.
    requested: u64,
    rejected: u64,
    /// Share of packets lost before repair, of the last 20 s.
    loss: f64,
    /// Packets lost in a row, the mean of the same time.
    burst: f64,
    /// The level of redundancy at the end.
    redundancy: u8,
    jitter_ms: f64,
    concealed_ms: f64,
    skipped_ms: f64,
    underruns: u64,
    restarts: u64,
    reconnects: u64,
    /// Datagrams of other tracks or of none.
    foreign: u64,
    overruns: u64,
    round_trip_ms: Option<f64>,
    target_ms: f64,
    buffer_ms: f64,
    /// How much later than live it was heard at the end, on purpose: no part of `delay_ms`.
    behind_ms: u64,
    /// From the source's sending to play-out.
    delay_ms: Option<Spread>,
    /// How much later than the luckiest packets came.
    arrival_ms: Spread,
    metadata: Vec<Told>,
    listeners: Vec<Counted>,
    events: Vec<Happened>,
}

#[derive(Debug, Serialize)]
struct Spread {
    p50: f64,
    p95: f64,
    p99: f64,
}

impl From<Percentiles> for Spread {
    fn from(percentiles: Percentiles) -> Self {
        Self {
            p50: percentiles.p50,
            p95: percentiles.p95,
            p99: percentiles.p99,
        }
    }
}

impl Log {
    pub(super) fn new(begun: Instant) -> Self {
        Self {
            begun,
            last_stats: Stats::default(),
            listeners: None,
            title: String::new(),
            metadata: Vec::new(),
            counts: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Notes an event that came before frame `output_frame` of the recording.
    pub(super) fn handle_event(&mut self, event: &Event, output_frame: u64) {
        let output_ms = output_frame as f64 / 48.0;
        let at_ms = self.begun.elapsed().as_millis() as u64;
        let mut happened = |event, detail| {
            let entry = Happened {
                at_ms,
                output_ms,
                event,
                detail,
            };
            push(&mut self.events, entry);
        };
        match event {
            Event::Tuned {
                transport, track, ..
            } => {
                let rendition = track.as_ref().map_or("off air", |track| &track.rendition);
                let detail = format!("{rendition} over {}", transport.name());
                happened("tuned", Some(detail));
            }
            Event::Started(track) => happened("started", Some(track.rendition.clone())),
            Event::Interrupted => happened("interrupted", None),
            Event::Resumed => happened("resumed", None),
            Event::Stopped => happened("stopped", None),
            Event::Lost(reason) => happened("lost", Some(reason.clone())),
            Event::Metadata { metadata, position } => {
                self.title = match &metadata.artist {
                    Some(artist) => format!("{artist} - {}", metadata.title),
                    None => metadata.title.clone(),
                };
                let told = Told {
                    metadata: metadata.clone(),
                    played_at: *position,
                    output_ms,
                };
                push(&mut self.metadata, told);
            }
            Event::Listeners(counts) => {
                self.listeners = Some(*counts);
                let counts = *counts;
                push(&mut self.counts, Counted { at_ms, counts });
            }
            _ => {}
        }
    }

    /// Everything, with the final totals.
    pub(super) fn report(
        self,
        args: &ListenArgs,
        stats: &Stats,
        output_frames: u64,
        ended: &str,
    ) -> Report {
        let receiver = &stats.receiver;
        Report {
            station: args.server.station.to_string(),
            rendition: args.rendition.clone(),
            transport: stats.transport.map(Transport::name),
            ended: ended.to_owned(),
            seconds: self.begun.elapsed().as_secs_f64(),
            output_seconds: output_frames as f64 / 48_000.0,
            packets: receiver.packets,
            lost: receiver.lost,
            late: receiver.late,
            duplicates: receiver.duplicates,
            recovered: receiver.recovered,
            retransmitted: receiver.retransmitted,
            requested: receiver.requested,
            loss: receiver.loss,
            burst: receiver.burst,
            redundancy: stats.redundancy,
            jitter_ms: receiver.jitter_ms,
            rejected: receiver.rejected,
            concealed_ms: receiver.concealed_ms,
            skipped_ms: receiver.skipped_ms,
            underruns: receiver.underruns,
            restarts: receiver.restarts,
            reconnects: stats.reconnects,
            foreign: stats.foreign,
            overruns: stats.overruns,
            round_trip_ms: stats.round_trip.map(|time| time.as_secs_f64() * 1e3),
            target_ms: receiver.target_ms,
            buffer_ms: receiver.buffer_ms,
            behind_ms: stats.behind.as_millis() as u64,
            delay_ms: receiver.play.map(Into::into),
            arrival_ms: receiver.arrival.into(),
            metadata: self.metadata,
            listeners: self.counts,
            events: self.events,
        }
    }
}

/// Keeps the first entries: how it began says more than one of many.
fn push<T>(entries: &mut Vec<T>, entry: T) {
    if entries.len() < ENTRIES_MAX {
        entries.push(entry);
    }
}
