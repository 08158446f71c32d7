//! `docs/benchmarks.md` and its plots, written from what was measured.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;

/// A part of the report.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) text: String,
    pub(crate) header: Vec<&'static str>,
    pub(crate) rows: Vec<Vec<String>>,
    pub(crate) plot: Option<Plot>,
}

/// Lines over one axis.
#[derive(Debug)]
pub(crate) struct Plot {
    /// The file's name, beside the report.
    pub(crate) file: &'static str,
    pub(crate) title: &'static str,
    pub(crate) lines: Vec<(String, Vec<(f64, f64)>)>,
}

/// A number to reach, and what was reached.
#[derive(Debug)]
pub(crate) struct Number {
    what: String,
    bound: f64,
    is_floor: bool,
    measured: Option<f64>,
}

impl Number {
    pub(crate) fn at_most(what: String, bound: f64, measured: Option<f64>) -> Self {
        Self {
            what,
            bound,
            is_floor: false,
            measured,
        }
    }

    pub(crate) fn at_least(what: String, bound: f64, measured: Option<f64>) -> Self {
        Self {
            is_floor: true,
            ..Self::at_most(what, bound, measured)
        }
    }

    fn row(&self) -> Vec<String> {
        let sign = if self.is_floor { "≥" } else { "≤" };
        let (measured, verdict) = match self.measured {
            None => ("-".to_owned(), "not measured"),
            Some(measured) => {
                let is_met = if self.is_floor {
                    measured >= self.bound
                } else {
                    measured <= self.bound
                };
                let verdict = if is_met { "met" } else { "missed" };
                (format!("{measured:.2}"), verdict)
            }
        };
        vec![
            self.what.clone(),
            format!("{sign} {}", self.bound),
            measured,
            verdict.to_owned(),
        ]
    }
}

fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut out = format!(
        "| {} |\n|{}\n",
        header.join(" | "),
        "---|".repeat(header.len())
    );
    for row in rows {
        let _ = writeln!(out, "| {} |", row.join(" | "));
    }
    out
}

/// Tables alone, for the terminal.
pub(crate) fn summary(sections: &[Section], numbers: &[Number]) -> String {
    let mut out = String::new();
    for section in sections {
        let table = table(&section.header, &section.rows);
        let _ = write!(out, "\n## {}\n\n{table}", section.title);
    }
    let rows: Vec<_> = numbers.iter().map(Number::row).collect();
    let header = ["number", "to reach", "measured", ""];
    let _ = write!(out, "\n## Numbers to reach\n\n{}", table(&header, &rows));
    out
}

/// How the numbers came to be.
pub(crate) struct Run {
    pub(crate) rounds: usize,
    pub(crate) seconds: f64,
    pub(crate) took: Duration,
    /// Versions of what was measured.
    pub(crate) versions: Vec<String>,
}

/// Writes the report, and plots beside it.
pub(crate) fn write(
    path: &Path,
    run: &Run,
    sections: &[Section],
    numbers: &[Number],
) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let rows: Vec<_> = numbers.iter().map(Number::row).collect();
    let mut text = format!(
        "# Benchmarks\n\n\
        Written by `make bench`; do not edit. Rooms and messages have a report of their own, \
        `make bench-signaling` writes it.\n\n\
        The server is the release build of `skywave serve`, alone on one processor; sources and \
        listeners are other processes on the other. CPU time is the kernel's account of all \
        threads of the server's process, its own work for them included. Contenders take turns, \
        up to {} rounds of {} s each; tables have medians and in brackets the least and the \
        greatest of the rounds. Ratios are taken within a round, between neighbours in time.\n\n\
        Machine: {}. Measured in {:.0} minutes. {}\n\n\
        Repeat: `make bench-moq` for moq-relay, then `make bench`; a check of two minutes that \
        writes nothing: `make bench-quick`; one scenario: `target/release/skywave-bench run --only fanout`.\n\n\
        ## Numbers to reach\n\n{}",
        run.rounds,
        run.seconds,
        machine(),
        run.took.as_secs_f64() / 60.0,
        run.versions.join("; "),
        table(&["number", "to reach", "measured", ""], &rows),
    );
    for section in sections {
        let table = table(&section.header, &section.rows);
        let _ = write!(
            text,
            "\n## {}\n\n{}\n\n{table}",
            section.title, section.text
        );
        if let Some(plot) = &section.plot {
            let _ = write!(text, "\n![{}]({})\n", plot.title, plot.file);
            fs::write(path.with_file_name(plot.file), svg(plot))?;
        }
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// What a program says of its version.
pub(crate) fn version(program: &Path, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    text.lines().next().map(|line| line.trim().to_owned())
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

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
const MARGIN: f64 = 56.0;
/// Room for the lines' names.
const LEGEND: f64 = 210.0;
const COLOURS: [&str; 9] = [
    "#666666", "#1f77b4", "#17becf", "#d62728", "#2ca02c", "#ff7f0e", "#9467bd", "#8c564b",
    "#bcbd22",
];

/// The plot as SVG. The axis of listeners is logarithmic: most happens below 200.
fn svg(plot: &Plot) -> String {
    let points = || plot.lines.iter().flat_map(|(_, points)| points);
    let x_min = points()
        .map(|point| point.0)
        .fold(f64::MAX, f64::min)
        .max(1.0);
    let x_max = points().map(|point| point.0).fold(2.0, f64::max);
    // What a few listeners cost is far off the scale of all others.
    let mut ys: Vec<_> = points().map(|point| point.1).collect();
    ys.sort_by(f64::total_cmp);
    let y_max = ys.get(ys.len() * 9 / 10).copied().unwrap_or(1.0) * 1.25;
    let right = WIDTH - LEGEND;
    let span = (x_max / x_min).ln().max(f64::EPSILON);
    let x = |value: f64| MARGIN + (value / x_min).ln() / span * (right - MARGIN);
    let y = |value: f64| HEIGHT - MARGIN - value.min(y_max) / y_max * (HEIGHT - 2.0 * MARGIN);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
        font-family=\"sans-serif\" font-size=\"12\">\n\
        <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
        <text x=\"{MARGIN}\" y=\"30\" font-size=\"15\">{}</text>\n",
        plot.title
    );
    let mut ticks: Vec<_> = points().map(|point| point.0).collect();
    ticks.sort_by(f64::total_cmp);
    ticks.dedup();
    for tick in ticks {
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{tick}</text>",
            x(tick),
            HEIGHT - MARGIN + 20.0
        );
    }
    let step = (y_max / 8.0).max(0.5).ceil() as usize;
    for value in (0..=y_max as usize).step_by(step) {
        let at = y(value as f64);
        let _ = writeln!(
            out,
            "<line x1=\"{MARGIN}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\" \
            stroke=\"#dddddd\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{value}</text>",
            MARGIN - 8.0,
            at + 4.0
        );
    }
    for (number, (name, points)) in plot.lines.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let line: Vec<_> = points
            .iter()
            .map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1)))
            .collect();
        let _ = writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            line.join(" ")
        );
        for point in points {
            let _ = writeln!(
                out,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{colour}\"/>",
                x(point.0),
                y(point.1)
            );
        }
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" fill=\"{colour}\">{name}</text>",
            right + 12.0,
            MARGIN + 18.0 * number as f64
        );
    }
    out + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_met_on_its_side_of_the_bound() {
        let verdict = |number: Number| number.row()[3].clone();
        assert_eq!(verdict(Number::at_most("a".into(), 2.0, Some(2.0))), "met");
        assert_eq!(
            verdict(Number::at_most("a".into(), 2.0, Some(2.1))),
            "missed"
        );
        assert_eq!(verdict(Number::at_least("a".into(), 2.0, Some(2.1))), "met");
        assert_eq!(
            verdict(Number::at_least("a".into(), 2.0, None)),
            "not measured"
        );
    }

    #[test]
    fn a_plot_of_one_point_is_drawn() {
        let plot = Plot {
            file: "a.svg",
            title: "a",
            lines: vec![("b".into(), vec![(10.0, 3.0)])],
        };
        let text = svg(&plot);
        assert!(text.contains("<circle") && !text.contains("NaN"), "{text}");
    }
}
