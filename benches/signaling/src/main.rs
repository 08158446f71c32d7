//! `skywave-bench-signaling`: what a chat message costs, beside Socket.IO servers.
//!
//! Servers are processes of their own, pinned to one processor, the load to the other;
//! CPU time is the kernel's account of the server's process. Contenders take turns,
//! round after round; the report has medians, and in brackets the least and the greatest.
#![forbid(unsafe_code)]

mod commits;
mod contender;
mod drops;
mod fanout;
mod member;
mod reconnect;
mod report;
mod socketioxide;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything, written to a report.
    Run(RunArguments),
    /// socketioxide with one room; for the other command.
    #[command(hide = true)]
    Socketioxide,
    /// Committed messages a second, in this process.
    Commits(commits::CommitsArguments),
}

#[derive(Debug, clap::Args)]
struct RunArguments {
    /// The program `skywave` [default: beside this one]
    #[arg(long)]
    skywave: Option<PathBuf>,
    /// The folder with Socket.IO for Node, `npm install` done
    #[arg(long, default_value = "benches/signaling/peer")]
    peer: PathBuf,
    /// Members of the room.
    #[arg(long, default_value_t = 1_000)]
    members: usize,
    /// Messages a second on average.
    #[arg(long, value_delimiter = ',', default_values_t = [20, 50, 100, 200, 400])]
    rates: Vec<u32>,
    /// Seconds of messages in each round.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Sessions that return at once, and that idle.
    #[arg(long, default_value_t = 5_000)]
    sessions: usize,
    /// Seconds of messages to clients that drop and return.
    #[arg(long, default_value_t = 60)]
    drop_seconds: u64,
    #[arg(long, default_value = "docs/benchmarks-signaling.md")]
    output: PathBuf,
}

/// No run takes longer, whatever happens.
const PATIENCE: Duration = Duration::from_secs(1_500);

fn main() -> anyhow::Result<()> {
    use tokio::runtime::Builder;
    let alone = Builder::new_current_thread().enable_all().build()?;
    match Arguments::parse().command {
        Command::Socketioxide => alone.block_on(socketioxide::run()),
        Command::Commits(arguments) => {
            let threads = Builder::new_multi_thread().enable_all().build()?;
            threads.block_on(commits::run(arguments))
        }
        Command::Run(arguments) => {
            alone.block_on(async { tokio::time::timeout(PATIENCE, run(&arguments)).await? })
        }
    }
}

async fn run(arguments: &RunArguments) -> anyhow::Result<()> {
    contender::pin_self()?;
    let skywave = contender::beside("skywave", arguments.skywave.clone())?;
    let fanout = fanout::measure(arguments, &skywave).await?;
    let drops = drops::measure(arguments, &skywave).await?;
    let commits = report::commits().await;
    let reconnect = reconnect::measure(arguments.sessions, &skywave).await?;
    let text = report::text(arguments, &fanout, &drops, commits.as_deref(), &reconnect);
    std::fs::write(&arguments.output, &text)?;
    println!("{text}");
    Ok(())
}
