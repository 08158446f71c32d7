//! The `skywave` program: the one place that sees every crate.
#![forbid(unsafe_code)]

mod api;
mod autodj;
mod cli;
mod config;
mod demo;
mod exit;
mod gate;
mod listen;
mod logging;
mod passwords;
mod publish;
mod serve;
mod signals;
mod site;
mod token;

use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, Command};

// Frames and messages are allocated on one thread and freed on another, by the thousand: jemalloc
// is quickest at it, and gives back what a crowd took some time after it has left
// (docs/benchmarks-profile.md).
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(args) => serve::run(&args),
        Command::Token(args) => token::run(&args),
        Command::Publish(args) => publish::run(args),
        Command::Listen(args) => listen::run(args),
        Command::HashPassword => passwords::run(),
        Command::CheckConfig(args) => config::check(&args),
    };
    exit::code(result)
}
