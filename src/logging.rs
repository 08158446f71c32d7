//! Logs on stderr, for people or for machines.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::config::LogFormat;
use crate::exit::BadArguments;

/// Begins to log. `filter` is in the notation of `tracing_subscriber::EnvFilter`: `info`,
/// `warn,skywave_relay=debug`.
pub(crate) fn start(format: LogFormat, filter: &str) -> Result<(), BadArguments> {
    let filter = parse(filter)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let started = match format {
        LogFormat::Human => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| BadArguments(error.to_string()))
}

/// Logs of a client: warnings, or what `SKYWAVE_LOG_FILTER` says; nothing but errors when quiet.
pub(crate) fn start_client(quiet: bool) -> Result<(), BadArguments> {
    let chosen = std::env::var("SKYWAVE_LOG_FILTER").ok();
    // The decoders' own words about a file are for their authors.
    let default = if quiet {
        "error,symphonia=off"
    } else {
        "warn,symphonia=off"
    };
    start(LogFormat::Human, chosen.as_deref().unwrap_or(default))
}

/// Whether that is a filter.
pub(crate) fn check(filter: &str) -> Result<(), BadArguments> {
    parse(filter).map(drop)
}

fn parse(filter: &str) -> Result<EnvFilter, BadArguments> {
    EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .parse(filter)
        .map_err(|error| BadArguments(format!("log.filter '{filter}': {error}")))
}
