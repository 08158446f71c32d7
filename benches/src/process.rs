//! Child processes, their processors, and what the kernel says they used.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::unistd::Pid;

/// A child that ends with us. Our own are asked and answer by lines.
#[derive(Debug)]
pub(crate) struct Worker {
    child: Child,
    input: Option<ChildStdin>,
    /// What it prints, line by line.
    lines: Receiver<String>,
}

/// How long a worker may take to say something.
const PATIENCE: Duration = Duration::from_secs(120);

impl Worker {
    /// Starts this very program with other arguments.
    pub(crate) fn start(arguments: &[&str]) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(arguments).stdout(Stdio::piped());
        Self::of(command).with_context(|| format!("cannot start {arguments:?}"))
    }

    /// Starts another program that is asked and answers by lines.
    pub(crate) fn program(program: &Path, arguments: &[String]) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command.args(arguments).stdout(Stdio::piped());
        Self::of(command).with_context(|| format!("cannot start {}", program.display()))
    }

    /// Starts a program on one processor.
    pub(crate) fn pinned(program: &Command, processor: usize) -> anyhow::Result<Self> {
        let mut command = Command::new("taskset");
        command
            .args(["-c", &processor.to_string()])
            .arg(program.get_program())
            .args(program.get_args());
        for (name, value) in program.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        // Servers say what they have to say on the error output.
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        Self::of(command).with_context(|| format!("cannot start {program:?}"))
    }

    fn of(mut command: Command) -> anyhow::Result<Self> {
        let mut child = command.stdin(Stdio::piped()).spawn()?;
        let output: Box<dyn Read + Send> = match (child.stdout.take(), child.stderr.take()) {
            (Some(output), _) => Box::new(output),
            (None, Some(output)) => Box::new(output),
            (None, None) => anyhow::bail!("a worker without output"),
        };
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            // To the end, whether anybody wants it or not: it must not wait for us to read.
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Ok(Self {
            input: child.stdin.take(),
            child,
            lines,
        })
    }

    /// The next line it prints.
    pub(crate) fn line(&mut self) -> anyhow::Result<String> {
        let line = self.lines.recv_timeout(PATIENCE);
        Ok(line
            .context("a worker has ended or hangs")?
            .trim()
            .to_owned())
    }

    /// Asks, and waits for the answer.
    pub(crate) fn ask(&mut self, question: &str) -> anyhow::Result<String> {
        let input = self.input.as_mut().context("a running worker")?;
        writeln!(input, "{question}")?;
        self.line()
    }

    /// CPU time of all its threads so far.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let mut nanos = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            // A thread may end between the two.
            let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else {
                continue;
            };
            let field = text.split_whitespace().next().context("a field")?;
            nanos += field.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanos))
    }

    /// Resident memory in bytes.
    pub(crate) fn memory(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("VmRSS")?;
        let kib: u64 = line
            .split_whitespace()
            .next()
            .context("a number")?
            .parse()?;
        Ok(kib * 1024)
    }

    /// Asks a program that knows no questions to end.
    pub(crate) fn terminate(&mut self) {
        let pid = Pid::from_raw(self.child.id() as i32);
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        self.wait(Duration::from_secs(3));
    }

    fn wait(&mut self, patience: Duration) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < patience {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // The end of its input tells our own to stop; it is not waited for long.
        self.input = None;
        if !self.wait(Duration::from_millis(500)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
