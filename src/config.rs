//! Settings: defaults, then `skywave.toml`, then `SKYWAVE_...`, then flags.
//!
//! Unknown keys are errors that name the key. Secrets never show: neither in logs
//! nor in `check-config`.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use wire::StationId;

use crate::cli::{CheckArgs, ServeArgs};
use crate::exit::BadArguments;
use crate::{gate, logging};

mod fallback;
mod listen;
mod merge;
mod push;
mod secret;
mod talk;
mod webhook;

pub(crate) use fallback::{DeadAir, Fallback, Then};
pub(crate) use listen::{Http, Listen, Quic};
pub(crate) use push::Push;
pub(crate) use secret::Secret;
pub(crate) use talk::{DatabaseUrl, Rates, Retention};
pub(crate) use webhook::Webhook;

/// The file read when none is named.
const DEFAULT_FILE: &str = "skywave.toml";

/// Everything an operator may set.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// Folder for what the server keeps.
    pub(crate) data_dir: PathBuf,
    /// Where rooms and messages are kept; `skywave.db` in that folder when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) database_url: Option<DatabaseUrl>,
    /// Whether the demo station is on air.
    pub(crate) demo: bool,
    pub(crate) http: Http,
    pub(crate) quic: Quic,
    pub(crate) tls: Tls,
    pub(crate) auth: Auth,
    pub(crate) rewind: relay::config::Rewind,
    pub(crate) recording: relay::config::Recording,
    pub(crate) icecast: Icecast,
    pub(crate) limits: Limits,
    pub(crate) rates: Rates,
    pub(crate) retention: Retention,
    pub(crate) push: Push,
    pub(crate) log: Log,
    /// Who is told what happens to stations.
    pub(crate) webhooks: Vec<Webhook>,
    /// Stations that exist before anyone publishes.
    pub(crate) stations: Vec<Station>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_dir: "data".into(),
            database_url: None,
            demo: false,
            http: Http::default(),
            quic: Quic::default(),
            tls: Tls::default(),
            auth: Auth::default(),
            rewind: relay::config::Rewind::default(),
            recording: relay::config::Recording::default(),
            icecast: Icecast::default(),
            limits: Limits::default(),
            rates: Rates::default(),
            retention: Retention::default(),
            push: Push::default(),
            log: Log::default(),
            webhooks: Vec::new(),
            stations: Vec::new(),
        }
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Tls {
    /// Certificate chain in PEM; without it the relay makes its own for QUIC and TCP stays plain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) certificate: Option<PathBuf>,
    /// Its private key in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<PathBuf>,
    /// Public names a certificate of the relay's own holds.
    pub(crate) names: Vec<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Auth {
    /// Shared secret for HS256, at least 32 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<Secret>,
    /// A file that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) secret_file: Option<PathBuf>,
    /// Public key in PEM: RSA, P-256 or Ed25519.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) public_key_file: Option<PathBuf>,
    /// A JWKS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) jwks_file: Option<PathBuf>,
    /// The `iss` tokens must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) issuer: Option<String>,
    /// The `aud` tokens must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) audience: Option<String>,
    /// A list of tokens and users that are not to be trusted any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) revoked_file: Option<PathBuf>,
    /// Whether anybody gets a guest's token; a demo gives them, too.
    pub(crate) guests: bool,
}

/// Encoders that speak Icecast; `relay::config::Icecast` tells more.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Icecast {
    /// A second TCP address, without TLS, for them and for SHOUTcast; or `off`.
    pub(crate) addr: Listen,
    /// The password of encoders of stations without one of their own, or its Argon2 hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source_password: Option<Secret>,
    /// The station of SHOUTcast encoders that name none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shoutcast_station: Option<StationId>,
}

impl Default for Icecast {
    fn default() -> Self {
        Self {
            addr: Listen::Off,
            source_password: None,
            shoutcast_station: None,
        }
    }
}

/// The relay's limits; `relay::config::Limits` tells what each costs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Limits {
    pub(crate) sessions: usize,
    pub(crate) connections: usize,
    pub(crate) handshakes: usize,
    pub(crate) stations: usize,
    pub(crate) renditions: usize,
    pub(crate) sources: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let limits = relay::config::Limits::default();
        Self {
            sessions: limits.sessions,
            connections: limits.connections,
            handshakes: limits.handshakes,
            stations: limits.stations,
            renditions: limits.renditions,
            sources: relay::config::Icecast::default().sources_max,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    pub(crate) format: LogFormat,
    pub(crate) filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Human,
            filter: "info".into(),
        }
    }
}

/// For whom the logs are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    Human,
    Json,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Station {
    pub(crate) id: StationId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) description: String,
    /// How many minutes back its listeners may begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rewind_minutes: Option<u32>,
    /// The password of its encoders, or its Argon2 hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) source_password: Option<Secret>,
    /// What plays while nobody is live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fallback: Option<Fallback>,
    /// Whether silence of its live source is noticed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dead_air: Option<DeadAir>,
    /// What is done about its loudness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) loudness: Option<relay::config::Loudness>,
}

impl Settings {
    /// What file, environment and flags make of the defaults.
    pub(crate) fn load(args: &ServeArgs) -> Result<Self, BadArguments> {
        let file = match &args.config.config {
            Some(path) => Some(read(path)?),
            None if Path::new(DEFAULT_FILE).exists() => Some(read(Path::new(DEFAULT_FILE))?),
            None => None,
        };
        let environment = std::env::vars_os();
        let environment = environment
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)));
        let mut settings = merge::merge(file.as_deref(), environment)?;
        settings.apply(args);
        settings.check()?;
        settings
            .database_url
            .get_or_insert_with(|| DatabaseUrl::in_folder(&settings.data_dir));
        Ok(settings)
    }

    fn apply(&mut self, args: &ServeArgs) {
        fn set<T: Clone>(setting: &mut T, flag: Option<&T>) {
            if let Some(value) = flag {
                *setting = value.clone();
            }
        }
        set(&mut self.data_dir, args.config.data_dir.as_ref());
        set(&mut self.http.addr, args.http.as_ref());
        set(&mut self.quic.addr, args.quic.as_ref());
        set(&mut self.log.format, args.log_format.as_ref());
        set(&mut self.log.filter, args.log_filter.as_ref());
        self.demo |= args.demo;
    }

    /// What serde cannot see.
    fn check(&self) -> Result<(), BadArguments> {
        let bad = |text: &str| Err(BadArguments(text.into()));
        if self.tls.certificate.is_some() != self.tls.key.is_some() {
            return bad("tls.certificate and tls.key belong together");
        }
        if self.auth.guests && !self.gives_guests() {
            return bad("auth.guests needs a secret to make tokens with");
        }
        if self.auth.secret.is_some() && self.auth.secret_file.is_some() {
            return bad("auth.secret and auth.secret_file exclude each other");
        }
        self.push.check()?;
        self.webhooks.iter().try_for_each(Webhook::check)?;
        let fallbacks = self
            .stations
            .iter()
            .filter_map(|station| station.fallback.as_ref());
        fallbacks.into_iter().try_for_each(Fallback::check)?;
        let dead_air = self
            .stations
            .iter()
            .filter_map(|station| station.dead_air.as_ref());
        dead_air.into_iter().try_for_each(DeadAir::check)?;
        for station in &self.stations {
            let target = station.loudness.and_then(|loudness| loudness.target());
            if let Some(Err(error)) = target.map(|target| target.validate()) {
                return bad(&format!("stations: {}: loudness: {error}", station.id));
            }
        }
        for station in &self.recording.stations {
            if station != "*" && station.parse::<StationId>().is_err() {
                return bad(&format!("recording.stations: '{station}' is no station"));
            }
        }
        let mut ids: Vec<_> = self.stations.iter().map(|station| &station.id).collect();
        ids.sort();
        if let Some(pair) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
            return bad(&format!("stations: '{}' is there twice", pair[0]));
        }
        Ok(())
    }

    /// Whether guests may sign in: they are asked for, and tokens can be made.
    pub(crate) fn gives_guests(&self) -> bool {
        let auth = &self.auth;
        let mints =
            auth.secret.is_some() || auth.secret_file.is_some() || !gate::has_public_keys(auth);
        (auth.guests || self.demo) && mints
    }

    /// The same as the relay takes it.
    pub(crate) fn relay(&self) -> relay::Config {
        use relay::config;
        let files = self.tls.certificate.clone().zip(self.tls.key.clone());
        let files = files.map(|(certificate, key)| config::CertificateFiles { certificate, key });
        let stations = self.stations.iter().map(|station| config::Station {
            id: station.id.clone(),
            name: station.name.clone(),
            description: station.description.clone(),
            rewind_minutes: station.rewind_minutes,
            dead_air: station.dead_air.as_ref().map(DeadAir::relay),
            loudness: station.loudness,
        });
        relay::Config {
            http: self.http.addr,
            quic: match self.quic.addr {
                Listen::On(address) => Some(address),
                Listen::Off => None,
            },
            data_dir: self.data_dir.clone(),
            certificate: config::Certificate {
                files,
                names: self.tls.names.clone(),
            },
            stations: stations.collect(),
            rewind: self.rewind.clone(),
            recording: self.recording.clone(),
            webhooks: self.webhooks.iter().map(Webhook::relay).collect(),
            burst: self.http.burst.0,
            limits: config::Limits {
                sessions: self.limits.sessions,
                connections: self.limits.connections,
                handshakes: self.limits.handshakes,
                stations: self.limits.stations,
                renditions: self.limits.renditions,
            },
            icecast: config::Icecast {
                addr: match self.icecast.addr {
                    Listen::On(address) => Some(address),
                    Listen::Off => None,
                },
                shoutcast_station: self.icecast.shoutcast_station.clone(),
                sources_max: self.limits.sources,
                ..config::Icecast::default()
            },
            ..relay::Config::default()
        }
    }
}

fn read(path: &Path) -> Result<String, BadArguments> {
    let text = std::fs::read_to_string(path);
    text.map_err(|error| BadArguments(format!("{}: {error}", path.display())))
}

/// `skywave check-config`: shows what comes of all sources, or what is wrong with them.
pub(crate) fn check(args: &CheckArgs) -> anyhow::Result<()> {
    let settings = Settings::load(&args.serve)?;
    gate::check_keys(&settings)?;
    settings.check_push()?;
    logging::check(&settings.log.filter)?;
    print!("{}", toml::to_string(&settings)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win() {
        let mut settings = merge::merge(Some("data_dir = 'a'\ndemo = true"), []).unwrap();
        settings.apply(&ServeArgs {
            quic: Some(Listen::Off),
            ..ServeArgs::default()
        });
        assert_eq!(settings.data_dir, Path::new("a"));
        assert_eq!(settings.quic.addr, Listen::Off);
        assert!(settings.demo);
    }

    #[test]
    fn what_contradicts_itself_is_named() {
        for (file, named) in [
            ("tls.certificate = 'a.pem'", "tls.key"),
            (
                "[auth]\nsecret = 'x'\nsecret_file = 'y'",
                "auth.secret_file",
            ),
            ("[[stations]]\nid = 'a'\n[[stations]]\nid = 'a'", "'a'"),
            ("[[stations]]\nid = 'a'\nfallback = {}", "a playlist"),
            (
                "[[stations]]\nid = 'a'\ndead_air = { below_dbfs = 3 }",
                "dead_air",
            ),
            (
                "[[stations]]\nid = 'a'\nloudness = { target_lufs = 3 }",
                "3 LUFS",
            ),
            (
                "[[stations]]\nid = 'a'\nfallback = { playlist = 'x', crossfade = '1m' }",
                "12s",
            ),
            (
                "[[webhooks]]\nurl = 'ftp://a.example'\nsecret = '0123456789abcdef'",
                "http:",
            ),
            (
                "[[webhooks]]\nurl = 'https://a.example'\nsecret = '0123456789'",
                "16 characters",
            ),
            ("[push]\ncontact = 'me'", "mailto:"),
            ("[push]\nkey_file = 'push.pem'", "push.contact"),
            (
                "[recording]\nstations = ['*', 'No Station']",
                "'No Station'",
            ),
        ] {
            let settings = merge::merge(Some(file), []).unwrap();
            let error = settings.check().unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn the_defaults_survive_their_own_toml_and_no_secret_does() {
        let shown = toml::to_string(&Settings::default()).unwrap();
        let again = merge::merge(Some(&shown), []).unwrap();
        assert_eq!(toml::to_string(&again).unwrap(), shown);
        let secret = merge::merge(Some("[auth]\nsecret = 'hunter2'\n[[webhooks]]\nurl = 'http://a.example'\nsecret = 'hunter2'"), []).unwrap();
        let shown = format!("{}{secret:?}", toml::to_string(&secret).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
