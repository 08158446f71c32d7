//! Plays music over bad networks to our receiver and to plain buffers, and writes what came
//! of it: a table, and a plot of delay against concealment for each network.
//!
//! ```text
//! cargo run -p skywave-media --features testing --example lab -- [FLAGS] [FOLDER]
//!   --short          70 s and two seeds instead of half an hour and five
//!   --seconds=N      N seconds
//!   --seeds=N        seeds 1 to N
//!   --only=WORD      networks with this in their names
//!   --rows=WORD      receivers whose names begin so
//!   --row=NAME       only the receiver of this name
//!   --beside=FILE    receivers measured by another program: see `beside.rs`
//! ```

mod beside;
mod plot;
mod report;
mod setups;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use skywave_media::testing::lab::{Outcome, Scenario, Setup, run};
use skywave_media::testing::scenarios;

use report::Results;
use setups::{Kind, Row, setups};

/// Rows of these are played from every seed, all others from the first.
const SEEDED: [&str; 2] = ["interactive", "live"];

struct Job {
    scenario: Scenario,
    name: &'static str,
    kind: Kind,
    setup: Setup,
}

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let flag = |name: &str| {
        let mut values = arguments.iter().filter_map(|a| a.strip_prefix(name));
        values.next()
    };
    let short = flag("--short").is_some();
    let number = |name: &str, usual: u64| flag(name).and_then(|n| n.parse().ok()).unwrap_or(usual);
    let time = Duration::from_secs(number("--seconds=", if short { 70 } else { 1810 }));
    let seeds = number("--seeds=", if short { 2 } else { 5 }).max(1);
    let (only, rows) = (flag("--only=").unwrap_or(""), flag("--rows=").unwrap_or(""));
    let row = flag("--row=");
    let mut jobs = Vec::new();
    for seed in 1..=seeds {
        let wanted = scenarios(time, seed)
            .into_iter()
            .filter(|scenario| scenario.name.contains(only));
        for scenario in wanted {
            let wanted = setups().into_iter().filter(|(name, ..)| {
                let chosen = !rows.is_empty() || row.is_some();
                name.starts_with(rows)
                    && row.is_none_or(|row| row == *name)
                    && (seed == 1 || SEEDED.contains(name) || chosen)
            });
            jobs.extend(wanted.map(|(name, kind, setup)| Job {
                scenario,
                name,
                kind,
                setup,
            }));
        }
    }
    let outcomes = play(&jobs);
    let mut results = Results::default();
    for (job, outcome) in jobs.iter().zip(outcomes) {
        let row = Row {
            name: job.name,
            kind: job.kind,
            outcome,
        };
        results.add(&job.scenario, row);
    }
    if let Some(file) = flag("--beside=") {
        results.add_beside(&std::fs::read_to_string(file)?)?;
    }
    for (scenario, rows) in results.networks() {
        println!("{}", report::table(scenario, rows));
    }
    println!("{}", results.seeds());
    match arguments.iter().find(|argument| !argument.starts_with('-')) {
        Some(folder) => report::write(&results, time, seeds, Path::new(folder)),
        None => Ok(()),
    }
}

/// Plays all jobs, on as many threads as there are processors.
fn play(jobs: &[Job]) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(vec![None; jobs.len()]);
    let work = || {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(n) else {
                return;
            };
            let outcome = run(&job.scenario, &job.setup);
            eprint!(".");
            outcomes.lock().expect("no thread failed")[n] = Some(outcome);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    eprintln!();
    let outcomes = outcomes.into_inner().expect("no thread failed");
    outcomes
        .into_iter()
        .map(|outcome| outcome.expect("every job was done"))
        .collect()
}
