//! Who is measured: the relay itself, its engine alone, the floor, and peers.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use engine::Config;
use engine::testing::tls_pair;
use tempfile::TempDir;

use crate::process::Worker;
use crate::swarm::Way;

pub(crate) mod moq;

/// The secret of tokens and the password of sources; the servers live on loopback for
/// some seconds.
const SECRET: &str = "the secret of a benchmark, long enough for HS256";
const PASSWORD: &str = "hackme";

/// What a processor is for.
pub(crate) const SERVER: usize = 0;
pub(crate) const LOAD: usize = 1;

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contender {
    /// The least any server could do.
    Floor,
    /// The engine without the relay, its clients acknowledging every second packet or
    /// asked for one in so many.
    Engine { ack_every: u32 },
    /// The engine on both processors.
    EngineOnTwo,
    /// `skywave serve`, heard in that way.
    Skywave(Way),
    /// Icecast with Ogg Opus in pages of 20 ms.
    Icecast,
    /// wtransport, a task for each session.
    Wtransport,
    /// moq-relay, a datagram for each frame or a stream.
    Moq { streams: bool },
}

impl Contender {
    pub(crate) fn name(self) -> String {
        match self {
            Self::Floor => "floor".to_owned(),
            Self::Engine { ack_every: 0 } => "engine alone, an ACK for 2 packets".to_owned(),
            Self::Engine { ack_every } => format!("engine alone, an ACK for {ack_every}"),
            Self::EngineOnTwo => "engine alone, two processors".to_owned(),
            Self::Skywave(Way::WebTransport) => "Skywave, WebTransport".to_owned(),
            Self::Skywave(Way::Quinn) => "Skywave, WebTransport, quinn's clients".to_owned(),
            Self::Skywave(Way::WebSocket) => "Skywave, WebSocket".to_owned(),
            Self::Skywave(Way::Http) => "Skywave, HTTP".to_owned(),
            Self::Icecast => "Icecast, HTTP".to_owned(),
            Self::Wtransport => "wtransport, a task per session".to_owned(),
            Self::Moq { streams: false } => "moq-relay, datagrams".to_owned(),
            Self::Moq { streams: true } => "moq-relay, a stream per frame".to_owned(),
        }
    }

    /// Whether it is a program that knows no questions.
    fn is_foreign_program(self) -> bool {
        matches!(self, Self::Skywave(_) | Self::Icecast | Self::Moq { .. })
    }

    pub(crate) fn way(self) -> Way {
        match self {
            Self::Skywave(way) => way,
            Self::Icecast => Way::Http,
            _ => Way::WebTransport,
        }
    }
}

/// A server at work, with its stations on air.
pub(crate) struct Server {
    pub(crate) process: Worker,
    contender: Contender,
    /// Where listeners go.
    address: SocketAddr,
    stations: u32,
    sources: Option<Worker>,
    token: Option<String>,
    quic: Option<SocketAddr>,
    _folder: Option<TempDir>,
}

impl Server {
    /// Starts it with that many stations on air; only `skywave serve` has other than one.
    pub(crate) fn start(
        contender: Contender,
        stations: u32,
        skywave: &Path,
    ) -> anyhow::Result<Self> {
        let pin = SERVER.to_string();
        let alone = |arguments: &[&str]| -> anyhow::Result<Self> {
            let mut process = Worker::start(arguments)?;
            let address = process.line()?.parse()?;
            Ok(Self {
                process,
                contender,
                address,
                stations: 1,
                sources: None,
                token: None,
                quic: None,
                _folder: None,
            })
        };
        match contender {
            Contender::Floor => anyhow::bail!("the floor serves nobody"),
            Contender::Engine { ack_every } => alone(&[
                "serve",
                "--pins",
                &pin,
                "--ack-every",
                &ack_every.to_string(),
            ]),
            Contender::EngineOnTwo => alone(&["serve", "--pins", "0,1"]),
            Contender::Wtransport => alone(&["bare", "--pin", &pin]),
            Contender::Icecast => Self::icecast(),
            Contender::Moq { streams } => Self::moq(streams),
            Contender::Skywave(way) => Self::skywave(skywave, way, stations),
        }
    }

    fn skywave(program: &Path, way: Way, stations: u32) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut command = Command::new(program);
        command
            .args(["serve", "--http", "127.0.0.1:0", "--quic", "127.0.0.1:0"])
            .args(["--log-format", "json", "--log-filter", "warn,skywave=info"])
            .arg("--data-dir")
            .arg(folder.path())
            .env("SKYWAVE_AUTH_SECRET", SECRET);
        let mut process = Worker::pinned(&command, SERVER)?;
        let [http, quic] = loop {
            let line: serde_json::Value = serde_json::from_str(&process.line()?)?;
            if let (Some(http), Some(quic)) = (line["http"].as_str(), line["quic"].as_str()) {
                break [http.parse()?, quic.parse()?];
            }
        };
        let token = Command::new(program)
            .args(["token", "--sub", "bench", "--publish", "*"])
            .env("SKYWAVE_AUTH_SECRET", SECRET)
            .output()?;
        anyhow::ensure!(token.status.success(), "no token was made");
        let token = String::from_utf8(token.stdout)?.trim().to_owned();
        let mut server = Self {
            process,
            contender: Contender::Skywave(way),
            address: match way {
                Way::WebTransport | Way::Quinn => quic,
                Way::WebSocket | Way::Http => http,
            },
            stations,
            sources: None,
            token: Some(token),
            quic: Some(quic),
            _folder: Some(folder),
        };
        if stations > 0 {
            server.go_on_air()?;
        }
        Ok(server)
    }

    /// How many stations are to go on air.
    pub(crate) fn set_stations(&mut self, stations: u32) {
        self.stations = stations;
    }

    /// Begins the stations' sources.
    pub(crate) fn go_on_air(&mut self) -> anyhow::Result<()> {
        let quic = self.quic.context("only skywave waits to go on air")?;
        let token = self.token.as_deref().context("a token")?;
        let (quic, stations) = (quic.to_string(), self.stations.max(1).to_string());
        let pin = LOAD.to_string();
        let mut sources = Worker::start(&[
            "source",
            "--server",
            &quic,
            "--pin",
            &pin,
            "--stations",
            &stations,
            "--token",
            token,
        ])?;
        anyhow::ensure!(sources.line()? == "on air", "the sources have failed");
        self.sources = Some(sources);
        Ok(())
    }

    fn icecast() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        // Icecast gives up root before it opens its logs.
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777))?;
        let port = free_port()?;
        let file = folder.path().join("icecast.xml");
        std::fs::write(&file, icecast_settings(folder.path(), port))?;
        let program = icecast_program().context("Icecast is not installed")?;
        let mut command = Command::new(program);
        command.arg("-c").arg(&file);
        let process = Worker::pinned(&command, SERVER)?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let begun = std::time::Instant::now();
        while std::net::TcpStream::connect(address).is_err() {
            anyhow::ensure!(begun.elapsed() < START, "Icecast does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        let (to, pin) = (address.to_string(), LOAD.to_string());
        let mut sources = Worker::start(&[
            "source",
            "--server",
            &to,
            "--pin",
            &pin,
            "--icecast",
            PASSWORD,
        ])?;
        anyhow::ensure!(sources.line()? == "on air", "the source has failed");
        // The mount is there a moment later.
        std::thread::sleep(Duration::from_millis(300));
        Ok(Self {
            process,
            contender: Contender::Icecast,
            address,
            stations: 1,
            sources: Some(sources),
            token: None,
            quic: None,
            _folder: Some(folder),
        })
    }

    /// Lets listeners join at that rate, and waits until all hear.
    pub(crate) fn listeners(&self, count: usize, rate: f64, idle: bool) -> anyhow::Result<Worker> {
        let mut swarm = self.begin_listeners(count, rate, idle)?;
        let line = swarm.line()?;
        anyhow::ensure!(line == "open", "{line}");
        Ok(swarm)
    }

    pub(crate) fn begin_listeners(
        &self,
        count: usize,
        rate: f64,
        idle: bool,
    ) -> anyhow::Result<Worker> {
        if let Contender::Moq { streams } = self.contender {
            return self.begin_moq_listeners(streams, count, rate);
        }
        let way = match self.contender.way() {
            Way::WebTransport => "web-transport",
            Way::Quinn => "quinn",
            Way::WebSocket => "web-socket",
            Way::Http => "http",
        };
        let (address, count, rate) = (
            self.address.to_string(),
            count.to_string(),
            rate.to_string(),
        );
        let (pin, stations) = (LOAD.to_string(), self.stations.max(1).to_string());
        let mut arguments = vec![
            "swarm",
            "--server",
            &address,
            "--way",
            way,
            "--listeners",
            &count,
            "--rate",
            &rate,
            "--stations",
            &stations,
        ];
        // With two processors to serve there is none for the load alone.
        if self.contender != Contender::EngineOnTwo {
            arguments.extend(["--pin", &pin]);
        }
        if idle {
            arguments.push("--idle");
        }
        let ack_every = match self.contender {
            Contender::Engine { ack_every } if ack_every > 0 => Some(ack_every),
            Contender::Skywave(_) => Config::new(tls_pair().0).ack_every,
            _ => None,
        };
        let asked = ack_every.map(|every| {
            let delay = engine::ACK_DELAY.as_millis();
            [every.to_string(), delay.to_string()]
        });
        if let Some([every, delay]) = &asked {
            arguments.extend(["--ack-every", every, "--ack-delay-ms", delay]);
        }
        if self.contender == Contender::Icecast {
            arguments.extend(["--suffix", ".opus"]);
        }
        Worker::start(&arguments)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.sources = None;
        if self.contender.is_foreign_program() {
            self.process.terminate();
        }
    }
}

/// How long a server may take to start.
const START: Duration = Duration::from_secs(10);

fn free_port() -> anyhow::Result<u16> {
    let probe = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    Ok(probe.local_addr()?.port())
}

/// Icecast from Debian's package, if it is there.
pub(crate) fn icecast_program() -> Option<PathBuf> {
    let path = PathBuf::from("/usr/bin/icecast2");
    path.exists().then_some(path)
}

/// No burst at the start and short queues, so that it is measured at its least delay.
fn icecast_settings(folder: &Path, port: u16) -> String {
    let folder = folder.display();
    // It refuses to run as root.
    let owner = if nix::unistd::getuid().is_root() {
        "<changeowner><user>nobody</user><group>nogroup</group></changeowner>"
    } else {
        ""
    };
    format!(
        "<icecast>\
        <limits><clients>5000</clients><sources>2</sources><queue-size>65536</queue-size>\
        <client-timeout>30</client-timeout><header-timeout>15</header-timeout>\
        <source-timeout>10</source-timeout><burst-on-connect>0</burst-on-connect>\
        <burst-size>0</burst-size></limits>\
        <authentication><source-password>{PASSWORD}</source-password>\
        <admin-user>admin</admin-user><admin-password>{PASSWORD}</admin-password>\
        </authentication><hostname>localhost</hostname>\
        <listen-socket><port>{port}</port><bind-address>127.0.0.1</bind-address></listen-socket>\
        <fileserve>0</fileserve>\
        <paths><basedir>{folder}</basedir><logdir>{folder}</logdir><webroot>{folder}</webroot>\
        <adminroot>{folder}</adminroot></paths>\
        <logging><accesslog>access.log</accesslog><errorlog>error.log</errorlog><loglevel>1</loglevel>\
        </logging><security><chroot>0</chroot>{owner}</security></icecast>"
    )
}
