//! `skywave-bench`: what a listener costs, beside what it must cost.
//!
//! Every measurement runs servers and load as processes of their own, the server pinned
//! to one processor and the load to the other, and takes CPU time from the kernel's
//! accounting of the server's process. Contenders take turns, round after round, so that
//! a busy machine disturbs all alike; the report gives medians and their spread.
#![forbid(unsafe_code)]

mod bare;
mod contender;
mod floor;
mod packet;
mod process;
mod report;
mod scenario;
mod serve;
mod source;
mod stats;
mod swarm;
mod trust;

use std::path::PathBuf;
use std::time::Instant;

use clap::{Parser, Subcommand, ValueEnum};
use scenario::{Findings, Plan};

#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures, and writes a report.
    Run(RunArguments),
    /// The engine with a synthetic station; for other commands.
    #[command(hide = true)]
    Serve(serve::Arguments),
    /// wtransport with a synthetic station; for other commands.
    #[command(hide = true)]
    Bare(bare::Arguments),
    /// Stations on air; for other commands.
    #[command(hide = true)]
    Source(source::Arguments),
    /// Listeners; for other commands.
    #[command(hide = true)]
    Swarm(swarm::Arguments),
    /// The least a server could do; for other commands.
    #[command(hide = true)]
    Floor(floor::Arguments),
    /// The floor's other end; for other commands.
    #[command(hide = true)]
    FloorSink(floor::SinkArguments),
}

#[derive(Debug, clap::Args)]
struct RunArguments {
    /// The program `skywave` [default: beside this one]
    #[arg(long)]
    skywave: Option<PathBuf>,
    /// A check of two minutes.
    #[arg(long)]
    quick: bool,
    /// Only these scenarios.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Scenario>,
    /// Rounds of turns that are repeated.
    #[arg(long, default_value_t = 2)]
    rounds: usize,
    /// Seconds of each turn.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Numbers of listeners for `fanout` instead of its own.
    #[arg(long, value_delimiter = ',')]
    listeners: Vec<usize>,
    /// Writes the report here, and plots beside it.
    #[arg(long)]
    report: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scenario {
    Fanout,
    Latency,
    Join,
    Zap,
    Memory,
    Stations,
    Idle,
}

impl Scenario {
    fn run(self, plan: &Plan) -> anyhow::Result<Findings> {
        match self {
            Self::Fanout => scenario::fanout::run(plan),
            Self::Latency => scenario::latency::run(plan),
            Self::Join => scenario::sessions::join(plan),
            Self::Zap => scenario::sessions::zap(plan),
            Self::Memory => scenario::memory::run(plan),
            Self::Stations => scenario::stations::run(plan),
            Self::Idle => scenario::idle::run(plan),
        }
    }
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Run(arguments) => run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Bare(arguments) => bare::run(&arguments),
        Command::Source(arguments) => source::run(&arguments),
        Command::Swarm(arguments) => swarm::run(&arguments),
        Command::Floor(arguments) => floor::run(&arguments),
        Command::FloorSink(arguments) => floor::sink(&arguments),
    }
}

fn run(arguments: &RunArguments) -> anyhow::Result<()> {
    let begun = Instant::now();
    let skywave = match &arguments.skywave {
        Some(path) => path.clone(),
        None => std::env::current_exe()?.with_file_name("skywave"),
    };
    anyhow::ensure!(skywave.exists(), "{} is not built", skywave.display());
    let plan = Plan {
        skywave,
        is_quick: arguments.quick,
        rounds: if arguments.quick { 1 } else { arguments.rounds },
        seconds: arguments.seconds,
        listeners: arguments.listeners.clone(),
    };
    let mut all = Findings::default();
    let mut failed = Vec::new();
    for &scenario in Scenario::value_variants() {
        if !arguments.only.is_empty() && !arguments.only.contains(&scenario) {
            continue;
        }
        match scenario.run(&plan) {
            Ok(findings) => {
                all.sections.extend(findings.sections);
                all.numbers.extend(findings.numbers);
            }
            // The others' numbers are worth having nevertheless.
            Err(error) => {
                eprintln!("{scenario:?} has failed: {error:#}");
                failed.push(format!("{scenario:?} failed: {error:#}"));
            }
        }
    }
    println!("{}", report::summary(&all.sections, &all.numbers));
    if let Some(path) = &arguments.report {
        let icecast = contender::icecast_program();
        let icecast = icecast.and_then(|program| report::version(&program, "-v"));
        let moq = contender::moq::programs();
        let moq = moq.and_then(|programs| report::version(&programs.relay, "--version"));
        let mut versions = vec![
            report::version(&plan.skywave, "--version").unwrap_or_default(),
            icecast.unwrap_or_else(|| "Icecast not installed".to_owned()),
            moq.unwrap_or_else(|| "moq-relay not installed".to_owned()),
        ];
        versions.extend(failed.iter().cloned());
        let run = report::Run {
            rounds: plan.rounds,
            seconds: plan.seconds,
            took: begun.elapsed(),
            versions,
        };
        report::write(path, &run, &all.sections, &all.numbers)?;
    }
    anyhow::ensure!(failed.is_empty(), "{}", failed.join("; "));
    Ok(())
}
