//! Databases to test on: a file of SQLite's, and a PostgreSQL of our own on a private socket.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A database that is there as long as this is.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) url: String,
    _directory: Option<TempDir>,
}

/// An empty SQLite database.
pub(crate) fn sqlite() -> Database {
    let directory = tempfile::tempdir().unwrap();
    Database {
        url: format!("sqlite:{}/signaling.db", directory.path().display()),
        _directory: Some(directory),
    }
}

/// A PostgreSQL server that ends with this.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    directory: TempDir,
}

impl Server {
    /// Starts one; panics when PostgreSQL is not installed, as these tests need it.
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let data = path.join("data");
        if is_root() {
            run(Command::new("chown").arg("postgres:").arg(path));
        }
        run(as_postgres("initdb")
            .args([
                "--auth=trust",
                "--username=skywave",
                "--encoding=UTF8",
                "--locale=C",
            ])
            .args(["--no-sync", "--pgdata"])
            .arg(&data));
        let child = as_postgres("postgres")
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(path)
            .args([
                "-c",
                "listen_addresses=",
                "-c",
                "fsync=off",
                "-c",
                "shared_buffers=16MB",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, directory };
        server.wait_until_ready();
        server
    }

    fn wait_until_ready(&self) {
        let until = Instant::now() + Duration::from_secs(60);
        while Instant::now() < until {
            let status = Command::new(binary("pg_isready"))
                .arg("-h")
                .arg(self.directory.path())
                .stdout(Stdio::null())
                .status();
            if status.is_ok_and(|status| status.success()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("PostgreSQL did not start within a minute");
    }

    /// An empty database of that name.
    pub(crate) fn database(&self, name: &str) -> Database {
        let path = self.directory.path();
        run(Command::new(binary("createdb"))
            .arg("-h")
            .arg(path)
            .args(["-U", "skywave", name]));
        let host = path.display().to_string().replace('/', "%2F");
        Database {
            url: format!("postgres://skywave@localhost/{name}?host={host}"),
            _directory: None,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = self.child.id().to_string();
        let asked = Command::new("kill").args(["-INT", &pid]).status();
        if !asked.is_ok_and(|status| status.success()) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout.starts_with(b"0\n")
}

/// PostgreSQL refuses to run as root: then its own user runs it. Either way it
/// ends with us.
fn as_postgres(name: &str) -> Command {
    let mut command = Command::new("setpriv");
    if is_root() {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    }
    command.args(["--pdeathsig=INT", "--"]).arg(binary(name));
    command
}

fn binary(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut paths: Vec<_> = versions
        .map(|version| version.path().join("bin").join(name))
        .collect();
    paths.retain(|path| path.exists());
    paths.sort();
    paths.pop().unwrap_or_else(|| {
        panic!("{name} is missing: install Debian's package postgresql to run this test")
    })
}

fn run(command: &mut Command) {
    let output = command.current_dir(Path::new("/")).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {error}");
}

/// Runs every case on both databases: on SQLite as a test each, on PostgreSQL
/// one after the other on one server.
macro_rules! on_both {
    ($($case:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $case() {
                super::$case(&crate::testing::sqlite()).await;
            })*
        }

        #[tokio::test]
        async fn postgres() {
            let server = crate::testing::Server::start();
            $(
                eprintln!("on PostgreSQL: {}", stringify!($case));
                $case(&server.database(stringify!($case))).await;
            )*
        }
    };
}
pub(crate) use on_both;
