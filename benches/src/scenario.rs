//! What is measured, scenario by scenario.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use load::ears::Heard;

use crate::contender::{Contender, LOAD, SERVER, Server};
use crate::process::Worker;
use crate::report::{Number, Section};

pub(crate) mod fanout;
pub(crate) mod idle;
pub(crate) mod latency;
pub(crate) mod memory;
pub(crate) mod sessions;
pub(crate) mod stations;

/// How much is measured.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) skywave: PathBuf,
    /// The check of two minutes.
    pub(crate) is_quick: bool,
    pub(crate) rounds: usize,
    pub(crate) seconds: f64,
    /// Numbers of listeners for `fanout` instead of its own.
    pub(crate) listeners: Vec<usize>,
}

/// What a scenario gives.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) sections: Vec<Section>,
    pub(crate) numbers: Vec<Number>,
}

/// Listeners that join in a second while nothing is measured.
const RATE: f64 = 350.0;

/// What one turn of a contender gave.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Turn {
    pub(crate) micros_per_frame: f64,
    /// Of the frames sent in that time, those that came.
    pub(crate) delivered: f64,
    /// Those that came in time.
    pub(crate) in_time: f64,
    pub(crate) bytes_per_session: f64,
    /// Microseconds: p50, p90, p99, greatest.
    pub(crate) delay: [f64; 4],
}

/// Measures a contender with so many listeners.
pub(crate) fn turn(
    plan: &Plan,
    contender: Contender,
    stations: u32,
    listeners: usize,
) -> anyhow::Result<Turn> {
    if contender == Contender::Floor {
        return floor(plan, listeners);
    }
    let server = Server::start(contender, stations, &plan.skywave)?;
    std::thread::sleep(Duration::from_millis(300));
    let empty = server.process.memory()?;
    let mut swarm = server.listeners(listeners, RATE, false)?;
    std::thread::sleep(Duration::from_millis(800));
    let seen = listen(&server, &mut swarm, plan.seconds)?;
    anyhow::ensure!(seen.heard.packets > 0, "nothing was heard");
    let expected = seen.seconds * 50.0 * listeners as f64;
    Ok(Turn {
        micros_per_frame: seen.cpu.as_secs_f64() * 1e6 / seen.heard.packets.max(1) as f64,
        delivered: seen.heard.packets as f64 / expected,
        in_time: seen.heard.in_time as f64 / expected,
        bytes_per_session: server.process.memory()?.saturating_sub(empty) as f64 / listeners as f64,
        delay: seen.heard.delay.map(|micros| micros as f64),
    })
}

/// What a swarm heard in a while, and what it cost.
pub(crate) struct Seen {
    pub(crate) heard: Heard,
    pub(crate) cpu: Duration,
    pub(crate) seconds: f64,
}

pub(crate) fn listen(server: &Server, swarm: &mut Worker, seconds: f64) -> anyhow::Result<Seen> {
    heard(&swarm.ask("reset")?)?;
    let (cpu, begun) = (server.process.cpu()?, Instant::now());
    std::thread::sleep(Duration::from_secs_f64(seconds));
    let (cpu, took) = (server.process.cpu()?.saturating_sub(cpu), begun.elapsed());
    let heard = heard(&swarm.ask("read")?)?;
    Ok(Seen {
        heard,
        cpu,
        seconds: took.as_secs_f64(),
    })
}

pub(crate) fn heard(line: &str) -> anyhow::Result<Heard> {
    Ok(serde_json::from_str(line)?)
}

/// CPU of a server in a while, as a share of a processor.
pub(crate) fn load(server: &Server, seconds: f64) -> anyhow::Result<f64> {
    let (cpu, begun) = (server.process.cpu()?, Instant::now());
    std::thread::sleep(Duration::from_secs_f64(seconds));
    let cpu = server.process.cpu()?.saturating_sub(cpu);
    Ok(cpu.as_secs_f64() / begun.elapsed().as_secs_f64())
}

fn floor(plan: &Plan, listeners: usize) -> anyhow::Result<Turn> {
    let (pin, load) = (SERVER.to_string(), LOAD.to_string());
    let mut sink = Worker::start(&["floor-sink", "--pin", &load])?;
    let sinks = sink.line()?;
    let listeners = listeners.to_string();
    let mut floor = Worker::start(&[
        "floor",
        "--pin",
        &pin,
        "--listeners",
        &listeners,
        "--sinks",
        &sinks,
    ])?;
    floor.line()?;
    std::thread::sleep(Duration::from_millis(500));
    let (cpu, sent): (_, u64) = (floor.cpu()?, floor.ask("")?.parse()?);
    std::thread::sleep(Duration::from_secs_f64(plan.seconds));
    let (cpu, sent) = (floor.cpu()? - cpu, floor.ask("")?.parse::<u64>()? - sent);
    Ok(Turn {
        micros_per_frame: cpu.as_secs_f64() * 1e6 / sent as f64,
        delivered: 1.0,
        in_time: 1.0,
        ..Turn::default()
    })
}
