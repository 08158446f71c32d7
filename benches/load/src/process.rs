//! A process that bears load for another that measures.

use anyhow::Context;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

/// Keeps this process on one processor.
pub fn pin(processor: Option<usize>) -> anyhow::Result<()> {
    if let Some(processor) = processor {
        let mut set = CpuSet::new();
        set.set(processor)?;
        sched_setaffinity(Pid::from_raw(0), &set)
            .with_context(|| format!("cannot run on processor {processor}"))?;
    }
    Ok(())
}

/// Ends the process when its input ends: no worker outlives who started it. Lines go to
/// `answer`, and what it returns is printed.
pub fn serve_questions(mut answer: impl FnMut(&str) -> Option<String> + Send + 'static) {
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            let Ok(line) = line else { break };
            if let Some(text) = answer(&line) {
                println!("{text}");
            }
        }
        std::process::exit(0);
    });
}
