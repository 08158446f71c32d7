//! One room, many members, a few messages a second: what a delivery costs.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use futures_util::{StreamExt, stream};
use hdrhistogram::Histogram;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use tokio::task::{JoinSet, LocalSet};

use crate::RunArguments;
use crate::contender::{Kind, Server, own_cpu, token};
use crate::member::Member;

/// Connections made at the same time.
const AT_ONCE: usize = 50;

/// Messages a second of one sender: no session may ask for more than 50 things a second.
const EACH: u32 = 25;

/// How often senders tell that they are there.
const PING: Duration = Duration::from_secs(5);

/// How long the last messages may take.
const LAST: Duration = Duration::from_secs(10);

/// What one round measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    pub(crate) deliveries_per_cpu_second: f64,
    pub(crate) delivered: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// How much of their processors server and clients used while messages were sent.
    pub(crate) server_busy: f64,
    pub(crate) clients_busy: f64,
}

/// What one contender did at one load: the rounds that could be measured.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) kind: Kind,
    /// Messages a second on average.
    pub(crate) rate: u32,
    pub(crate) rounds: Vec<Round>,
}

pub(crate) async fn measure(arguments: &RunArguments, skywave: &Path) -> anyhow::Result<Vec<Row>> {
    let row = |rate, kind| Row {
        kind,
        rate,
        rounds: Vec::new(),
    };
    let rates = arguments.rates.iter();
    let mut rows: Vec<Row> = rates
        .flat_map(|rate| Kind::ALL.map(|kind| row(*rate, kind)))
        .collect();
    for number in 0..arguments.rounds {
        for row in &mut rows {
            let (kind, rate) = (row.kind, row.rate);
            eprintln!(
                "fan-out, {rate} messages/s, round {}: {}",
                number + 1,
                kind.name()
            );
            let load = Load {
                times: times(rate, arguments.seconds, number as u64),
                senders: rate.div_ceil(EACH),
                members: arguments.members,
            };
            let measured = LocalSet::new()
                .run_until(round(kind, &load, arguments, skywave))
                .await;
            match measured {
                Ok(measured) => row.rounds.push(measured),
                Err(error) if kind == Kind::Skywave => return Err(error),
                Err(error) => eprintln!("not measured: {error:#}"),
            }
        }
    }
    Ok(rows)
}

#[derive(Debug)]
struct Load {
    /// When messages are sent, from the beginning.
    times: Vec<Duration>,
    senders: u32,
    members: usize,
}

/// When people write who do not wait for each other: a Poisson process, the same for the same
/// seed, so that contenders have the same load.
fn times(rate: u32, seconds: u64, seed: u64) -> Vec<Duration> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut time = 0.0;
    let mut times = Vec::new();
    loop {
        time -= random.random::<f64>().max(f64::MIN_POSITIVE).ln() / f64::from(rate);
        if time >= seconds as f64 {
            return times;
        }
        times.push(Duration::from_secs_f64(time));
    }
}

#[derive(Debug)]
struct Heard {
    delays: Histogram<u64>,
}

async fn round(
    kind: Kind,
    load: &Load,
    arguments: &RunArguments,
    skywave: &Path,
) -> anyhow::Result<Round> {
    let server = Server::start(kind, skywave, &arguments.peer).await?;
    let (first, room) = sender(&server).await?;
    let mut senders = vec![first];
    for number in 1..load.senders {
        senders.push(further_sender(&server, &room, number).await?);
    }
    let members = stream::iter(0..load.members)
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
    let (cpu, own_cpu_before, begun) = (server.cpu()?, own_cpu()?, Instant::now());
    send_all(&mut senders, load, &room).await?;
    let sent_for = begun.elapsed();
    let busy = |used: Duration| used.as_secs_f64() / sent_for.as_secs_f64();
    let server_busy = busy(server.cpu()? - cpu);
    let clients_busy = busy(own_cpu()? - own_cpu_before);
    let expected = (load.times.len() * load.members) as u64;
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
        server_busy,
        clients_busy,
    })
}

/// Sends the messages of a load at their times, each by the next sender.
async fn send_all(senders: &mut [Member], load: &Load, room: &str) -> anyhow::Result<()> {
    let begun = Instant::now();
    let mut pinged = Duration::ZERO;
    for (number, due) in load.times.iter().enumerate() {
        let until = begun + *due;
        try_join_all(senders.iter_mut().map(|sender| sender.rest(until))).await?;
        let turn = number % senders.len();
        senders[turn].send(room).await?;
        if *due > pinged + PING {
            pinged = *due;
            try_join_all(senders.iter_mut().map(Member::ping)).await?;
        }
    }
    Ok(())
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

/// One who sends as well; in a room of Skywave's it needs to be a member, and hears nothing.
async fn further_sender(server: &Server, room: &str, number: u32) -> anyhow::Result<Member> {
    let mut sender = Member::connect(server.kind, &server.address).await?;
    if server.kind != Kind::Skywave {
        sender.enter().await?;
        return Ok(sender);
    }
    let token = token(&format!("sender{number}"), true)?;
    sender.hello(Some(&token), None, None).await?;
    sender.ask("join_room", json!({ "channel": room })).await?;
    Ok(sender)
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
