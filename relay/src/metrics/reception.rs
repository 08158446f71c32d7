//! What listeners report, by station.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use wire::StationId;
use wire::message::ReceptionReport;

use super::{Transport, TransportLabel};

/// Stations with histograms of their own; the listeners of all others share one set.
const STATIONS_MAX: usize = 64;

/// Around the delays worth telling apart: 45 ms and less on a clean path, 500 ms is broken.
const DELAY_S: [f64; 14] = [
    0.01, 0.02, 0.03, 0.045, 0.06, 0.08, 0.11, 0.14, 0.18, 0.24, 0.35, 0.5, 1.0, 2.0,
];

const LOSS: [f64; 10] = [0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0];

const CONCEALED: [f64; 9] = [0.0, 0.0001, 0.0005, 0.001, 0.003, 0.01, 0.05, 0.2, 1.0];

type ByStation = Family<ReceptionLabel, Histogram, fn() -> Histogram>;

/// Histograms of reports, an observation of each per report.
#[derive(Debug)]
pub(crate) struct Reception {
    delay: ByStation,
    delay_p95: ByStation,
    loss: ByStation,
    concealed: ByStation,
    named: Mutex<BTreeSet<StationId>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReceptionLabel {
    station: String,
    transport: Transport,
}

impl Default for Reception {
    fn default() -> Self {
        Self {
            delay: Family::new_with_constructor(|| Histogram::new(DELAY_S)),
            delay_p95: Family::new_with_constructor(|| Histogram::new(DELAY_S)),
            loss: Family::new_with_constructor(|| Histogram::new(LOSS)),
            concealed: Family::new_with_constructor(|| Histogram::new(CONCEALED)),
            named: Mutex::default(),
        }
    }
}

impl Reception {
    /// Counts a report that was validated.
    pub(crate) fn observe(
        &self,
        station: &StationId,
        transport: TransportLabel,
        report: &ReceptionReport,
    ) {
        let label = ReceptionLabel {
            station: self.label(station),
            transport: transport.transport,
        };
        let observe = |family: &ByStation, value: Option<f64>| {
            if let Some(value) = value {
                family.get_or_create(&label).observe(value);
            }
        };
        let delay = report.delay_ms;
        observe(&self.delay, delay.map(|delay| delay.p50 / 1000.0));
        observe(&self.delay_p95, delay.map(|delay| delay.p95 / 1000.0));
        observe(&self.loss, report.loss());
        observe(&self.concealed, report.concealed());
    }

    pub(super) fn register(&self, to: &mut Registry) {
        let families = [
            (
                "listener_delay_seconds",
                "Median delay from source to ear, by listeners' reports",
                &self.delay,
            ),
            (
                "listener_delay_p95_seconds",
                "95th percentile of the delay from source to ear, by listeners' reports",
                &self.delay_p95,
            ),
            (
                "listener_loss_ratio",
                "Packets that did not come in time, by listeners' reports",
                &self.loss,
            ),
            (
                "listener_concealed_ratio",
                "Sound that was made up, by listeners' reports",
                &self.concealed,
            ),
        ];
        for (name, help, family) in families {
            to.register(name, help, family.clone());
        }
    }

    /// The station's name while there are few, for the names are the sources' choice.
    fn label(&self, station: &StationId) -> String {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if !named.contains(station) {
            if named.len() == STATIONS_MAX {
                return "(other)".to_owned();
            }
            named.insert(station.clone());
        }
        station.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stations_beyond_the_bound_share_one_name() {
        let reception = Reception::default();
        let label = |number: usize| {
            let station: StationId = format!("s{number}").parse().expect("a good name");
            reception.label(&station)
        };
        assert_eq!(label(0), "s0");
        let labels: BTreeSet<_> = (0..1000).map(label).collect();
        assert_eq!(labels.len(), STATIONS_MAX + 1);
        assert_eq!(label(0), "s0");
        assert_eq!(label(999), "(other)");
    }
}
