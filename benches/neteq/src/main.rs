//! Plays the laboratory's networks to the `neteq` crate, a port of WebRTC's NetEq, and prints
//! a line for each: network, seed, name, delay p50 and p95 in ms, concealed, bytes, lost.
//!
//! ```text
//! skywave-bench-neteq [--short | --seconds=N] [--only=WORD]
//! ```
//!
//! `NetEq` stands alone: packets come as they come, and nothing is sent again. `NetEq, our
//! repair` is given every packet and copy that our receiver got by its own requests.

mod listener;

use std::time::Duration;

use media::receiver::Config;
use media::testing::lab::{Setup, run_beside};
use media::testing::scenarios;

use listener::Listener;

/// As in the laboratory's tables, which are of this seed.
const SEED: u64 = 1;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let flag = |name: &str| arguments.iter().find_map(|a| a.strip_prefix(name));
    // As long as the laboratory's.
    let usual = if flag("--short").is_some() { 70 } else { 1810 };
    let seconds = flag("--seconds=").and_then(|n| n.parse().ok());
    let time = Duration::from_secs(seconds.unwrap_or(usual).max(20));
    let alone = Setup {
        retransmission: false,
        redundancy: false,
        ..Setup::of(Config::default())
    };
    let repaired = Setup::of(Config::default());
    for scenario in scenarios(time, SEED) {
        if !scenario.name.contains(flag("--only=").unwrap_or("")) {
            continue;
        }
        let rows = [
            ("NetEq", &alone, false),
            ("NetEq, our repair", &repaired, true),
        ];
        for (name, setup, copies) in rows {
            web_time::set(Duration::ZERO);
            let mut listener = Listener::new(&scenario, copies);
            let outcome = run_beside(&scenario, setup, &mut listener);
            let heard = listener.heard();
            println!(
                "{}\t{SEED}\t{name}\t{:.1}\t{:.1}\t{:.6}\t{:.3}\t{:.6}",
                scenario.name,
                heard.delay_p50_ms,
                heard.delay_p95_ms,
                heard.concealed,
                outcome.bytes,
                outcome.lost,
            );
        }
    }
}
