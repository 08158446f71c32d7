//! moq-relay and its load, which `make bench-moq` installs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;

use super::{Contender, LOAD, SERVER, Server, free_port};
use crate::process::Worker;

/// moq-relay, and the program that loads it.
pub(crate) struct Programs {
    pub(crate) relay: PathBuf,
    load: PathBuf,
}

/// Both, if they are installed beside this program's folder.
pub(crate) fn programs() -> Option<Programs> {
    let program = std::env::current_exe().ok()?;
    let home = program.parent()?.parent()?.join("moq");
    let programs = Programs {
        relay: home.join("bin/moq-relay"),
        load: home.join("release/skywave-bench-moq"),
    };
    (programs.relay.exists() && programs.load.exists()).then_some(programs)
}

impl Server {
    pub(super) fn moq(streams: bool) -> anyhow::Result<Self> {
        let programs = programs().context("moq-relay is not installed")?;
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let mut command = Command::new(&programs.relay);
        command
            .args(["--listen", &address.to_string()])
            .args(["--listen-tls-generate", "localhost"])
            .args(["--auth-public", "**", "--log-level", "warn"]);
        let process = Worker::pinned(&command, SERVER)?;
        // Connects again and again until the relay answers.
        let mut sources = Worker::program(&programs.load, &load("source", address, streams))?;
        anyhow::ensure!(sources.line()? == "on air", "the source has failed");
        Ok(Self {
            process,
            contender: Contender::Moq { streams },
            address,
            stations: 1,
            sources: Some(sources),
            token: None,
            quic: None,
            _folder: None,
        })
    }

    pub(super) fn begin_moq_listeners(
        &self,
        streams: bool,
        count: usize,
        rate: f64,
    ) -> anyhow::Result<Worker> {
        let programs = programs().context("moq-relay is not installed")?;
        let mut arguments = load("swarm", self.address, streams);
        for (name, value) in [
            ("--listeners", count.to_string()),
            ("--rate", rate.to_string()),
        ] {
            arguments.extend([name.to_owned(), value]);
        }
        Worker::program(&programs.load, &arguments)
    }
}

fn load(command: &str, server: SocketAddr, streams: bool) -> Vec<String> {
    let mut arguments = vec![
        command.to_owned(),
        "--server".to_owned(),
        server.to_string(),
        "--pin".to_owned(),
        LOAD.to_string(),
    ];
    if streams {
        arguments.push("--streams".to_owned());
    }
    arguments
}
