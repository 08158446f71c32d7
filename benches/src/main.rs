//! `skywave-bench`: what a listener costs, beside what it must cost.
//!
//! Every measurement runs servers and load as processes of their own, the server pinned
//! to one processor and the load to the other, and takes CPU time from the kernel's
//! accounting of the server's process. Contenders take turns, round after round, so that
//! a busy machine disturbs all alike; the report gives medians and their spread.
#![forbid(unsafe_code)]

mod fanout;
mod floor;
mod process;
mod report;
mod serve;
mod stats;
mod swarm;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// CPU per delivered frame and memory per session, beside the floor.
    Fanout(fanout::Arguments),
    /// The engine with a synthetic station; for other commands.
    #[command(hide = true)]
    Serve(serve::Arguments),
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

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Fanout(arguments) => fanout::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Swarm(arguments) => swarm::run(&arguments),
        Command::Floor(arguments) => floor::run(&arguments),
        Command::FloorSink(arguments) => floor::sink(&arguments),
    }
}
