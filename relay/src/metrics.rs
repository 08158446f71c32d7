//! What operators watch, in Prometheus' terms.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

mod reception;

use reception::Reception;

/// Counters and gauges of one relay. Cheap to count with from any thread.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) sessions: Family<TransportLabel, Gauge>,
    pub(crate) sessions_ended: Family<EndLabel, Counter>,
    pub(crate) requests: Family<MethodLabel, Counter>,
    pub(crate) handshake_failures: Family<TransportLabel, Counter>,
    pub(crate) datagrams_in: Counter,
    pub(crate) datagrams_out: Counter,
    pub(crate) datagrams_dropped: Counter,
    pub(crate) datagrams_rejected: Family<RejectLabel, Counter>,
    pub(crate) control_overflows: Counter,
    pub(crate) packets_unsent: Counter,
    pub(crate) receive_failures: Counter,
    pub(crate) handshakes_retried: Counter,
    pub(crate) transport_restarts: Counter,
    pub(crate) transport_threads_full: Gauge,
    pub(crate) renditions_active: Gauge,
    pub(crate) transcoders_active: Gauge,
    pub(crate) rendition_overflows: Counter,
    pub(crate) kept_bytes: Gauge,
    pub(crate) listeners_behind: Gauge,
    pub(crate) repairs: Family<RepairLabel, Counter>,
    pub(crate) source_repairs_asked: Counter,
    pub(crate) source_repairs_came: Counter,
    pub(crate) reception: Reception,
    pub(crate) dead_air: Counter,
    pub(crate) recordings_active: Gauge,
    pub(crate) recording_overflows: Counter,
    pub(crate) recording_failures: Counter,
    pub(crate) mount_overflows: Counter,
    pub(crate) players_dropped: Counter,
    pub(crate) webhooks_delivered: Counter,
    pub(crate) webhooks_dropped: Family<HookLabel, Counter>,
}

/// Which transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct TransportLabel {
    pub(crate) transport: Transport,
}

/// A session's transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
#[allow(non_camel_case_types, reason = "label values are the variants' names")]
pub(crate) enum Transport {
    webtransport,
    websocket,
    events,
    http,
}

/// What became of a packet a listener asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RepairLabel {
    pub(crate) outcome: Repair,
}

/// What became of a packet a listener asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
#[allow(non_camel_case_types, reason = "label values are the variants' names")]
pub(crate) enum Repair {
    /// It was sent once more.
    sent,
    /// It is kept no more, or never came.
    gone,
    /// The listener asked for too much.
    limited,
    /// It is of a track the listener does not take.
    foreign,
}

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct EndLabel {
    pub(crate) code: String,
}

/// A known method, or `other`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct MethodLabel {
    pub(crate) method: &'static str,
}

/// Why a datagram was dropped on its way in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RejectLabel {
    pub(crate) reason: &'static str,
}

/// Why an event was not told: `overflow` or `failed`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct HookLabel {
    pub(crate) reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StationLabel {
    station: String,
}

impl Metrics {
    /// The text Prometheus scrapes. `listeners` are the stations known now, `silent` those
    /// where dead air is listened for, `loudness` the integrated one of those that are
    /// measured, `others` what the gate counts.
    pub(crate) fn encode(
        &self,
        listeners: Vec<(String, u64)>,
        silent: Vec<(String, bool)>,
        loudness: Vec<(String, f64)>,
        others: &[crate::gate::Count],
    ) -> String {
        let mut registry = Registry::with_prefix("skywave");
        let by_station = Family::<StationLabel, Gauge>::default();
        for (station, count) in listeners {
            let gauge = by_station.get_or_create(&StationLabel { station });
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        registry.register("listeners", "Listeners of each station", by_station);
        let by_station = Family::<StationLabel, Gauge>::default();
        for (station, silent) in silent {
            let gauge = by_station.get_or_create(&StationLabel { station });
            gauge.set(silent.into());
        }
        let help = "1 while a station's source sends silence, where that is listened for";
        registry.register("silent", help, by_station);
        let by_station = Family::<StationLabel, Gauge<f64, AtomicU64>>::default();
        for (station, lufs) in loudness {
            let gauge = by_station.get_or_create(&StationLabel { station });
            gauge.set(lufs);
        }
        let help = "Integrated loudness of each station that is measured, in LUFS";
        registry.register("loudness_lufs", help, by_station);
        self.register(&mut registry);
        for other in others {
            let counter = Counter::<u64>::default();
            counter.inc_by(other.value);
            registry.register(other.name, other.help, counter);
        }
        let mut text = String::new();
        encode(&mut text, &registry).expect("a String takes whatever is written");
        text
    }

    pub(crate) fn count_repairs(&self, outcome: Repair, packets: u64) {
        let label = RepairLabel { outcome };
        self.repairs.get_or_create(&label).inc_by(packets);
    }

    fn register(&self, to: &mut Registry) {
        to.register("sessions", "Sessions open now", self.sessions.clone());
        to.register(
            "sessions_ended",
            "Sessions ended, by close code",
            self.sessions_ended.clone(),
        );
        to.register("requests", "Requests of sessions", self.requests.clone());
        to.register(
            "handshake_failures",
            "Connections that never became a session",
            self.handshake_failures.clone(),
        );
        to.register(
            "datagrams_in",
            "Audio datagrams taken from sources",
            self.datagrams_in.clone(),
        );
        to.register(
            "datagrams_out",
            "Audio datagrams queued for listeners",
            self.datagrams_out.clone(),
        );
        to.register(
            "datagrams_dropped",
            "Audio datagrams dropped for listeners that are behind",
            self.datagrams_dropped.clone(),
        );
        to.register(
            "datagrams_rejected",
            "Datagrams from sessions that were not passed on",
            self.datagrams_rejected.clone(),
        );
        to.register(
            "control_overflows",
            "Sessions whose control queue ran over",
            self.control_overflows.clone(),
        );
        to.register(
            "packets_unsent",
            "UDP packets the kernel did not take",
            self.packets_unsent.clone(),
        );
        to.register(
            "receive_failures",
            "Times a UDP socket failed to give what had arrived",
            self.receive_failures.clone(),
        );
        to.register(
            "handshakes_retried",
            "First packets of QUIC answered with a request for a valid address",
            self.handshakes_retried.clone(),
        );
        to.register(
            "transport_restarts",
            "Threads of the WebTransport engine that failed and started anew",
            self.transport_restarts.clone(),
        );
        to.register(
            "transport_threads_full",
            "Threads of the WebTransport engine without time left, which refuse new sessions",
            self.transport_threads_full.clone(),
        );
        to.register(
            "renditions_active",
            "Renditions made now",
            self.renditions_active.clone(),
        );
        to.register(
            "transcoders_active",
            "Sources decoded now, each once for all that is made of it",
            self.transcoders_active.clone(),
        );
        to.register(
            "rendition_overflows",
            "Source packets dropped before a transcoder",
            self.rendition_overflows.clone(),
        );
        to.register(
            "kept_bytes",
            "Bytes kept of what stations sent last, for repair and for rewinding",
            self.kept_bytes.clone(),
        );
        to.register(
            "listeners_behind",
            "Listeners who began further back than live",
            self.listeners_behind.clone(),
        );
        to.register(
            "repairs",
            "Packets listeners asked for once more, by what became of it",
            self.repairs.clone(),
        );
        to.register(
            "source_repairs_asked",
            "Packets sources were asked for once more, each time counted",
            self.source_repairs_asked.clone(),
        );
        to.register(
            "source_repairs_came",
            "Packets that came after their source was asked for them",
            self.source_repairs_came.clone(),
        );
        self.reception.register(to);
        to.register(
            "dead_air",
            "How often a live source sent silence",
            self.dead_air.clone(),
        );
        to.register(
            "recordings_active",
            "Stations recorded now",
            self.recordings_active.clone(),
        );
        to.register(
            "recording_overflows",
            "Packets dropped before a disk that is too slow",
            self.recording_overflows.clone(),
        );
        to.register(
            "recording_failures",
            "Attempts to write recordings that failed",
            self.recording_failures.clone(),
        );
        to.register(
            "mount_overflows",
            "Packets dropped before the pages of HTTP listeners were made",
            self.mount_overflows.clone(),
        );
        to.register(
            "players_dropped",
            "HTTP listeners dropped because they were slow",
            self.players_dropped.clone(),
        );
        to.register(
            "webhooks_delivered",
            "Events told to webhooks",
            self.webhooks_delivered.clone(),
        );
        to.register(
            "webhooks_dropped",
            "Events that webhooks were not told",
            self.webhooks_dropped.clone(),
        );
    }
}

impl TransportLabel {
    pub(crate) fn name(self) -> &'static str {
        match self.transport {
            Transport::webtransport => "webtransport",
            Transport::websocket => "websocket",
            Transport::events => "events",
            Transport::http => "http",
        }
    }

    pub(crate) const WEBTRANSPORT: Self = Self {
        transport: Transport::webtransport,
    };
    pub(crate) const EVENTS: Self = Self {
        transport: Transport::events,
    };
    pub(crate) const HTTP: Self = Self {
        transport: Transport::http,
    };
    pub(crate) const WEBSOCKET: Self = Self {
        transport: Transport::websocket,
    };
}
