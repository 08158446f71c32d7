//! Servers under test: processes on one processor, and what the kernel says they used.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use signaling::token::{Grants, Mint, Order};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// The secret of tokens; the servers live on loopback for some seconds.
const SECRET: &str = "the secret of a benchmark, long enough for HS256";

/// How long a server may take to start.
const START: Duration = Duration::from_secs(20);

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Skywave,
    Socketioxide,
    SocketIo,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Skywave, Self::Socketioxide, Self::SocketIo];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Skywave => "Skywave (SQLite, every message stored)",
            Self::Socketioxide => "socketioxide (in memory)",
            Self::SocketIo => "Socket.IO on Node (in memory)",
        }
    }
}

type Output = Box<dyn AsyncRead + Send + Unpin>;

/// A server at work; killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) kind: Kind,
    pub(crate) address: String,
    child: Child,
    _folder: TempDir,
}

impl Server {
    pub(crate) async fn start(kind: Kind, skywave: &Path, peer: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut command = Command::new("taskset");
        command.args(["-c", "0"]);
        match kind {
            Kind::Skywave => settings(&mut command, skywave, folder.path()),
            Kind::Socketioxide => {
                command.arg(std::env::current_exe()?).arg("socketioxide");
            }
            Kind::SocketIo => {
                command.arg("node").arg(peer.join("server.js"));
            }
        }
        command.stdin(Stdio::piped()).kill_on_drop(true);
        // Skywave tells in its log where it is, the others print it.
        match kind {
            Kind::Skywave => command.stderr(Stdio::piped()),
            _ => command.stdout(Stdio::piped()),
        };
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {}", kind.name()))?;
        let log = child.stderr.take().map(|log| Box::new(log) as Output);
        let printed = child.stdout.take().map(|out| Box::new(out) as Output);
        let output = log.or(printed).context("a piped output")?;
        let mut lines = BufReader::new(output).lines();
        let found = async {
            while let Some(line) = lines.next_line().await? {
                if let Some(address) = address_of(&line) {
                    return Ok(address);
                }
            }
            anyhow::bail!("{} ended at once", kind.name())
        };
        let address = tokio::time::timeout(START, found).await??;
        // What else it prints must not fill the pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self {
            kind,
            address,
            child,
            _folder: folder,
        })
    }

    fn id(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// CPU time of all its threads so far.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        cpu_of(&self.id().to_string())
    }

    /// What a counter of the server's metrics stands at.
    pub(crate) async fn counter(&self, name: &str) -> anyhow::Result<u64> {
        let mut stream = TcpStream::connect(&self.address).await?;
        let request = "GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let value = line.with_context(|| format!("no metric {name}"))?;
        Ok(value.trim().parse()?)
    }

    /// Resident memory in bytes.
    pub(crate) fn memory(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next());
        Ok(kib.context("VmRSS")?.parse::<u64>()? * 1024)
    }
}

/// CPU time of this process so far.
pub(crate) fn own_cpu() -> anyhow::Result<Duration> {
    cpu_of("self")
}

fn cpu_of(process: &str) -> anyhow::Result<Duration> {
    let mut nanos = 0;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        let field = text.split_whitespace().next().context("a field")?;
        nanos += field.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanos))
}

fn settings(command: &mut Command, skywave: &Path, folder: &Path) {
    command.arg(skywave).args(["serve", "--data-dir"]);
    command.arg(folder);
    command.args([
        "--http",
        "127.0.0.1:0",
        "--quic",
        "off",
        "--log-format",
        "json",
    ]);
    command.args(["--log-filter", "warn,skywave=info"]);
    command.env("SKYWAVE_AUTH_SECRET", SECRET);
    for kind in ["WRITE", "TOUCH", "READ", "MANAGE", "SUBSCRIBE"] {
        let name = format!("SKYWAVE_RATES_{kind}");
        command.env(name, "10000000/min burst 1000000");
    }
}

/// The address a server says it is at: alone, or in a line of our own log.
fn address_of(line: &str) -> Option<String> {
    if line.starts_with("127.0.0.1:") {
        return Some(line.trim().to_owned());
    }
    let told: serde_json::Value = serde_json::from_str(line).ok()?;
    Some(told["http"].as_str()?.to_owned())
}

/// A token for that user.
pub(crate) fn token(sub: &str, admin: bool) -> anyhow::Result<String> {
    let mint = Mint::new(SECRET.as_bytes(), None, None)?;
    let grants = Grants {
        admin,
        ..Grants::default()
    };
    Ok(mint.mint(Order {
        sub: sub.to_owned(),
        name: None,
        grants,
        ttl: Duration::from_secs(3_600),
    })?)
}

/// Keeps this process off the servers' processor.
pub(crate) fn pin_self() -> anyhow::Result<()> {
    let id = std::process::id().to_string();
    let pinned = std::process::Command::new("taskset")
        .args(["-cp", "1", &id])
        .stdout(Stdio::null())
        .status();
    anyhow::ensure!(pinned?.success(), "this needs a second processor");
    Ok(())
}

/// A program built beside this one.
pub(crate) fn beside(name: &str, given: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let path = match given {
        Some(path) => path,
        None => std::env::current_exe()?.with_file_name(name),
    };
    anyhow::ensure!(path.exists(), "{} is not built", path.display());
    Ok(path)
}
