//! Receivers that another program played the same packets to.
//!
//! A line has, with tabs between: network, seed, name, delay p50 and p95 in ms, concealed as a
//! share, bytes as a multiple of the stream's own, packets lost as a share.

use std::io;

use skywave_media::testing::lab::Outcome;

use crate::report::Results;
use crate::setups::{Kind, Row};

impl Results {
    /// Adds rows to the networks that are there; a line of another network or seed is passed
    /// over.
    pub(crate) fn add_beside(&mut self, text: &str) -> io::Result<()> {
        for line in text.lines() {
            let bad = || io::Error::other(format!("not a row of eight cells: {line}"));
            let cells: Vec<&str> = line.split('\t').collect();
            let [network, seed, name, numbers @ ..] = cells.as_slice() else {
                return Err(bad());
            };
            let numbers: Vec<f64> = numbers
                .iter()
                .filter_map(|cell| cell.parse().ok())
                .collect();
            let [p50, p95, concealed, bytes, lost] = numbers[..] else {
                return Err(bad());
            };
            let same = |known: &&skywave_media::testing::lab::Scenario| {
                known.name == *network && known.seed.to_string() == *seed
            };
            let Some(scenario) = self.scenarios().find(same).copied() else {
                continue;
            };
            let outcome = Outcome {
                delay_p50_ms: p50,
                delay_p95_ms: p95,
                concealed,
                concealed_ms: f64::NAN,
                concealed_outside: f64::NAN,
                bytes,
                lost,
                stretched: f64::NAN,
                skipped_ms: f64::NAN,
            };
            let row = Row {
                name: name.to_string().leak(),
                kind: Kind::Baseline,
                outcome,
            };
            self.add(&scenario, row);
        }
        Ok(())
    }
}
