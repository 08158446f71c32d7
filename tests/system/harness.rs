//! Starting the program's parts and watching them.

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use client::{Connector, Events, Options, Prefer, Session};
use media::testing::LinkConfig;
use serde_json::Value;
use tempfile::TempDir;
use wire::message::{Counts, Station, StationsState, SubscribeParams, Subscribed};

mod observer;
mod shaper;

pub(crate) use observer::Observer;
use shaper::Shaper;

/// Longer than anything takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The program under test.
pub(crate) fn skywave() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skywave"));
    // Nothing of the machine's own settings.
    for (name, _) in std::env::vars() {
        if name.starts_with("SKYWAVE_") {
            command.env_remove(name);
        }
    }
    command
}

/// Waits until `probe` answers something.
pub(crate) fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A child process whose output is kept; killed when dropped.
pub(crate) struct Process {
    child: Child,
    name: &'static str,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// Starts it; what it writes to stdout and stderr becomes lines.
    pub(crate) fn start(name: &'static str, command: &mut Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(Stdio::null());
        Self::watch(name, command.spawn().expect("the program starts"))
    }

    pub(crate) fn watch(name: &'static str, mut child: Child) -> Self {
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let outputs: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|out| Box::new(out) as _),
            child.stderr.take().map(|err| Box::new(err) as _),
        ];
        for output in outputs.into_iter().flatten() {
            let lines = Arc::clone(&lines);
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    lines.lock().unwrap().push(line);
                }
            });
        }
        Self { child, name, lines }
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// The newest line that is a JSON object.
    pub(crate) fn json(&self) -> Option<Value> {
        let lines = self.lines();
        let objects = lines
            .iter()
            .rev()
            .filter_map(|line| serde_json::from_str(line).ok());
        objects.into_iter().find(Value::is_object)
    }

    /// Where it reads from, if that was kept open for it.
    pub(crate) fn stdin(&mut self) -> Option<std::process::ChildStdin> {
        self.child.stdin.take()
    }

    /// Waits for it to end by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        until(self.name, || self.child.try_wait().unwrap())
    }

    /// Waits for its end; answers the exit code.
    pub(crate) fn code(&mut self) -> i32 {
        self.wait().code().expect("it was not killed")
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(sent.unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- {}:\n{}", self.name, self.lines().join("\n"));
        }
    }
}

/// A server with a data folder of its own.
pub(crate) struct Server {
    process: Process,
    folder: TempDir,
    /// What runs the program, when it is not run as it is.
    wrapper: Vec<String>,
    args: Vec<String>,
    http: String,
    quic: String,
    icecast: String,
    /// The network between it and whoever uses WebTransport.
    shaper: Option<Shaper>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(args: &[&str]) -> Self {
        Self::start_within(&[], "", args)
    }

    /// The same with a configuration file, run by another command.
    pub(crate) fn start_within(wrapper: &[&str], settings: &str, args: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("skywave.toml"), settings).unwrap();
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let (wrapper, args) = (owned(wrapper), owned(args));
        Self::serve(folder, wrapper, args, "127.0.0.1:0", "127.0.0.1:0")
    }

    fn serve(
        folder: TempDir,
        wrapper: Vec<String>,
        args: Vec<String>,
        http: &str,
        quic: &str,
    ) -> Self {
        let mut command = match wrapper.split_first() {
            None => skywave(),
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(skywave().get_program());
                command
            }
        };
        command.current_dir(folder.path());
        command.args(["serve", "--data-dir", "data", "--log-format", "json"]);
        command.args(["--http", http, "--quic", quic]).args(&args);
        let process = Process::start("serve", &mut command);
        let (http, quic, icecast) = until("the server starts", || {
            let lines = process.lines();
            let line = lines.iter().find(|line| line.contains("serving at"))?;
            let line: Value = serde_json::from_str(line).unwrap();
            let field = |name: &str| line[name].as_str().unwrap().to_owned();
            Some((field("http"), field("quic"), field("icecast")))
        });
        Self {
            process,
            folder,
            wrapper,
            args,
            http,
            quic,
            icecast,
            shaper: None,
        }
    }

    /// Starts it behind a bad network: all that comes by WebTransport passes `link` each way.
    pub(crate) fn start_behind(link: LinkConfig, seed: u64) -> Self {
        // Clients are told the server's port at the address they know: the server takes that
        // port at another address of the machine, and the network takes it at theirs.
        let front = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = front.local_addr().unwrap().port();
        let quic = SocketAddr::from(([127, 0, 0, 2], port));
        let folder = tempfile::tempdir().unwrap();
        let mut server = Self::serve(
            folder,
            Vec::new(),
            Vec::new(),
            "127.0.0.1:0",
            &quic.to_string(),
        );
        server.shaper = Some(Shaper::start(front, quic, link, seed));
        server
    }

    /// Puts it behind another network; it was started behind one.
    pub(crate) fn reshape(&self, link: LinkConfig) {
        self.shaper.as_ref().expect("a network").change(link);
    }

    /// Gives everybody behind the bad network another address.
    pub(crate) fn rebind(&self) {
        self.shaper.as_ref().expect("a network").rebind();
    }

    /// Where it runs; its data is in `data`.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Kills it without a word and starts it again at the same addresses.
    pub(crate) fn restart(mut self) -> Self {
        self.kill();
        let Self {
            folder,
            wrapper,
            args,
            http,
            quic,
            ..
        } = self;
        Self::serve(folder, wrapper, args, &http, &quic)
    }

    /// The same, run by another command.
    pub(crate) fn restart_with_wrapper(mut self, wrapper: &[&str]) -> Self {
        self.wrapper = wrapper.iter().map(|&word| word.to_owned()).collect();
        self.restart()
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.http)
    }

    pub(crate) fn http(&self) -> &str {
        &self.http
    }

    /// The second port for encoders and players.
    pub(crate) fn icecast(&self) -> &str {
        &self.icecast
    }

    /// A token this server accepts.
    pub(crate) fn token(&self, args: &[&str]) -> String {
        self.token_of("tester", args)
    }

    /// A token of that user.
    pub(crate) fn token_of(&self, sub: &str, args: &[&str]) -> String {
        let mut command = skywave();
        command.current_dir(self.folder.path());
        command
            .args(["token", "--data-dir", "data", "--sub", sub])
            .args(args);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let token = String::from_utf8(output.stdout).unwrap();
        assert_eq!(token.lines().count(), 1, "the token alone");
        token.trim().to_owned()
    }

    /// A token that may publish the station.
    pub(crate) fn source_token(&self, station: &str) -> String {
        self.token(&["--publish", station])
    }

    /// Begins to publish files as `station`; progress comes as JSON.
    pub(crate) fn publish(&self, station: &str, args: &[&str]) -> Process {
        let token = self.source_token(station);
        Process::start("publish", self.publish_command(station, &token).args(args))
    }

    /// The command up to the files.
    pub(crate) fn publish_command(&self, station: &str, token: &str) -> Command {
        let mut command = skywave();
        command.args(["publish", "--server", &self.url(), "--station", station]);
        command.args(["--token", token, "--json"]);
        command
    }

    /// Begins to listen; ends after `seconds`.
    pub(crate) fn listen(&self, station: &str, seconds: f64, args: &[&str]) -> Listening {
        let folder = tempfile::tempdir().unwrap();
        let mut command = skywave();
        command.current_dir(folder.path());
        command.args(["listen", "--server", &self.url(), "--station", station]);
        command.args(["--duration", &format!("{seconds}s"), "--json"]);
        // A busy machine must not make gaps that are nobody's fault.
        command.args(["--start-delay", "300ms"]);
        command
            .args(["--output", "out.wav", "--stats", "stats.json"])
            .args(args);
        let process = Process::start("listen", &mut command);
        Listening { process, folder }
    }

    /// A session of this process that watches stations.
    pub(crate) async fn observe(&self) -> Observer {
        Observer::start(&self.url()).await
    }

    /// A session of this process.
    pub(crate) async fn session(&self, token: Option<String>, prefer: Prefer) -> (Session, Events) {
        let connector = Connector::new(Options {
            server: self.url(),
            token,
            prefer,
            ..Options::default()
        });
        let (session, events, _) = connector.unwrap().connect(Vec::new()).await.unwrap();
        (session, events)
    }
}

/// `skywave listen` at work.
pub(crate) struct Listening {
    pub(crate) process: Process,
    folder: TempDir,
}

/// What it heard.
pub(crate) struct Heard {
    /// Interleaved stereo at 48 kHz.
    pub(crate) sound: Vec<f32>,
    pub(crate) stats: Value,
}

impl Listening {
    /// Waits for its end.
    pub(crate) fn finish(mut self) -> Heard {
        let code = self.process.code();
        assert_eq!(code, 0, "{:#?}", self.process.lines());
        Heard::read(self.folder.path())
    }

    /// Waits until it has heard something.
    pub(crate) fn hears(&self) {
        until("sound", || {
            let line = self.process.json()?;
            (line["packets"].as_u64()? > 0).then_some(())
        });
    }
}

impl Heard {
    /// Reads `out.wav` and `stats.json`.
    pub(crate) fn read(folder: &Path) -> Self {
        let stats = std::fs::read_to_string(folder.join("stats.json")).unwrap();
        Self {
            sound: crate::tone::read_wav(&folder.join("out.wav")),
            stats: serde_json::from_str(&stats).unwrap(),
        }
    }

    pub(crate) fn number(&self, name: &str) -> f64 {
        let number = self.stats[name].as_f64();
        number.unwrap_or_else(|| panic!("no {name} in {}", self.stats))
    }

    /// The titles shown, in order.
    pub(crate) fn titles(&self) -> Vec<&str> {
        let entries = self.stats["metadata"].as_array().unwrap().iter();
        entries
            .map(|entry| entry["title"].as_str().unwrap())
            .collect()
    }

    /// What happened, in order.
    pub(crate) fn events(&self) -> Vec<&str> {
        let entries = self.stats["events"].as_array().unwrap().iter();
        entries
            .map(|entry| entry["event"].as_str().unwrap())
            .collect()
    }
}

/// Runs a command to its end; answers its exit code and stderr.
pub(crate) fn outcome(command: &mut Command) -> (i32, String) {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let output: Output = wait_with_output(child.unwrap());
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap_or(-1), errors)
}

/// Waits for a child that writes little, but not for ever.
fn wait_with_output(mut child: Child) -> Output {
    until("a command ends", || child.try_wait().unwrap());
    child.wait_with_output().unwrap()
}

/// Asks over HTTP; answers the status and the body, JSON or text.
pub(crate) fn get(http: &str, path: &str) -> (u16, Value) {
    ask(http, "GET", path, b"", None)
}

/// Posts JSON; answers the status and the body.
pub(crate) fn post(http: &str, path: &str, body: &Value, token: Option<&str>) -> (u16, Value) {
    ask(http, "POST", path, body.to_string().as_bytes(), token)
}

/// Sends a body with a token; answers the status and the body.
pub(crate) fn ask(
    http: &str,
    method: &str,
    path: &str,
    body: &[u8],
    token: Option<&str>,
) -> (u16, Value) {
    let token = token.map_or_else(String::new, |token| {
        format!("Authorization: Bearer {token}\r\n")
    });
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {http}\r\nConnection: close\r\n{token}\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    exchange(http, &[head.as_bytes(), body].concat())
}

fn exchange(http: &str, request: &[u8]) -> (u16, Value) {
    let mut stream = std::net::TcpStream::connect(http).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    std::io::Write::write_all(&mut stream, request).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let body = serde_json::from_str(body).unwrap_or_else(|_| body.into());
    (status.expect("a status"), body)
}

/// A file of the repository.
pub(crate) fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
