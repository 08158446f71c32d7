//! CPU per delivered frame, the engine's beside the floor's.

use std::time::{Duration, Instant};

use crate::process::Worker;
use crate::report::{self, Row};
use crate::stats::Spread;
use crate::swarm::patience;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Numbers of listeners.
    #[arg(long, value_delimiter = ',', default_value = "200,1000,2000")]
    listeners: Vec<usize>,
    /// Rounds; the contenders take turns in each.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds measured in each turn.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Processor of the server; the load has the other.
    #[arg(long, default_value_t = 0)]
    server_pin: usize,
    #[arg(long, default_value_t = 1)]
    load_pin: usize,
    /// Writes the report here, and a plot beside it.
    #[arg(long)]
    report: Option<std::path::PathBuf>,
    /// Also with acknowledgements asked for less often.
    #[arg(long)]
    ack_frequency: bool,
}

/// What one turn gave.
#[derive(Debug, Clone, Copy)]
struct Turn {
    micros_per_frame: f64,
    /// Of the frames sent in that time.
    delivered: f64,
    bytes_per_session: f64,
    p50: f64,
    p99: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Contender {
    Floor,
    Engine { ack_every: u32 },
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut contenders = vec![Contender::Floor, Contender::Engine { ack_every: 0 }];
    if arguments.ack_frequency {
        contenders.push(Contender::Engine { ack_every: 10 });
    }
    let mut rows = Vec::new();
    for &listeners in &arguments.listeners {
        let mut turns: Vec<Vec<Turn>> = vec![Vec::new(); contenders.len()];
        for _ in 0..arguments.rounds {
            for (contender, turns) in contenders.iter().zip(&mut turns) {
                turns.push(match contender {
                    Contender::Floor => floor(arguments, listeners)?,
                    Contender::Engine { ack_every } => engine(arguments, listeners, *ack_every)?,
                });
            }
        }
        for (contender, these) in contenders.iter().zip(&turns) {
            rows.push(row(listeners, *contender, these, &turns[0]));
        }
        eprintln!("{}", report::table(&rows));
    }
    if let Some(path) = &arguments.report {
        let how: Vec<_> = std::env::args().skip(1).collect();
        let how = format!("skywave-bench {}", how.join(" "));
        report::write(path, &rows, &how)?;
    }
    println!("{}", report::table(&rows));
    Ok(())
}

fn row(listeners: usize, contender: Contender, turns: &[Turn], floor: &[Turn]) -> Row {
    let column = |value: fn(&Turn) -> f64| Spread::of(&turns.iter().map(value).collect::<Vec<_>>());
    // The ratio is taken within each round, between neighbours in time.
    let ratios = turns.iter().zip(floor);
    let ratios: Vec<_> = ratios
        .map(|(this, floor)| this.micros_per_frame / floor.micros_per_frame)
        .collect();
    Row {
        listeners,
        contender: match contender {
            Contender::Floor => "floor".to_owned(),
            Contender::Engine { ack_every: 0 } => "engine".to_owned(),
            Contender::Engine { ack_every } => format!("engine, ACK asked 1 in {ack_every}"),
        },
        micros_per_frame: column(|turn| turn.micros_per_frame),
        of_floor: Spread::of(&ratios),
        delivered: column(|turn| turn.delivered).median,
        kib_per_session: column(|turn| turn.bytes_per_session).median / 1024.0,
        p50_micros: column(|turn| turn.p50).median,
        p99_micros: column(|turn| turn.p99).median,
    }
}

fn strings(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(|text| (*text).to_owned()).collect()
}

fn floor(arguments: &Arguments, listeners: usize) -> anyhow::Result<Turn> {
    let pin = arguments.load_pin.to_string();
    let mut sink = Worker::start(&strings(&["floor-sink", "--pin", &pin]))?;
    let sinks = sink.line()?;
    let mut floor = Worker::start(&strings(&[
        "floor",
        "--pin",
        &arguments.server_pin.to_string(),
        "--listeners",
        &listeners.to_string(),
        "--sinks",
        &sinks,
    ]))?;
    floor.line()?;
    std::thread::sleep(Duration::from_secs(1));
    let (cpu, sent): (_, u64) = (floor.cpu()?, floor.ask("")?.parse()?);
    std::thread::sleep(Duration::from_secs(arguments.seconds));
    let (cpu, sent) = (floor.cpu()? - cpu, floor.ask("")?.parse::<u64>()? - sent);
    Ok(Turn {
        micros_per_frame: cpu.as_secs_f64() * 1e6 / sent as f64,
        delivered: 1.0,
        bytes_per_session: 0.0,
        p50: 0.0,
        p99: 0.0,
    })
}

fn engine(arguments: &Arguments, listeners: usize, ack_every: u32) -> anyhow::Result<Turn> {
    let mut server = Worker::start(&strings(&[
        "serve",
        "--pins",
        &arguments.server_pin.to_string(),
        "--ack-every",
        &ack_every.to_string(),
    ]))?;
    let address = server.line()?;
    let empty = server.memory()?;
    let rate = 500;
    let mut swarm = Worker::start(&strings(&[
        "swarm",
        "--server",
        &address,
        "--listeners",
        &listeners.to_string(),
        "--pin",
        &arguments.load_pin.to_string(),
        "--rate",
        &rate.to_string(),
    ]))?;
    let begun = Instant::now();
    anyhow::ensure!(swarm.line()? == "open", "the swarm has failed");
    anyhow::ensure!(
        begun.elapsed() < patience(listeners, rate),
        "the swarm was slow"
    );
    std::thread::sleep(Duration::from_secs(2));
    let before = numbers(&swarm.ask("reset")?)?;
    let (cpu, began) = (server.cpu()?, Instant::now());
    std::thread::sleep(Duration::from_secs(arguments.seconds));
    let (cpu, took) = (server.cpu()? - cpu, began.elapsed());
    let after = numbers(&swarm.ask("")?)?;
    let heard = after[0] - before[0];
    let expected = took.as_secs_f64() * 50.0 * listeners as f64;
    Ok(Turn {
        micros_per_frame: cpu.as_secs_f64() * 1e6 / heard,
        delivered: heard / expected,
        bytes_per_session: (server.memory()? - empty) as f64 / listeners as f64,
        p50: after[2],
        p99: after[3],
    })
}

fn numbers(line: &str) -> anyhow::Result<Vec<f64>> {
    line.split(' ')
        .map(|text| text.parse().map_err(anyhow::Error::from))
        .collect()
}
