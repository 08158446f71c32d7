//! `join` and `zap`: how soon there is sound.

use std::time::Duration;

use load::ears::Heard;

use super::{Findings, Plan, RATE, heard};
use crate::contender::{Contender, Server};
use crate::report::{Number, Section};
use crate::swarm::Way;

const WAYS: [Way; 2] = [Way::WebTransport, Way::WebSocket];

pub(crate) fn join(plan: &Plan) -> anyhow::Result<Findings> {
    let mut findings = Findings::default();
    let mut rows = Vec::new();
    for way in WAYS {
        let contender = Contender::Skywave(way);
        eprintln!("join: {}", contender.name());
        let server = Server::start(contender, 1, &plan.skywave)?;
        // One after the other.
        let mut single = server.listeners(60, 15.0, false)?;
        let single: Heard = heard(&single.ask("read")?)?;
        // Many in one second, while others listen.
        let mut before = server.listeners(200, RATE, false)?;
        std::thread::sleep(Duration::from_millis(500));
        before.ask("reset")?;
        let begun = std::time::Instant::now();
        let mut crowd = server.listeners(1000, 1000.0, false)?;
        let took = begun.elapsed();
        let crowd: Heard = heard(&crowd.ask("read")?)?;
        let during: Heard = heard(&before.ask("read")?)?;
        let in_time = during.in_time as f64 / (took.as_secs_f64() * 50.0 * 200.0);
        rows.push(row(
            &contender.name(),
            "60, one by one",
            &single.join,
            single.lost,
            None,
        ));
        rows.push(row(
            &contender.name(),
            "1000 in one second",
            &crowd.join,
            crowd.lost,
            Some(in_time),
        ));
        if way == Way::WebTransport {
            let p50 = single.join[0] as f64 / 1000.0;
            findings.numbers.push(Number::at_most(
                "connect to first packet of sound, p50, ms".to_owned(),
                30.0,
                Some(p50),
            ));
        }
    }
    findings.sections.push(Section {
        title: "join: from connect to first sound",
        text: "From the beginning of the handshake to the first packet of sound at the \
            listener, in milliseconds: handshake, `hello` and `listen` in one flight, and on \
            average half the 20 ms to the next packet. Decoding it takes another 0.1 ms. While \
            1,000 join within a second, 200 others listen; the last column tells how much of \
            their sound was in time."
            .to_owned(),
        header: vec![
            "way",
            "joins",
            "p50",
            "p90",
            "p99",
            "greatest",
            "lost",
            "others in time",
        ],
        rows,
        plot: None,
    });
    Ok(findings)
}

pub(crate) fn zap(plan: &Plan) -> anyhow::Result<Findings> {
    let mut findings = Findings::default();
    let mut rows = Vec::new();
    for way in WAYS {
        let contender = Contender::Skywave(way);
        eprintln!("zap: {}", contender.name());
        let server = Server::start(contender, 2, &plan.skywave)?;
        let mut swarm = server.listeners(50, RATE, false)?;
        let zapped: Heard = heard(&swarm.ask("zap 100")?)?;
        let [p50, p90, p99, most] = zapped.zap.map(|micros| micros as f64 / 1000.0);
        rows.push(vec![
            contender.name(),
            format!("{p50:.1}"),
            format!("{p90:.1}"),
            format!("{p99:.1}"),
            format!("{most:.1}"),
        ]);
        if way == Way::WebTransport {
            findings.numbers.push(Number::at_most(
                "zap without reconnect, p50, ms".to_owned(),
                25.0,
                Some(p50),
            ));
        }
    }
    findings.sections.push(Section {
        title: "zap: to another station within a session",
        text: "From sending `listen` for another station to its first packet, in milliseconds; \
            100 changes. The least possible is the wait for the station's next packet: 10 ms on \
            average, 20 ms at most."
            .to_owned(),
        header: vec!["way", "p50", "p90", "p99", "greatest"],
        rows,
        plot: None,
    });
    Ok(findings)
}

fn row(way: &str, joins: &str, micros: &[u64; 4], lost: u64, in_time: Option<f64>) -> Vec<String> {
    let mut row = vec![way.to_owned(), joins.to_owned()];
    row.extend(micros.map(|micros| format!("{:.1}", micros as f64 / 1000.0)));
    row.push(lost.to_string());
    row.push(in_time.map_or("-".to_owned(), |share| format!("{:.2} %", share * 100.0)));
    row
}
