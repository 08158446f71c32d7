//! `memory` and `churn`: what a listener takes, and gives back.

use std::time::Duration;

use super::{Findings, Plan, RATE};
use crate::contender::{Contender, Server};
use crate::report::{Number, Section};
use crate::swarm::Way;

const KIB: f64 = 1024.0;

pub(crate) fn run(plan: &Plan) -> anyhow::Result<Findings> {
    let mut findings = Findings::default();
    let mut rows = Vec::new();
    let (listeners, churned) = if plan.is_quick {
        (300, 1_000)
    } else {
        (1_000, 10_000)
    };
    for (way, most) in [(Way::WebTransport, 20.0), (Way::WebSocket, 8.0)] {
        let contender = Contender::Skywave(way);
        eprintln!("memory and churn: {}", contender.name());
        let server = Server::start(contender, 1, &plan.skywave)?;
        std::thread::sleep(Duration::from_millis(500));
        let empty = server.process.memory()? as f64;
        let mut swarm = server.listeners(listeners, RATE, false)?;
        std::thread::sleep(Duration::from_secs(1));
        let full = server.process.memory()? as f64;
        swarm.ask("leave")?;
        drop(swarm);
        std::thread::sleep(Duration::from_secs(3));
        let before = server.process.memory()? as f64;
        // A tenth of them at once, each joining as another leaves.
        let mut swarm = server.listeners(listeners / 10, RATE, false)?;
        swarm.ask(&format!("churn {churned}"))?;
        swarm.ask("leave")?;
        drop(swarm);
        std::thread::sleep(Duration::from_secs(3));
        let after = server.process.memory()? as f64;
        let each = (full - empty) / listeners as f64 / KIB;
        rows.push(vec![
            contender.name(),
            listeners.to_string(),
            format!("{:.1}", empty / KIB / KIB),
            format!("{:.1}", full / KIB / KIB),
            format!("{each:.1}"),
            format!("{:.1}", before / KIB / KIB),
            churned.to_string(),
            format!("{:.1}", after / KIB / KIB),
        ]);
        let name = contender.name();
        findings.numbers.push(Number::at_most(
            format!("{name}: memory per listener, KiB"),
            most,
            Some(each),
        ));
        findings.numbers.push(Number::at_most(
            format!("{name}: memory after {churned} joins and leaves over that before"),
            1.1,
            Some(after / before),
        ));
    }
    findings.sections.push(Section {
        title: "memory and churn: what a listener takes, and gives back",
        text: "Resident memory of the process in MiB: with the station alone, with all \
            listeners, when they have left (the allocator keeps what it thinks it will need), and \
            after so many more have joined and left. The kernel's buffers are not in it."
            .to_owned(),
        header: vec![
            "way",
            "listeners",
            "alone",
            "with all",
            "KiB each",
            "when left",
            "churned",
            "after it",
        ],
        rows,
        plot: None,
    });
    Ok(findings)
}
