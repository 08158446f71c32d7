//! The delay a relay adds, from a packet's making to the listener's process.

use super::{Findings, Plan, Turn, turn};
use crate::contender::Contender;
use crate::report::{Number, Section};
use crate::stats::Spread;
use crate::swarm::Way;

pub(crate) fn run(plan: &Plan) -> anyhow::Result<Findings> {
    let mut findings = Findings::default();
    let mut rows = Vec::new();
    for listeners in [1, 200, 1000] {
        for way in [Way::WebTransport, Way::WebSocket] {
            let contender = Contender::Skywave(way);
            let mut turns = Vec::new();
            for _ in 0..plan.rounds {
                eprintln!("latency: {listeners} listeners, {}", contender.name());
                turns.push(turn(plan, contender, 1, listeners)?);
            }
            let at = |place: usize| spread(&turns, |turn| turn.delay[place] / 1000.0);
            rows.push(vec![
                listeners.to_string(),
                contender.name(),
                at(0).to_string(),
                at(1).to_string(),
                at(2).to_string(),
                at(3).to_string(),
            ]);
            if way == Way::WebTransport {
                let (place, name, most) = match listeners {
                    1 => (0, "p50", 0.25),
                    200 => (2, "p99", 1.5),
                    _ => (2, "p99", 5.0),
                };
                let what = format!("delay added with {listeners} listeners, {name}, ms");
                findings
                    .numbers
                    .push(Number::at_most(what, most, Some(at(place).median)));
            }
        }
    }
    findings.sections.push(Section {
        title: "latency: the delay a relay adds",
        text: "From the source's process, which stamps a packet as it sends it, through the \
            relay to the moment the listener's process takes it from its socket, in \
            milliseconds. Source and listeners share one processor, so that with many listeners \
            a good part is the load's own work: packets that wait for it to get to them."
            .to_owned(),
        header: vec!["listeners", "way", "p50", "p90", "p99", "greatest"],
        rows,
        plot: None,
    });
    Ok(findings)
}

fn spread(turns: &[Turn], value: impl Fn(&Turn) -> f64) -> Spread {
    Spread::of(&turns.iter().map(value).collect::<Vec<_>>())
}
