//! Sessions that idle, and all of them coming back at once.

use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use serde_json::json;

use crate::contender::{Kind, Server, token};
use crate::member::{Member, Position};

/// Handshakes at the same time: what the kernel's queue of connections takes.
const AT_ONCE: usize = 500;

/// The metric that counts what the database is asked.
const STATEMENTS: &str = "skywave_store_statements_total";

/// What was measured.
#[derive(Debug)]
pub(crate) struct Reconnect {
    pub(crate) sessions: usize,
    pub(crate) idle_kib: f64,
    pub(crate) back: usize,
    pub(crate) recovered: usize,
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
    /// Statements the database ran for all of them.
    pub(crate) statements: u64,
    /// Memory with all sessions, before and after they came back, in MiB.
    pub(crate) mib_before: f64,
    pub(crate) mib_after: f64,
    /// Memory before anybody came, and after all had left.
    pub(crate) mib_empty: f64,
    pub(crate) mib_left: f64,
}

pub(crate) async fn measure(sessions: usize, skywave: &Path) -> anyhow::Result<Reconnect> {
    eprintln!("{sessions} sessions return");
    let server = Server::start(Kind::Skywave, skywave, Path::new("")).await?;
    let mut sender = Member::connect(Kind::Skywave, &server.address).await?;
    sender
        .hello(Some(&token("boss", true)?), None, None)
        .await?;
    let made = sender
        .ask("create_room", json!({ "name": "Bench" }))
        .await?;
    let room = made["room"]["channel"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    // The database and the allocator are warm before memory is looked at.
    drop(come(&server, &room, &vec![None; sessions.min(500)]).await);
    tokio::time::sleep(Duration::from_secs(2)).await;
    sender.ping().await?;
    let empty = server.memory()?;
    let first = come(&server, &room, &vec![None; sessions]).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let full = server.memory()?;
    sender.ping().await?;
    let (members, positions): (Vec<_>, Vec<_>) = first
        .into_iter()
        .filter_map(Result::ok)
        .map(|(member, position, _)| (member, Some(position)))
        .unzip();
    let opened = positions.len().max(1);
    drop(members);
    for _ in 0..5 {
        sender.send(&room).await?;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let statements = server.counter(STATEMENTS).await?;
    let (cpu, begun) = (server.cpu()?, Instant::now());
    let again = come(&server, &room, &positions).await;
    let (seconds, used) = (begun.elapsed(), server.cpu()? - cpu);
    let statements = server.counter(STATEMENTS).await? - statements;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let again_full = server.memory()?;
    let back: Vec<_> = again.into_iter().filter_map(Result::ok).collect();
    let recovered = back.iter().filter(|(_, _, recovered)| *recovered).count();
    let count = back.len();
    drop(back);
    tokio::time::sleep(Duration::from_secs(3)).await;
    Ok(Reconnect {
        sessions,
        idle_kib: full.saturating_sub(empty) as f64 / 1024.0 / opened as f64,
        back: count,
        recovered,
        seconds: seconds.as_secs_f64(),
        cpu_seconds: used.as_secs_f64(),
        statements,
        mib_before: mib(full),
        mib_after: mib(again_full),
        mib_empty: mib(empty),
        mib_left: mib(server.memory()?),
    })
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}

type Came = anyhow::Result<(Member, Position, bool)>;

/// Connects as many as there are positions, each from its own.
async fn come(server: &Server, room: &str, positions: &[Option<Position>]) -> Vec<Came> {
    stream::iter(positions)
        .map(|from| async move {
            let mut member = Member::connect(Kind::Skywave, &server.address).await?;
            let greeted = member.hello(None, Some(room), from.as_ref()).await?;
            let greeted = greeted.expect("one subscription was asked for");
            Ok((member, greeted.position, greeted.recovered))
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await
}
