//! One room, many members, a few messages a second: what a delivery costs.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use hdrhistogram::Histogram;
use serde_json::json;
use tokio::task::{JoinSet, LocalSet};

use crate::RunArguments;
use crate::contender::{Kind, Server, token};
use crate::member::Member;

/// Connections made at the same time.
const AT_ONCE: usize = 50;

/// How long the last messages may take.
const LAST: Duration = Duration::from_secs(10);

/// What one round measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    pub(crate) deliveries_per_cpu_second: f64,
    pub(crate) delivered: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// The rounds of each contender that could be measured.
pub(crate) async fn measure(
    arguments: &RunArguments,
    skywave: &Path,
) -> anyhow::Result<Vec<(Kind, Vec<Round>)>> {
    let mut found: Vec<(Kind, Vec<Round>)> = Kind::ALL
        .into_iter()
        .map(|kind| (kind, Vec::new()))
        .collect();
    for number in 0..arguments.rounds {
        for (kind, rounds) in &mut found {
            eprintln!("fan-out, round {}: {}", number + 1, kind.name());
            let measured = LocalSet::new()
                .run_until(round(*kind, arguments, skywave))
                .await;
            match measured {
                Ok(measured) => rounds.push(measured),
                Err(error) if *kind == Kind::Skywave => return Err(error),
                Err(error) => eprintln!("not measured: {error:#}"),
            }
        }
    }
    Ok(found)
}

#[derive(Debug)]
struct Heard {
    delays: Histogram<u64>,
}

async fn round(kind: Kind, arguments: &RunArguments, skywave: &Path) -> anyhow::Result<Round> {
    let server = Server::start(kind, skywave, &arguments.peer).await?;
    let (mut sender, room) = sender(&server).await?;
    let members = stream::iter(0..arguments.members)
        .map(|number| member(&server, &room, number))
        .buffer_unordered(AT_ONCE);
    let members: Vec<anyhow::Result<Member>> = members.collect().await;
    let heard = Rc::new(RefCell::new(Heard {
        delays: Histogram::new_with_max(LAST.as_micros() as u64 * 2, 3)?,
    }));
    let mut tasks = JoinSet::new();
    for member in members {
        tasks.spawn_local(listen(member?, Rc::clone(&heard)));
    }
    // What joining caused is over.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (cpu, begun) = (server.cpu()?, Instant::now());
    let count = u64::from(arguments.rate) * arguments.seconds;
    for number in 0..count {
        let due = Duration::from_secs_f64(number as f64 / f64::from(arguments.rate));
        sender.rest(begun + due).await?;
        sender.send(&room).await?;
        if number % u64::from(arguments.rate * 5) == 0 {
            sender.ping().await?;
        }
    }
    let expected = count * arguments.members as u64;
    let deadline = Instant::now() + LAST;
    while heard.borrow().delays.len() < expected && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let used = server.cpu()? - cpu;
    let delays = &heard.borrow().delays;
    Ok(Round {
        deliveries_per_cpu_second: delays.len() as f64 / used.as_secs_f64(),
        delivered: delays.len() as f64 / expected as f64,
        p50_ms: delays.value_at_quantile(0.5) as f64 / 1_000.0,
        p99_ms: delays.value_at_quantile(0.99) as f64 / 1_000.0,
    })
}

/// Who sends, and where to. It does not count as a member.
pub(crate) async fn sender(server: &Server) -> anyhow::Result<(Member, String)> {
    let mut sender = Member::connect(server.kind, &server.address).await?;
    if server.kind != Kind::Skywave {
        sender.enter().await?;
        return Ok((sender, String::new()));
    }
    sender
        .hello(Some(&token("boss", true)?), None, None)
        .await?;
    let made = sender
        .ask("create_room", json!({ "name": "Bench" }))
        .await?;
    let room = made["room"]["channel"].as_str().unwrap_or_default();
    Ok((sender, room.to_owned()))
}

async fn member(server: &Server, room: &str, number: usize) -> anyhow::Result<Member> {
    let mut member = Member::connect(server.kind, &server.address).await?;
    if server.kind != Kind::Skywave {
        member.enter().await?;
        return Ok(member);
    }
    let token = token(&format!("user{number}"), false)?;
    member.hello(Some(&token), Some(room), None).await?;
    member.ask("join_room", json!({ "channel": room })).await?;
    Ok(member)
}

/// Hears until it is dropped, and tells the server that it is there.
async fn listen(mut member: Member, heard: Rc<RefCell<Heard>>) {
    let mut ping = tokio::time::interval(Duration::from_secs(10));
    loop {
        tokio::select! {
            delay = member.delay() => match delay {
                Ok(delay) => heard.borrow_mut().delays.saturating_record(delay),
                Err(error) => return eprintln!("a member is gone: {error:#}"),
            },
            _ = ping.tick() => {
                if member.ping().await.is_err() {
                    return;
                }
            }
        }
    }
}
