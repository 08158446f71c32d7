//! Plays music over bad networks to our receiver and to plain buffers, and writes what came
//! of it: a table, and a plot of delay against concealment for each network.
//!
//! `cargo run -p skywave-media --features testing --example lab -- [--short | --seconds=N] [FOLDER]`

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use skywave_media::receiver::{Config, Profile, Repair};
use skywave_media::testing::lab::{Outcome, Scenario, Setup, run};
use skywave_media::testing::scenarios;

const SEED: u64 = 11;

/// What is compared: its name, and whether it is one of ours.
fn setups() -> Vec<(&'static str, bool, Setup)> {
    let ours = |profile, repair| {
        Setup::of(Config {
            profile,
            repair,
            ..Config::default()
        })
    };
    let ms = Duration::from_millis;
    vec![
        (
            "interactive",
            true,
            ours(Profile::Interactive, Repair::Auto),
        ),
        ("live", true, ours(Profile::Live, Repair::Auto)),
        ("safe", true, ours(Profile::Safe, Repair::Auto)),
        ("live, economy", true, ours(Profile::Live, Repair::Economy)),
        ("live, robust", true, ours(Profile::Live, Repair::Robust)),
        ("fixed 60 ms", false, Setup::fixed(ms(60))),
        ("fixed 100 ms", false, Setup::fixed(ms(100))),
        ("fixed 200 ms", false, Setup::fixed(ms(200))),
        (
            "live, no retransmission",
            false,
            Setup {
                retransmission: false,
                ..ours(Profile::Live, Repair::Auto)
            },
        ),
        (
            "robust, no copies",
            false,
            Setup {
                redundancy: false,
                ..ours(Profile::Live, Repair::Robust)
            },
        ),
        (
            "live, no stretching",
            false,
            Setup::of(Config {
                stretch: false,
                ..Config::default()
            }),
        ),
    ]
}

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let short = arguments.iter().any(|argument| argument == "--short");
    let folder = arguments.iter().find(|argument| !argument.starts_with('-'));
    let asked = arguments.iter().find_map(|a| a.strip_prefix("--seconds="));
    let usual = if short { 70 } else { 1810 };
    let time = Duration::from_secs(asked.and_then(|s| s.parse().ok()).unwrap_or(usual));
    let mut text = introduction(time);
    for scenario in scenarios(time, SEED) {
        let rows: Vec<_> = setups()
            .into_iter()
            .map(|(name, ours, setup)| (name, ours, run(&scenario, &setup)))
            .collect();
        let table = table(&scenario, &rows);
        println!("{table}");
        text.push_str(&table);
        if let Some(folder) = folder {
            let plot = format!("receiver-quality/{}.svg", slug(scenario.name));
            let path = Path::new(folder).join(&plot);
            std::fs::create_dir_all(path.parent().expect("it has a folder"))?;
            std::fs::write(&path, svg(&scenario, &rows))?;
            writeln!(text, "![delay against concealment]({plot})\n").expect("a string takes it");
        }
    }
    match folder {
        Some(folder) => std::fs::write(Path::new(folder).join("receiver-quality.md"), text),
        None => Ok(()),
    }
}

fn slug(name: &str) -> String {
    let plain = name
        .to_lowercase()
        .replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    plain
        .split('-')
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join("-")
}

fn introduction(time: Duration) -> String {
    format!(
        "# How good the receiver is\n\n\
         Made by `make lab`; do not edit. Music in stereo at 128 kb/s in packets of 20 ms goes from a\n\
         source over a relay and a network, simulated in virtual time from seed {SEED}, to the receiver\n\
         that browsers and the native client run. {} s each, the first ten not counted.\n\n\
         - *Delay* is from capture to the sample leaving the receiver: packet, codec, network and play-out.\n\
         - *Concealed* is the share of time made up or silent.\n\
         - *Bytes* is what the relay sends, as a multiple of the stream without repair.\n\n\
         The networks are models and generated traces, not recordings. Requests go back over a network as\n\
         bad as the one there, and the relay answers half the frame rate at most. `fixed` is the same core with a constant delay: it neither adapts nor asks\n\
         for packets nor takes copies, as a plain jitter buffer. The rows that leave out one mechanism\n\
         show what it is worth. NetEq is not among them: the port of it that there is takes arrival times\n\
         from the machine's clock, so it cannot play these packets in virtual time.\n\n",
        time.as_secs()
    )
}

fn table(scenario: &Scenario, rows: &[(&str, bool, Outcome)]) -> String {
    let mut text = format!(
        "## {}\n\n| receiver | delay p50 | p95 | concealed | lost | bytes | stretched |\n|---|--:|--:|--:|--:|--:|--:|\n",
        scenario.name
    );
    for (name, _, outcome) in rows {
        writeln!(
            text,
            "| {name} | {:.0} ms | {:.0} ms | {:.3} % | {:.2} % | {:.2} | {:.2} % |",
            outcome.delay_p50_ms,
            outcome.delay_p95_ms,
            outcome.concealed * 100.0,
            outcome.lost * 100.0,
            outcome.bytes,
            outcome.stretched * 100.0,
        )
        .expect("a string takes it");
    }
    text.push('\n');
    text
}

/// Delay across, from 0; concealment upwards on a logarithmic scale from 0.001 to 100 %.
fn svg(scenario: &Scenario, rows: &[(&str, bool, Outcome)]) -> String {
    let (width, height, left, bottom) = (720.0, 400.0, 60.0, 40.0);
    let most = rows
        .iter()
        .map(|row| row.2.delay_p95_ms)
        .fold(100.0, f64::max)
        * 1.3;
    let x = |ms: f64| left + ms / most * (width - left - 20.0);
    let y = |share: f64| {
        let decades = (share.max(1e-5) / 1e-5).log10() / 5.0;
        height - bottom - decades * (height - bottom - 40.0)
    };
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"{left}\" y=\"20\" font-size=\"14\">{}: concealed time against median delay (bar: to 95 %)</text>\n",
        scenario.name
    );
    for decade in 0..=5 {
        let share = 1e-5 * 10f64.powi(decade);
        let label = format!("{} %", share * 100.0);
        let at = y(share);
        writeln!(text, "<line x1=\"{left}\" y1=\"{at:.1}\" x2=\"{width}\" y2=\"{at:.1}\" stroke=\"#ddd\"/><text x=\"4\" y=\"{:.1}\">{label:.9}</text>", at + 4.0).expect("a string takes it");
    }
    for n in 0..=5 {
        let ms = most / 5.0 * f64::from(n);
        writeln!(
            text,
            "<text x=\"{:.1}\" y=\"{:.1}\">{ms:.0} ms</text>",
            x(ms),
            height - 12.0
        )
        .expect("a string takes it");
    }
    for (name, ours, outcome) in rows {
        let colour = if *ours { "#0a7" } else { "#c40" };
        let (from, to, at) = (
            x(outcome.delay_p50_ms),
            x(outcome.delay_p95_ms),
            y(outcome.concealed),
        );
        writeln!(
            text,
            "<line x1=\"{from:.1}\" y1=\"{at:.1}\" x2=\"{to:.1}\" y2=\"{at:.1}\" stroke=\"{colour}\"/>\
             <circle cx=\"{from:.1}\" cy=\"{at:.1}\" r=\"4\" fill=\"{colour}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\">{name}</text>",
            to + 5.0,
            at + 4.0
        )
        .expect("a string takes it");
    }
    text.push_str("</svg>\n");
    text
}
