//! The progress line of `skywave publish`.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use client::publisher::Status;
use media::measure::Level;
use serde::Serialize;
use wire::message::Metadata;

use crate::cli::ServerArgs;

/// Time between lines on a terminal and in JSON; elsewhere a log would fill with them.
const INTERVAL: Duration = Duration::from_secs(1);
const INTERVAL_LOG: Duration = Duration::from_secs(10);

/// Silence as a number.
const SILENCE_DBFS: f64 = -120.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// One line that is written over.
    Terminal,
    /// Lines now and then.
    Log,
    Json,
    Quiet,
}

/// Tells once a second how the publish fares.
#[derive(Debug)]
pub(super) struct Progress {
    style: Style,
    bitrate: u32,
    title: String,
    /// Since the last line.
    recent: Tally,
    /// Since the beginning.
    total: Tally,
}

/// What was sent since some moment.
#[derive(Debug, Clone, Copy)]
struct Tally {
    since: Instant,
    packets: u32,
    bytes: u64,
    /// Of the packets' levels, as powers.
    power: f64,
    peak_dbfs: f64,
}

impl Tally {
    fn new() -> Self {
        Self {
            since: Instant::now(),
            packets: 0,
            bytes: 0,
            power: 0.0,
            peak_dbfs: SILENCE_DBFS,
        }
    }

    fn add(&mut self, bytes: usize, level: Level) {
        self.packets += 1;
        self.bytes += bytes as u64;
        self.power += 10f64.powf(level.rms_dbfs / 10.0);
        self.peak_dbfs = self.peak_dbfs.max(level.peak_dbfs);
    }

    fn bitrate(&self) -> u64 {
        let seconds = self.since.elapsed().as_secs_f64().max(0.001);
        (self.bytes as f64 * 8.0 / seconds) as u64
    }

    fn level_dbfs(&self) -> f64 {
        let mean = self.power / f64::from(self.packets.max(1));
        (10.0 * mean.log10()).max(SILENCE_DBFS)
    }
}

/// A line in JSON.
#[derive(Debug, Serialize)]
struct Line<'a> {
    on_air: bool,
    seconds: f64,
    title: &'a str,
    bitrate: u64,
    target_bitrate: u32,
    level_dbfs: f64,
    peak_dbfs: f64,
    packets: u64,
    resent: u64,
    copies: u64,
    dropped: u64,
    received: u64,
    lost: u64,
    rejected: u64,
    listeners: u64,
    round_trip_ms: Option<f64>,
    transport: Option<&'static str>,
    reconnects: u64,
}

impl Progress {
    pub(super) fn new(args: &ServerArgs, bitrate: u32) -> Self {
        let style = match (args.quiet, args.json) {
            (true, _) => Style::Quiet,
            (_, true) => Style::Json,
            _ if std::io::stderr().is_terminal() => Style::Terminal,
            _ => Style::Log,
        };
        Self {
            style,
            bitrate,
            title: String::new(),
            recent: Tally::new(),
            total: Tally::new(),
        }
    }

    pub(super) fn set_metadata(&mut self, metadata: &Metadata) {
        self.title = match &metadata.artist {
            Some(artist) => format!("{artist} - {}", metadata.title),
            None => metadata.title.clone(),
        };
    }

    pub(super) fn handle_packet(&mut self, bytes: usize, level: Level, status: &Status) {
        self.recent.add(bytes, level);
        self.total.add(bytes, level);
        let interval = match self.style {
            Style::Quiet => return,
            Style::Log => INTERVAL_LOG,
            _ => INTERVAL,
        };
        if self.recent.since.elapsed() >= interval {
            self.tell(&self.recent, status);
            self.recent = Tally::new();
        }
    }

    /// The last line: the means of all.
    pub(super) fn finish(&mut self, status: &Status) {
        if self.style != Style::Quiet {
            self.tell(&self.total, status);
        }
        if self.style == Style::Terminal {
            eprintln!();
        }
    }

    fn tell(&self, tally: &Tally, status: &Status) {
        let line = self.line(tally, status);
        match self.style {
            Style::Json => {
                let json = serde_json::to_string(&line).expect("plain numbers and text");
                // Nobody may be reading; sound is what matters.
                let _ = writeln!(std::io::stdout(), "{json}");
            }
            Style::Terminal => eprint!("\r\x1b[2K{}", text(&line)),
            _ => eprintln!("{}", text(&line)),
        }
    }

    fn line(&self, tally: &Tally, status: &Status) -> Line<'_> {
        Line {
            on_air: status.on_air,
            seconds: tenth(self.total.since.elapsed().as_secs_f64()),
            title: &self.title,
            bitrate: tally.bitrate(),
            target_bitrate: self.bitrate,
            level_dbfs: tenth(tally.level_dbfs()),
            peak_dbfs: tenth(tally.peak_dbfs),
            packets: status.sent,
            resent: status.resent,
            copies: status.copies,
            dropped: status.dropped,
            received: status.report.received,
            lost: status.report.lost,
            rejected: status.report.rejected,
            listeners: status.report.listeners,
            round_trip_ms: status
                .round_trip
                .map(|time| tenth(time.as_secs_f64() * 1e3)),
            transport: status.transport.map(client::Transport::name),
            reconnects: status.reconnects,
        }
    }
}

fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn text(line: &Line<'_>) -> String {
    let seconds = line.seconds as u64;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let loss = 100.0 * line.lost as f64 / (line.lost + line.received).max(1) as f64;
    let round_trip = line
        .round_trip_ms
        .map_or("-".into(), |ms| format!("{ms:.0} ms"));
    format!(
        "{} {hours:02}:{minutes:02}:{:02}  {:.0} kb/s  {:.1} dBFS  {} packets  rtt {round_trip}  \
         loss {loss:.1} %  {} listening  {}",
        if line.on_air { "on air " } else { "off air" },
        seconds % 60,
        line.bitrate as f64 / 1e3,
        line.level_dbfs,
        line.packets,
        line.listeners,
        line.title,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_time_rate_level_and_loss() {
        let line = Line {
            on_air: true,
            seconds: 3725.4,
            title: "Somebody - Something",
            bitrate: 127_600,
            target_bitrate: 128_000,
            level_dbfs: -18.2,
            peak_dbfs: -3.0,
            packets: 186_270,
            resent: 0,
            copies: 0,
            dropped: 0,
            received: 99,
            lost: 1,
            rejected: 0,
            listeners: 3,
            round_trip_ms: Some(12.4),
            transport: Some("webtransport"),
            reconnects: 0,
        };
        assert_eq!(
            text(&line),
            "on air  01:02:05  128 kb/s  -18.2 dBFS  186270 packets  rtt 12 ms  loss 1.0 %  \
             3 listening  Somebody - Something"
        );
    }
}
