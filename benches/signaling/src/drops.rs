//! Clients that lose their connection again and again while messages flow: what reaches them.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::timeout_at;

use crate::RunArguments;
use crate::contender::{Kind, Server, token};
use crate::fanout::sender;
use crate::member::{Greeted, Member, Position, number_in};

const CLIENTS: u64 = 200;

/// Between two messages: two a second.
const PAUSE: Duration = Duration::from_millis(500);

/// How long a client is away.
const AWAY: Duration = Duration::from_secs(2);

/// How long the clients that are away at the end may take to have all.
const LAST: Duration = Duration::from_secs(10);

/// What reached the clients of one server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drops {
    pub(crate) sent: u64,
    /// Connections lost, of all clients together.
    pub(crate) drops: u64,
    /// Messages that arrived, of those that should have arrived.
    pub(crate) delivered: f64,
    pub(crate) twice: u64,
    /// Messages that came after a later one.
    pub(crate) disordered: u64,
}

/// All contenders at the same time: there is little to do for any.
pub(crate) async fn measure(
    arguments: &RunArguments,
    skywave: &Path,
) -> anyhow::Result<Vec<(Kind, Drops)>> {
    eprintln!(
        "{CLIENTS} clients drop and return, {} s",
        arguments.drop_seconds
    );
    LocalSet::new()
        .run_until(async {
            let runs = Kind::ALL.map(|kind| {
                let (skywave, peer) = (skywave.to_owned(), arguments.peer.clone());
                let seconds = Duration::from_secs(arguments.drop_seconds);
                tokio::task::spawn_local(async move { run(kind, &skywave, &peer, seconds).await })
            });
            let mut found = Vec::new();
            for (kind, running) in Kind::ALL.into_iter().zip(runs) {
                match running.await? {
                    Ok(drops) => found.push((kind, drops)),
                    Err(error) if kind == Kind::Skywave => return Err(error),
                    Err(error) => eprintln!("{}: not measured: {error:#}", kind.name()),
                }
            }
            Ok(found)
        })
        .await
}

/// What one client heard, in that order.
#[derive(Debug, Default)]
struct Log {
    numbers: Vec<u64>,
    drops: u64,
}

async fn run(kind: Kind, skywave: &Path, peer: &Path, length: Duration) -> anyhow::Result<Drops> {
    let server = Rc::new(Server::start(kind, skywave, peer).await?);
    let (mut boss, room) = sender(&server).await?;
    let (finish, finished) = tokio::sync::watch::channel(None);
    let seed = rand::random();
    eprintln!("{}: seed {seed}", kind.name());
    let mut random = StdRng::seed_from_u64(seed);
    let mut clients = JoinSet::new();
    let mut logs = Vec::new();
    for number in 0..CLIENTS {
        let log = Rc::<RefCell<Log>>::default();
        logs.push(Rc::clone(&log));
        let mut client = Client {
            server: Rc::clone(&server),
            room: room.clone(),
            token: token(&format!("user{number}"), false)?,
            position: None,
            random: StdRng::seed_from_u64(random.random()),
            log,
        };
        let mut member = client.connect().await?;
        if kind == Kind::Skywave {
            let channel = json!({ "channel": room });
            member.ask("join_room", channel).await?;
        }
        clients.spawn_local(client.live(member, finished.clone()));
    }
    let mut sent = Vec::new();
    let end = Instant::now() + length;
    while Instant::now() < end {
        sent.push(boss.send(&room).await?);
        boss.rest(Instant::now() + PAUSE).await?;
        if sent.len() % 20 == 0 {
            boss.ping().await?;
        }
    }
    finish.send(Some(Instant::now() + LAST))?;
    while let Some(client) = clients.join_next().await {
        client??;
    }
    Ok(judge(&sent, &logs))
}

fn judge(sent: &[u64], logs: &[Rc<RefCell<Log>>]) -> Drops {
    let (mut arrived, mut twice, mut disordered, mut drops) = (0, 0, 0, 0);
    for log in logs {
        let log = log.borrow();
        drops += log.drops;
        let mut sorted = log.numbers.clone();
        sorted.sort_unstable();
        sorted.dedup();
        twice += (log.numbers.len() - sorted.len()) as u64;
        disordered += log
            .numbers
            .windows(2)
            .filter(|pair| pair[0] > pair[1])
            .count() as u64;
        arrived += sent
            .iter()
            .filter(|number| sorted.binary_search(number).is_ok())
            .count();
    }
    Drops {
        sent: sent.len() as u64,
        drops,
        delivered: arrived as f64 / (sent.len() * logs.len()) as f64,
        twice,
        disordered,
    }
}

type Finished = tokio::sync::watch::Receiver<Option<Instant>>;

struct Client {
    server: Rc<Server>,
    room: String,
    token: String,
    position: Option<Position>,
    random: StdRng,
    log: Rc<RefCell<Log>>,
}

impl Client {
    /// Hears for some 15 s, loses the connection, is away, returns, and again.
    async fn live(mut self, mut member: Member, mut finished: Finished) -> anyhow::Result<()> {
        loop {
            let life = Duration::from_secs_f64(self.random.random_range(10.0..20.0));
            let cut = Instant::now() + life;
            let ended = tokio::select! {
                // A server that cuts it off counts like the network doing so.
                _ = self.hear(&mut member, cut) => None,
                end = finished.wait_for(Option::is_some) => *end?,
            };
            if let Some(end) = ended {
                return self.hear(&mut member, end).await;
            }
            self.log.borrow_mut().drops += 1;
            // No farewell: the server finds out by itself.
            drop(member);
            tokio::time::sleep(AWAY).await;
            member = self.connect().await?;
        }
    }

    async fn connect(&mut self) -> anyhow::Result<Member> {
        let mut member = Member::connect(self.server.kind, &self.server.address).await?;
        if self.server.kind != Kind::Skywave {
            member.enter().await?;
            return Ok(member);
        }
        let from = self.position.as_ref();
        let greeted = member.hello(Some(&self.token), Some(&self.room), from);
        let Greeted {
            position, missed, ..
        } = greeted.await?.context("a room")?;
        for event in &missed {
            self.note(event);
        }
        self.position = Some(position);
        Ok(member)
    }

    /// Notes what it is told until then.
    async fn hear(&mut self, member: &mut Member, until: Instant) -> anyhow::Result<()> {
        while let Ok(told) = timeout_at(until.into(), member.next()).await {
            let told = told?;
            self.note(&told);
            let Some((_, at)) = &mut self.position else {
                continue;
            };
            let frame: Value = serde_json::from_str(&told)?;
            if frame["channel"] == self.room
                && let Some(offset) = frame["offset"].as_u64()
            {
                *at = offset;
            }
        }
        Ok(())
    }

    fn note(&self, frame: &str) {
        if let Some(number) = number_in(frame) {
            self.log.borrow_mut().numbers.push(number);
        }
    }
}
