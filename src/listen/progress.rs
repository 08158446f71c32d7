//! The progress line of `skywave listen`.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::report::Log;
use crate::cli::ServerArgs;

/// Time between lines that go to a log; a terminal and JSON get one a second.
const INTERVAL_LOG: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Terminal,
    Log,
    Json,
    Quiet,
}

/// Tells how the listening goes.
#[derive(Debug)]
pub(super) struct Progress {
    style: Style,
    last: Option<Instant>,
}

/// A line in JSON.
#[derive(Debug, Serialize)]
struct Line<'a> {
    seconds: f64,
    title: &'a str,
    listeners: Option<u64>,
    packets: u64,
    lost: u64,
    late: u64,
    concealed_ms: f64,
    delay_ms: Option<f64>,
    buffer_ms: f64,
    transport: Option<&'static str>,
    reconnects: u64,
}

impl Progress {
    pub(super) fn new(args: &ServerArgs) -> Self {
        let style = match (args.quiet, args.json) {
            (true, _) => Style::Quiet,
            (_, true) => Style::Json,
            _ if std::io::stderr().is_terminal() => Style::Terminal,
            _ => Style::Log,
        };
        Self { style, last: None }
    }

    /// Tells where things stand; called once a second.
    pub(super) fn tell(&mut self, log: &Log, seconds: f64) {
        let early = self.last.is_some_and(|last| last.elapsed() < INTERVAL_LOG);
        if self.style == Style::Quiet || (self.style == Style::Log && early) {
            return;
        }
        self.last = Some(Instant::now());
        let receiver = &log.last_stats.receiver;
        let line = Line {
            seconds,
            title: &log.title,
            listeners: log.listeners.map(|counts| counts.count),
            packets: receiver.packets,
            lost: receiver.lost,
            late: receiver.late,
            concealed_ms: receiver.concealed_ms,
            delay_ms: receiver.play.map(|play| play.p50),
            buffer_ms: receiver.buffer_ms,
            transport: log.last_stats.transport.map(client::Transport::name),
            reconnects: log.last_stats.reconnects,
        };
        match self.style {
            Style::Json => {
                let json = serde_json::to_string(&line).expect("plain numbers and text");
                // Nobody may be reading; the recording is what matters.
                let _ = writeln!(std::io::stdout(), "{json}");
            }
            Style::Terminal => eprint!("\r\x1b[2K{}", text(&line)),
            _ => eprintln!("{}", text(&line)),
        }
    }

    pub(super) fn finish(&self) {
        if self.style == Style::Terminal {
            eprintln!();
        }
    }
}

fn text(line: &Line<'_>) -> String {
    let seconds = line.seconds as u64;
    let delay = line.delay_ms.map_or("-".into(), |ms| format!("{ms:.0} ms"));
    let loss = 100.0 * line.lost as f64 / (line.lost + line.packets).max(1) as f64;
    format!(
        "{:02}:{:02}:{:02}  delay {delay}  loss {loss:.1} %  concealed {:.0} ms  {}  {}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        line.concealed_ms,
        line.listeners
            .map_or(String::new(), |count| format!("{count} listening")),
        line.title,
    )
}
