//! Sessions that do nothing, and stations nobody listens to.

use std::time::Duration;

use super::{Findings, Plan, RATE, load};
use crate::contender::{Contender, Server};
use crate::report::{Number, Section};
use crate::swarm::Way;

pub(crate) fn run(plan: &Plan) -> anyhow::Result<Findings> {
    let (sessions, stations) = if plan.is_quick {
        (200, 20)
    } else {
        (1_000, 200)
    };
    let seconds = if plan.is_quick { 3.0 } else { 9.0 };
    let mut rows = Vec::new();
    let mut row = |what: String, share: f64, each: String| {
        rows.push(vec![what, format!("{:.2} %", share * 100.0), each]);
    };
    eprintln!("idle: a server without anybody");
    let contender = Contender::Skywave(Way::WebTransport);
    let mut server = Server::start(contender, 0, &plan.skywave)?;
    std::thread::sleep(Duration::from_secs(1));
    row("nobody".to_owned(), load(&server, 2.0)?, "-".to_owned());
    eprintln!("idle: sessions");
    for way in [Way::WebTransport, Way::WebSocket] {
        let server = Server::start(Contender::Skywave(way), 0, &plan.skywave)?;
        let swarm = server.listeners(sessions, RATE, true)?;
        std::thread::sleep(Duration::from_secs(1));
        let share = load(&server, seconds)?;
        let each = share * 1e6 / sessions as f64;
        row(
            format!("{sessions} sessions, {}", Contender::Skywave(way).name()),
            share,
            format!("{each:.1} µs a second and session"),
        );
        drop(swarm);
    }
    eprintln!("idle: stations");
    server.set_stations(stations);
    server.go_on_air()?;
    std::thread::sleep(Duration::from_secs(1));
    let share = load(&server, seconds.min(4.0))?;
    let each = share * 1e6 / f64::from(stations) / 50.0;
    row(
        format!("{stations} stations on air, no listener"),
        share,
        format!("{each:.2} µs a packet"),
    );
    Ok(Findings {
        sections: vec![Section {
            title: "idle: sessions that do nothing, stations nobody hears",
            text: "CPU of the server as a share of one processor. A session that does nothing \
                pings once in 8 s. A station's packet is received, opened, acknowledged, checked \
                and copied into the ring; no codec runs and nothing is encoded."
                .to_owned(),
            header: vec!["what", "CPU", "each"],
            rows,
            plot: None,
        }],
        numbers: vec![Number::at_most(
            "a station's packet without listeners, µs, receiving included".to_owned(),
            10.0,
            Some(each),
        )],
    })
}
