//! The document: what was measured and how.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use skywave_media::testing::lab::Scenario;

use crate::plot::svg;
use crate::setups::Row;

/// What is to be reached: network, delay p50 and p95 in ms, concealed in per cent.
const AIMS: [(&str, f64, f64, f64); 6] = [
    ("clean", 45.0, 55.0, 0.0),
    ("5 % random", 110.0, 140.0, 0.02),
    ("10 % random", 130.0, 170.0, 0.1),
    ("10 % loss in bursts", 180.0, 240.0, 0.3),
    ("home Wi-Fi", 120.0, 180.0, 0.05),
    ("LTE", 200.0, f64::INFINITY, 0.0),
];

/// All rows by network and seed, in the order they were played.
#[derive(Debug, Default)]
pub(crate) struct Results {
    rows: Vec<(Scenario, Vec<Row>)>,
}

impl Results {
    pub(crate) fn add(&mut self, scenario: &Scenario, row: Row) {
        match self.rows.iter_mut().find(|(known, _)| known == scenario) {
            Some((_, rows)) => rows.push(row),
            None => self.rows.push((*scenario, vec![row])),
        }
    }

    /// Every network from every seed.
    pub(crate) fn scenarios(&self) -> impl Iterator<Item = &Scenario> {
        self.rows.iter().map(|(scenario, _)| scenario)
    }

    /// Each network with its rows, from the first seed.
    pub(crate) fn networks(&self) -> impl Iterator<Item = (&Scenario, &[Row])> {
        let first = self.rows.iter().filter(|(scenario, _)| scenario.seed == 1);
        first.map(|(scenario, rows)| (scenario, rows.as_slice()))
    }

    /// Median and worst of all seeds, of the rows that were played from several.
    pub(crate) fn seeds(&self) -> String {
        let mut text = String::from(
            "| network | receiver | delay p50 | p95 | concealed | outside outages | bytes | aim |\n\
             |---|---|--:|--:|--:|--:|--:|---|\n",
        );
        for (scenario, rows) in self.networks() {
            for row in rows {
                self.seeds_of(scenario, row.name, &mut text);
            }
        }
        text
    }

    fn seeds_of(&self, scenario: &Scenario, name: &str, text: &mut String) {
        let same = self.rows.iter().filter(|(s, _)| s.name == scenario.name);
        let rows: Vec<&Row> = same
            .flat_map(|(_, rows)| rows)
            .filter(|row| row.name == name)
            .collect();
        if rows.len() < 2 {
            return;
        }
        let spread = |value: fn(&Row) -> f64| {
            let mut values: Vec<f64> = rows.iter().map(|row| value(row)).collect();
            values.sort_by(f64::total_cmp);
            (values[values.len() / 2], values[values.len() - 1])
        };
        let ms = |(median, worst): (f64, f64)| format!("{median:.0}, {worst:.0} ms");
        let share =
            |(median, worst): (f64, f64)| format!("{:.3}, {:.3} %", median * 100.0, worst * 100.0);
        let (p50, p95) = (
            spread(|row| row.outcome.delay_p50_ms),
            spread(|row| row.outcome.delay_p95_ms),
        );
        let concealed = spread(|row| row.outcome.concealed);
        let outside = spread(|row| row.outcome.concealed_outside);
        let bytes = spread(|row| row.outcome.bytes);
        let aim = AIMS.iter().find(|aim| scenario.name.starts_with(aim.0));
        let aim = match aim.filter(|_| name == "live") {
            Some(&(network, p50_ms, p95_ms, percent)) => {
                let counts = if network == "LTE" {
                    outside.1
                } else {
                    concealed.1
                };
                let reached = p50.1 <= p50_ms && p95.1 <= p95_ms && counts * 100.0 <= percent;
                if reached { "reached" } else { "missed" }
            }
            None => "",
        };
        writeln!(
            text,
            "| {} | {name} | {} | {} | {} | {} | {:.2}, {:.2} | {aim} |",
            scenario.name,
            ms(p50),
            ms(p95),
            share(concealed),
            share(outside),
            bytes.0,
            bytes.1,
        )
        .expect("a string takes it");
    }
}

/// Writes the document and its plots.
pub(crate) fn write(
    results: &Results,
    time: Duration,
    seeds: u64,
    folder: &Path,
) -> std::io::Result<()> {
    let mut text = introduction(time, seeds);
    text.push_str(&results.seeds());
    text.push_str(MEANING);
    for (scenario, rows) in results.networks() {
        text.push_str(&table(scenario, rows));
        let plot = format!("receiver-quality/{}.svg", slug(scenario.name));
        let path = folder.join(&plot);
        std::fs::create_dir_all(path.parent().expect("it has a folder"))?;
        std::fs::write(&path, svg(scenario, rows))?;
        writeln!(text, "![delay against concealment]({plot})\n").expect("a string takes it");
    }
    std::fs::write(folder.join("receiver-quality.md"), text)
}

fn slug(name: &str) -> String {
    let plain = name
        .to_lowercase()
        .replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    plain
        .split('-')
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join("-")
}

fn introduction(time: Duration, seeds: u64) -> String {
    format!(
        "# How good the receiver is\n\n\
         Made by `make lab`; do not edit. Music in stereo at 128 kb/s in packets of 20 ms goes from a\n\
         source over a relay and a network, simulated in virtual time, to the receiver that browsers\n\
         and the native client run. {} s each, the first ten not counted.\n\n\
         - *Delay* is from capture to the sample leaving the receiver: packet, codec, network and play-out.\n\
         - *Concealed* is the share of time made up or silent; *outside outages*, what of it was sent\n  \
         while the network worked (an outage is three packets or more lost in a row in a trace, and what\n  \
         follows until the delay is back).\n\
         - *Bytes* is what the relay sends, as a multiple of the stream without repair.\n\
         - *Stretched* is the share of time left out or repeated, also what is repeated where sound would\n  \
         run out before a late packet; it is not concealed, as all of it is the stream's own sound.\n\n\
         ## Over seeds 1 to {seeds}\n\n\
         Each cell is the median and the worst of all seeds; the aim is judged by the worst.\n\n",
        time.as_secs()
    )
}

const MEANING: &str = "
## How to read the tables

The networks are models and generated traces, not recordings. Requests go back over a network as
bad as the one there; a handover cuts both ways at once. `fixed` is the same core with a constant
delay: it neither adapts nor asks for packets nor takes copies, as a plain jitter buffer. The rows
that leave out one mechanism show what it is worth. The tables are from seed 1.

`NetEq` is the crate `neteq` 0.9.1, a port of WebRTC's, with its defaults and a clock of its own
that runs in virtual time (`benches/neteq`). It decodes to mono, as its time-stretching knows one
channel only. It neither asks for packets nor takes copies: alone it hears the network as it is, and
*NetEq, our repair* is given every packet and copy that `live` got by its own requests, in the same
moment. The port goes on with the next packet where one is missing, without concealing it; what
counts as concealed is what it made up or what it never decoded, whichever is more.

Nobody in the tables has both less delay than `live` and less concealed. Where packets are lost, NetEq
alone and buffers of 60 or 100 ms have less delay on some networks, as they wait for no answer: they
conceal whatever was lost. With our repair NetEq waits less on the LTE trace and conceals more; on the
satellite trace it conceals less and waits longer, while `live` does not wait beyond 140 ms for what a
round trip of half a second could bring (`safe` does).

";

/// Nothing where it was not measured.
fn percent(share: f64, digits: usize) -> String {
    if share.is_nan() {
        return String::new();
    }
    format!("{:.digits$} %", share * 100.0)
}

pub(crate) fn table(scenario: &Scenario, rows: &[Row]) -> String {
    let mut text = format!(
        "## {}\n\n\
         | receiver | delay p50 | p95 | concealed | outside outages | lost | bytes | stretched |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|\n",
        scenario.name
    );
    for Row { name, outcome, .. } in rows {
        writeln!(
            text,
            "| {name} | {:.0} ms | {:.0} ms | {:.3} % | {} | {:.2} % | {:.2} | {} |",
            outcome.delay_p50_ms,
            outcome.delay_p95_ms,
            outcome.concealed * 100.0,
            percent(outcome.concealed_outside, 3),
            outcome.lost * 100.0,
            outcome.bytes,
            percent(outcome.stretched, 2),
        )
        .expect("a string takes it");
    }
    text.push('\n');
    text
}
