//! What an operator may set about the relay.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use axum::http;
use serde::{Deserialize, Serialize};
use wire::StationId;

/// The largest [`Config::burst`] there is.
pub const BURST_MAX: Duration = Duration::from_secs(30);

/// Everything the relay needs to know to start. The default serves on every
/// address of the machine with a certificate of its own.
#[derive(Debug, Clone)]
pub struct Config {
    /// TCP address of site, API and WebSocket. Default `[::]:8080`, IPv4 included.
    pub http: SocketAddr,
    /// UDP address of WebTransport; none switches it off. Default `[::]:4433`, IPv4 included.
    pub quic: Option<SocketAddr>,
    /// Folder for what the relay keeps: its own certificate. Default `data`.
    pub data_dir: PathBuf,
    /// Where the certificate comes from.
    pub certificate: Certificate,
    /// Stations that exist before anyone publishes, and while nobody does.
    pub stations: Vec<Station>,
    /// How far back listeners may begin.
    pub rewind: Rewind,
    /// What is recorded, and for how long it is kept.
    pub recording: Recording,
    /// Who is told what happens to stations.
    pub webhooks: Vec<Webhook>,
    /// How much the relay takes on.
    pub limits: Limits,
    /// How long it waits for what.
    pub timing: Timing,
    /// Sources that speak Icecast.
    pub icecast: Icecast,
    /// Sound an HTTP listener is sent at once, for its buffer; none gives the least delay.
    /// Up to 30 s. Default 1 s.
    pub burst: Duration,
}

impl Default for Config {
    fn default() -> Self {
        let any = |port| SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        Self {
            http: any(8080),
            quic: Some(any(4433)),
            data_dir: "data".into(),
            certificate: Certificate::default(),
            stations: Vec::new(),
            rewind: Rewind::default(),
            recording: Recording::default(),
            webhooks: Vec::new(),
            limits: Limits::default(),
            timing: Timing::default(),
            icecast: Icecast::default(),
            burst: Duration::from_secs(1),
        }
    }
}

/// Sources that speak Icecast.
#[derive(Debug, Clone)]
pub struct Icecast {
    /// A second TCP address for the same HTTP, without TLS, and for SHOUTcast v1. Default none.
    pub addr: Option<SocketAddr>,
    /// The station of SHOUTcast sources that name none. Default none: they are refused.
    pub shoutcast_station: Option<StationId>,
    /// Sources by HTTP at once, each with a thread of its own. Default 64.
    pub sources_max: usize,
    /// How long such a source may send nothing that is sound. Default 10 s.
    pub silence: Duration,
}

impl Default for Icecast {
    fn default() -> Self {
        Self {
            addr: None,
            shoutcast_station: None,
            sources_max: 64,
            silence: Duration::from_secs(10),
        }
    }
}

/// Where the TLS certificate comes from.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Certificate {
    /// PEM files, read again when they change; TCP then speaks TLS too. Without
    /// them the relay mints its own for QUIC and TCP stays plain.
    pub files: Option<CertificateFiles>,
    /// Names and addresses a minted certificate holds besides `localhost`,
    /// `127.0.0.1` and `::1`. Browsers check its hash instead.
    pub names: Vec<String>,
}

/// A certificate chain and its private key in PEM.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateFiles {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// The private key: PKCS#8, SEC1 or PKCS#1.
    pub key: PathBuf,
}

/// A station that is there whether or not anyone publishes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Station {
    /// Its id.
    pub id: StationId,
    /// Its name for people; the id when left out.
    #[serde(default)]
    pub name: Option<String>,
    /// A sentence about it.
    #[serde(default)]
    pub description: String,
    /// How many minutes back its listeners may begin, in place of [`Rewind::minutes`].
    #[serde(default)]
    pub rewind_minutes: Option<u32>,
    /// Whether silence of its live source is noticed. It takes decoding: 0.1 % of a core.
    #[serde(default)]
    pub dead_air: Option<DeadAir>,
    /// Whether its loudness is measured and levelled. Default no.
    #[serde(default)]
    pub loudness: Option<Loudness>,
}

/// How loud a station is, by EBU R128. The rendition `source` is never touched.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Loudness {
    /// Whether it is measured all the time it is on air, which decodes it: about 0.9 % of a
    /// core. With a target it is measured anyway while a rendition is made. Default yes.
    pub measure: bool,
    /// Loudness the made renditions are brought to, -36 to -6 LUFS. Default none: they are
    /// as loud as the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_lufs: Option<f64>,
    /// True peak they stay below before they are encoded, -12 to 0 dBTP. Default -1.
    pub true_peak_dbtp: f64,
}

impl Default for Loudness {
    fn default() -> Self {
        Self {
            measure: true,
            target_lufs: None,
            true_peak_dbtp: -1.0,
        }
    }
}

impl Loudness {
    /// What renditions are brought to.
    #[must_use]
    pub fn target(&self) -> Option<media::loudness::Target> {
        Some(media::loudness::Target {
            lufs: self.target_lufs?,
            true_peak_dbtp: self.true_peak_dbtp,
        })
    }
}

/// What silence of a live source is, and what is done about it.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeadAir {
    /// The level below which sound is silence, in dB relative to full scale.
    pub below_dbfs: f64,
    /// How long it lasts before it is told.
    pub after: Duration,
    /// Whether the station's stand-in plays until there is sound again.
    pub fallback: bool,
}

/// How far back listeners may begin.
///
/// What a station sent last is kept in memory, as it was sent: each of its renditions that is
/// made has a ring of its own. A minute of 128 kb/s takes about 1.3 MB, of 24 kb/s 0.6 MB.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rewind {
    /// Minutes kept; 0, the default, keeps none.
    pub minutes: u32,
    /// Bytes one rendition of one station may keep, the bookkeeping included; beyond them the
    /// oldest goes. Default 32 MiB.
    pub bytes: u64,
}

impl Default for Rewind {
    fn default() -> Self {
        Self {
            minutes: 0,
            bytes: 32 * 1024 * 1024,
        }
    }
}

impl Config {
    /// How long that station's sound is kept.
    pub(crate) fn rewind_of(&self, station: &StationId) -> Duration {
        let own = self.stations.iter().find(|other| other.id == *station);
        let minutes = own.and_then(|station| station.rewind_minutes);
        Duration::from_secs(60 * u64::from(minutes.unwrap_or(self.rewind.minutes)))
    }
}

/// What is recorded, and for how long it is kept.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recording {
    /// Folder with one folder per station. Default: `recordings` in the data folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// Stations recorded whenever they are on air; `*` is every one. Default none.
    pub stations: Vec<String>,
    /// When a new file begins. Default `hour`.
    pub cut: Cut,
    /// Days after which a file is removed; 0, the default, keeps it.
    pub keep_days: u32,
    /// Bytes all files may have together before the oldest are removed; 0, the
    /// default, sets no bound. Files being written count and stay.
    pub keep_bytes: u64,
}

/// When a recording begins a new file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cut {
    /// With every hour of UTC, and whenever the station goes on air.
    #[default]
    Hour,
    /// Whenever the station goes on air.
    Show,
}

/// A server that is told what happens to stations.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Where requests go: `http:` or `https:`.
    pub url: http::Uri,
    /// What requests are signed with.
    pub secret: Secret,
    /// What it is told; nothing here means everything.
    pub events: Vec<WebhookEvent>,
}

impl Webhook {
    pub(crate) fn wants(&self, event: WebhookEvent) -> bool {
        self.events.is_empty() || self.events.contains(&event)
    }
}

/// Something that is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookEvent {
    /// A station went on air.
    StationStarted,
    /// A station went off air.
    StationStopped,
    /// A source connected.
    SourceConnected,
    /// A source ended, vanished, or lost its right.
    SourceLost,
    /// Something else plays.
    Metadata,
    /// More listen at once than ever since the station went on air.
    ListenersPeak,
    /// A recording cannot be written.
    RecordingFailed,
    /// A live source sends silence.
    DeadAir,
    /// It sends sound again.
    DeadAirEnded,
    /// No source is there: what plays in its place begins.
    FallbackStarted,
    /// A source is there again, or there is nothing more to play.
    FallbackEnded,
    /// A file of a playlist is missing or broken and is left out.
    PlaylistSkipped,
}

/// A text that does not show when it is printed.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

/// How much the relay takes on before it answers `overloaded`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Sessions at once. Default 10,000: about 1 GB with WebTransport.
    pub sessions: usize,
    /// TCP connections at once, WebSocket sessions among them. Default 12,000.
    pub connections: usize,
    /// QUIC handshakes at once on each processor; above half of it addresses are
    /// validated by a retry first, and one address has a quarter of it. Default 512.
    pub handshakes: usize,
    /// Stations known at once. Default 1,000.
    pub stations: usize,
    /// Renditions made at once: each is an encoding, about 0.3 % of a core for stereo, on
    /// its station's thread, which decodes once for all. Default 64.
    pub renditions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 10_000,
            connections: 12_000,
            handshakes: 512,
            stations: 1_000,
            renditions: 64,
        }
    }
}

/// How long the relay waits for what.
#[derive(Debug, Clone)]
pub struct Timing {
    /// From the session's start to its `hello`. Default 10 s.
    pub hello: Duration,
    /// The longest silence a client is asked to keep; three of it end the session. Default 10 s.
    pub ping_interval: Duration,
    /// How long a station stays `interrupted` before it is stopped. Default 10 s.
    pub interruption: Duration,
    /// How long a rendition nobody takes is still made. Default 5 s.
    pub rendition_grace: Duration,
    /// How long a station that was not configured is remembered off air. Default 10 min.
    pub station_memory: Duration,
    /// How long a transport may take to pass on one write before the session
    /// counts as stuck. Default 10 s.
    pub write: Duration,
    /// The longest a shutdown takes after the sessions were told. Default 5 s.
    pub drain: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            hello: Duration::from_secs(10),
            ping_interval: Duration::from_secs(10),
            interruption: Duration::from_secs(10),
            rendition_grace: Duration::from_secs(5),
            station_memory: Duration::from_secs(600),
            write: Duration::from_secs(10),
            drain: Duration::from_secs(5),
        }
    }
}
