//! CPU per delivered frame against the number of listeners, beside the floor and peers.

use super::{Findings, Plan, Turn, turn};
use crate::contender::{Contender, icecast_program, moq};
use crate::report::{Number, Plot, Section};
use crate::stats::Spread;
use crate::swarm::Way;

/// One contender at one number of listeners.
struct Cell {
    contender: Contender,
    listeners: usize,
    turns: Vec<Turn>,
    /// The floor's of the same rounds.
    floor: Vec<Turn>,
}

const WEBTRANSPORT: Contender = Contender::Skywave(Way::WebTransport);
const QUINN: Contender = Contender::Skywave(Way::Quinn);
const WEBSOCKET: Contender = Contender::Skywave(Way::WebSocket);
const HTTP: Contender = Contender::Skywave(Way::Http);
const MOQ_DATAGRAMS: Contender = Contender::Moq { streams: false };
const MOQ_STREAMS: Contender = Contender::Moq { streams: true };
const MOQ_LISTENERS: usize = 200;
const ENGINE: Contender = Contender::Engine { ack_every: 0 };

pub(crate) fn run(plan: &Plan) -> anyhow::Result<Findings> {
    let sizes: &[usize] = match &plan.listeners[..] {
        [] if plan.is_quick => &[200, 1000],
        [] => &[10, 100, 200, 500, 1000, 2000, 2500],
        given => given,
    };
    let mut cells = Vec::new();
    let mut missing = Vec::new();
    for &listeners in sizes {
        let mut contenders = vec![Contender::Floor, WEBTRANSPORT];
        if plan.is_quick {
            contenders.extend([WEBSOCKET]);
        } else {
            contenders.extend([ENGINE, WEBSOCKET]);
        }
        if !plan.is_quick && [200, 1000, 2000].contains(&listeners) {
            contenders.push(HTTP);
            if icecast_program().is_some() {
                contenders.push(Contender::Icecast);
            }
        }
        if !plan.is_quick && listeners == 1000 {
            contenders.extend([
                QUINN,
                Contender::Engine { ack_every: 10 },
                Contender::EngineOnTwo,
            ]);
        }
        if !plan.is_quick && [200, 500, 1000].contains(&listeners) {
            contenders.push(Contender::Wtransport);
        }
        // Of more than these its own clients fill the load's processor.
        if !plan.is_quick && listeners == MOQ_LISTENERS && moq::programs().is_some() {
            contenders.extend([MOQ_DATAGRAMS, MOQ_STREAMS]);
        }
        // The sizes the numbers are about get all rounds.
        let rounds = match listeners {
            200 | 1000.. => plan.rounds,
            _ => 1,
        };
        measure(
            plan,
            listeners,
            &contenders,
            rounds,
            &mut cells,
            &mut missing,
        );
    }
    let mut findings = Findings::default();
    findings.sections.push(section(&cells, &missing));
    findings.numbers = numbers(&cells);
    Ok(findings)
}

fn measure(
    plan: &Plan,
    listeners: usize,
    contenders: &[Contender],
    rounds: usize,
    cells: &mut Vec<Cell>,
    missing: &mut Vec<String>,
) {
    let mut these: Vec<_> = contenders
        .iter()
        .map(|&contender| Cell {
            contender,
            listeners,
            turns: Vec::new(),
            floor: Vec::new(),
        })
        .collect();
    for round in 0..rounds {
        let mut floor = None;
        for cell in &mut these {
            // What has failed once is not tried again.
            if cell.turns.len() < round {
                continue;
            }
            eprintln!(
                "fanout: {listeners} listeners, round {round}, {}",
                cell.contender.name()
            );
            match turn(plan, cell.contender, 1, listeners) {
                Ok(turn) => {
                    let floor = *floor.get_or_insert(turn);
                    cell.turns.push(turn);
                    cell.floor.push(floor);
                }
                // A contender that fails is a finding as well.
                Err(error) => {
                    let name = cell.contender.name();
                    missing.push(format!("{name} with {listeners} listeners: {error:#}"));
                    eprintln!("not measured: {error:#}");
                }
            }
        }
    }
    cells.extend(these.into_iter().filter(|cell| !cell.turns.is_empty()));
}

impl Cell {
    fn of(&self, value: impl Fn(&Turn) -> f64) -> Spread {
        Spread::of(&self.turns.iter().map(value).collect::<Vec<_>>())
    }

    fn micros(&self) -> Spread {
        self.of(|turn| turn.micros_per_frame)
    }

    /// Within each round, between neighbours in time.
    fn of_floor(&self) -> Spread {
        let turns = self.turns.iter().zip(&self.floor);
        let ratios: Vec<_> = turns
            .map(|(turn, floor)| turn.micros_per_frame / floor.micros_per_frame)
            .collect();
        Spread::of(&ratios)
    }
}

fn section(cells: &[Cell], missing: &[String]) -> Section {
    let rows = cells.iter().map(|cell| {
        let unless_floor = |text: String| match cell.contender {
            Contender::Floor => "-".to_owned(),
            _ => text,
        };
        vec![
            cell.listeners.to_string(),
            cell.contender.name(),
            cell.micros().to_string(),
            cell.of_floor().to_string(),
            unless_floor(format!(
                "{:.2} %",
                cell.of(|turn| turn.delivered).median * 100.0
            )),
            unless_floor(format!(
                "{:.2} %",
                cell.of(|turn| turn.in_time).median * 100.0
            )),
            unless_floor(format!(
                "{:.1}",
                cell.of(|turn| turn.bytes_per_session).median / 1024.0
            )),
        ]
    });
    let mut plot = Plot {
        file: "benchmarks-fanout.svg",
        title: "CPU per delivered frame, µs, against listeners",
        lines: Vec::new(),
    };
    for cell in cells {
        let (name, point) = (
            cell.contender.name(),
            (cell.listeners as f64, cell.micros().median),
        );
        match plot.lines.iter_mut().find(|(other, _)| *other == name) {
            Some((_, points)) => points.push(point),
            None => plot.lines.push((name, vec![point])),
        }
    }
    let mut text = "One station, 50 packets a second, about 250 bytes each. CPU per delivered \
        frame is the server's, divided by the frames that arrived. In time means within 60 ms of \
        the making. At the least numbers of listeners a frame bears what the station itself \
        costs. The floor seals and sends the same packets, and receives and opens one \
        acknowledgement for two of them: nothing else. WebTransport listeners open their session \
        with quinn and go on without it: they open each packet and acknowledge after ten, or \
        110 ms after the first, as the relay asks, but leave most of their processor free; quinn's own are in a row beside them. The engine alone is shown with an \
        acknowledgement for two packets as well. moq-relay's listeners are clients of its own \
        crates, one session and one subscription each. HTTP and WebSocket are not encrypted here."
        .to_owned();
    for missed in missing {
        text += &format!("\n\nNot measured: {missed}.");
    }
    Section {
        title: "fanout: what a listener costs",
        text,
        header: vec![
            "listeners",
            "contender",
            "µs per frame",
            "times the floor",
            "delivered",
            "in time",
            "KiB per listener",
        ],
        rows: rows.collect(),
        plot: Some(plot),
    }
}

fn numbers(cells: &[Cell]) -> Vec<Number> {
    let find = |contender, listeners| {
        cells
            .iter()
            .find(|cell| cell.contender == contender && cell.listeners == listeners)
    };
    let micros = |contender, listeners| Some(find(contender, listeners)?.micros().median);
    let mut numbers = Vec::new();
    for listeners in [1000, 2000] {
        let of_floor = |contender| Some(find(contender, listeners)?.of_floor().median);
        numbers.push(Number::at_most(
            format!("CPU per frame, WebTransport, {listeners} listeners, times the floor"),
            1.5,
            of_floor(WEBTRANSPORT),
        ));
        numbers.push(Number::at_most(
            format!("engine alone, an ACK for 2 packets, {listeners} listeners, times the floor"),
            1.5,
            of_floor(ENGINE),
        ));
    }
    let ratio =
        |contender, to, listeners| Some(micros(contender, listeners)? / micros(to, listeners)?);
    for listeners in [1000, 2000] {
        numbers.push(Number::at_most(
            format!("WebTransport over Icecast's pages of 20 ms, {listeners} listeners"),
            0.95,
            ratio(WEBTRANSPORT, Contender::Icecast, listeners),
        ));
    }
    for (moq, times) in [(MOQ_DATAGRAMS, 6.0), (MOQ_STREAMS, 11.0)] {
        let theirs = micros(moq, MOQ_LISTENERS);
        for listeners in [1000, 2000] {
            let ours = micros(WEBTRANSPORT, listeners);
            numbers.push(Number::at_least(
                format!(
                    "{} with {MOQ_LISTENERS} listeners over WebTransport with {listeners}",
                    moq.name()
                ),
                times,
                theirs.zip(ours).map(|(theirs, ours)| theirs / ours),
            ));
        }
    }
    let flat: Vec<_> = cells
        .iter()
        .filter(|cell| cell.contender == WEBTRANSPORT && cell.listeners >= 200)
        .map(|cell| cell.micros().median)
        .collect();
    let most = flat.iter().copied().fold(f64::MIN, f64::max);
    let least = flat.iter().copied().fold(f64::MAX, f64::min);
    numbers.push(Number::at_most(
        "WebTransport, from 200 listeners on: the greatest cost over the least".to_owned(),
        1.2,
        (flat.len() > 2).then_some(most / least),
    ));
    numbers.push(Number::at_least(
        "WebTransport, 2500 listeners on one processor: delivered in time, %".to_owned(),
        99.9,
        find(WEBTRANSPORT, 2500).map(|cell| cell.of(|turn| turn.in_time).median * 100.0),
    ));
    numbers.push(Number::at_most(
        "engine alone, CPU per frame on two processors over one, 1000 listeners".to_owned(),
        1.15,
        ratio(Contender::EngineOnTwo, ENGINE, 1000),
    ));
    numbers.push(Number::at_most(
        "WebSocket, µs per frame, 1000 listeners".to_owned(),
        7.0,
        micros(WEBSOCKET, 1000),
    ));
    numbers
}
