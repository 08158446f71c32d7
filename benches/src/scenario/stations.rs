//! Many stations with few listeners each.

use super::{Findings, Plan, Turn, turn};
use crate::contender::Contender;
use crate::report::Section;
use crate::stats::Spread;
use crate::swarm::Way;

pub(crate) fn run(plan: &Plan) -> anyhow::Result<Findings> {
    let (stations, each) = if plan.is_quick { (20, 10) } else { (200, 10) };
    let listeners = stations as usize * each;
    let mut rows = Vec::new();
    for way in [Way::WebTransport, Way::WebSocket] {
        let contender = Contender::Skywave(way);
        eprintln!(
            "stations: {stations} with {each} listeners each, {}",
            contender.name()
        );
        let turns: [Turn; 1] = [turn(plan, contender, stations, listeners)?];
        let of = |value: fn(&Turn) -> f64| Spread::of(&turns.iter().map(value).collect::<Vec<_>>());
        rows.push(vec![
            contender.name(),
            format!("{stations} x {each}"),
            of(|turn| turn.micros_per_frame).to_string(),
            format!("{:.2} %", of(|turn| turn.in_time).median * 100.0),
            format!("{:.2}", of(|turn| turn.delay[0] / 1000.0).median),
            format!("{:.2}", of(|turn| turn.delay[2] / 1000.0).median),
        ]);
    }
    Ok(Findings {
        sections: vec![Section {
            title: "stations: many with few listeners each",
            text: "Each station is a WebTransport session of its own that publishes; they are \
                spread over the 20 ms. What they cost is in the CPU per delivered frame."
                .to_owned(),
            header: vec![
                "way",
                "stations x listeners",
                "µs per frame",
                "in time",
                "delay p50, ms",
                "p99, ms",
            ],
            rows,
            plot: None,
        }],
        numbers: Vec::new(),
    })
}
