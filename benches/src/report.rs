//! `docs/benchmarks.md` and its plot, written from what was measured.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::stats::Spread;

/// One contender at one number of listeners.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) listeners: usize,
    pub(crate) contender: String,
    pub(crate) micros_per_frame: Spread,
    /// Against the floor, within each round.
    pub(crate) of_floor: Spread,
    pub(crate) delivered: f64,
    pub(crate) kib_per_session: f64,
    pub(crate) p50_micros: f64,
    pub(crate) p99_micros: f64,
}

const HEADER: &str = "| listeners | contender | µs per frame | times the floor | delivered | KiB per session | delay p50, ms | p99, ms |\n|---|---|---|---|---|---|---|---|\n";

pub(crate) fn table(rows: &[Row]) -> String {
    let mut out = HEADER.to_owned();
    for row in rows {
        let is_floor = row.kib_per_session == 0.0;
        let unless_floor = |text: String| if is_floor { "-".to_owned() } else { text };
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            row.listeners,
            row.contender,
            row.micros_per_frame,
            row.of_floor,
            unless_floor(format!("{:.2} %", row.delivered * 100.0)),
            unless_floor(format!("{:.1}", row.kib_per_session)),
            unless_floor(format!("{:.2}", row.p50_micros / 1000.0)),
            unless_floor(format!("{:.2}", row.p99_micros / 1000.0)),
        );
    }
    out
}

/// Writes the report and `benchmarks-fanout.svg` beside it.
pub(crate) fn write(path: &Path, rows: &[Row], how: &str) -> anyhow::Result<()> {
    let text = format!(
        "# Benchmarks\n\n\
        Written by `skywave-bench`; do not edit.\n\n\
        ## Fan-out\n\n\
        One station, 50 frames of 250 bytes a second. The server runs on one processor, its \
        listeners, ordinary QUIC clients that acknowledge every second packet, on the other. \
        CPU time is the kernel's account of the server's process, its own work for the process \
        included, divided by the frames that arrived. Contenders take turns; the table has \
        medians and in brackets the least and the greatest of the rounds. The floor seals and \
        sends the same packets, and receives and opens one acknowledgement for two of them: \
        nothing else. The delay is from the station to the listener's process, both on a \
        machine that is busy with the load.\n\n\
        {}\n\
        ![CPU per delivered frame](benchmarks-fanout.svg)\n\n\
        Machine: {}. Repeat with\n\n```\n{how}\n```\n",
        table(rows),
        machine(),
    );
    fs::write(path, text)?;
    fs::write(path.with_file_name("benchmarks-fanout.svg"), plot(rows))?;
    Ok(())
}

fn machine() -> String {
    let first = |path: &str, key: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(key));
        let value = line.and_then(|line| line.split(':').nth(1));
        value.unwrap_or("?").trim().to_owned()
    };
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!(
        "{} processors, {}, Linux {}, load average {} at the end",
        processors,
        first("/proc/cpuinfo", "model name"),
        kernel.trim(),
        load.split(' ').next().unwrap_or("?"),
    )
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
const MARGIN: f64 = 60.0;
const COLOURS: [&str; 5] = ["#666666", "#1f77b4", "#d62728", "#2ca02c", "#9467bd"];

/// Cost against listeners, a line for each contender.
fn plot(rows: &[Row]) -> String {
    let listeners_max = rows.iter().map(|row| row.listeners).max().unwrap_or(1) as f64;
    let greatest = rows.iter().map(|row| row.micros_per_frame.greatest);
    let micros_max = greatest.fold(1.0, f64::max).ceil();
    let x = |listeners: usize| MARGIN + listeners as f64 / listeners_max * (WIDTH - 2.0 * MARGIN);
    let y = |micros: f64| HEIGHT - MARGIN - micros / micros_max * (HEIGHT - 2.0 * MARGIN);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
        font-family=\"sans-serif\" font-size=\"12\">\n\
        <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
        <text x=\"{MARGIN}\" y=\"30\" font-size=\"15\">CPU per delivered frame, µs</text>\n"
    );
    let mut ticks: Vec<_> = rows.iter().map(|row| row.listeners).collect();
    ticks.sort_unstable();
    ticks.dedup();
    for tick in ticks {
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{tick}</text>",
            x(tick),
            HEIGHT - MARGIN + 20.0
        );
    }
    for micros in (0..=micros_max as u32).step_by((micros_max / 8.0).ceil() as usize) {
        let at = y(f64::from(micros));
        let _ = writeln!(
            out,
            "<line x1=\"{MARGIN}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#dddddd\"/>\
            <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{micros}</text>",
            WIDTH - MARGIN,
            MARGIN - 8.0,
            at + 4.0
        );
    }
    let mut contenders: Vec<&str> = Vec::new();
    for row in rows {
        if !contenders.contains(&row.contender.as_str()) {
            contenders.push(&row.contender);
        }
    }
    for (number, contender) in contenders.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let of_contender = rows.iter().filter(|row| row.contender == *contender);
        let points: Vec<_> = of_contender
            .map(|row| {
                format!(
                    "{:.1},{:.1}",
                    x(row.listeners),
                    y(row.micros_per_frame.median)
                )
            })
            .collect();
        let _ = writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\
            <text x=\"{}\" y=\"{}\" fill=\"{colour}\" text-anchor=\"end\">{contender}</text>",
            points.join(" "),
            WIDTH - MARGIN,
            30 + 16 * number
        );
    }
    out + "</svg>\n"
}
