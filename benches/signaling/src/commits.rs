//! Committed messages a second: each of many senders waits for its reply, which means
//! flushed to disk, before it sends the next.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use signaling::token::{Grants, Identity};
use signaling::{Class, Config, Outbox, Rate, Rates, Service};
use wire::code::CloseCode;
use wire::frame::{Batch, Request};

#[derive(Debug)]
struct Nowhere;

impl Outbox for Nowhere {
    fn push(&self, _batch: Batch, _class: Class) {}
    fn close(&self, _code: CloseCode, _reason: &str) {}
}

fn identity(sub: String) -> Identity {
    Identity {
        sub,
        name: None,
        token_id: None,
        expires_at: u64::MAX,
        grants: Grants::default(),
    }
}

/// Which database, and how much is asked of it.
#[derive(Debug, clap::Args)]
pub(crate) struct CommitsArguments {
    /// `sqlite:FILE` or `postgres://USER@HOST/DATABASE`
    url: String,
    #[arg(long, default_value_t = 100)]
    senders: usize,
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

pub(crate) async fn run(arguments: CommitsArguments) -> anyhow::Result<()> {
    let CommitsArguments {
        url,
        senders,
        seconds,
    } = arguments;
    let plenty = Rate {
        burst: u32::MAX,
        per_minute: u32::MAX,
    };
    let mut config = Config::new(url);
    config.rates = Rates {
        write: plenty,
        touch: plenty,
        typing: plenty,
        read: plenty,
        manage: plenty,
        subscribe: plenty,
        guest: plenty,
    };
    let service = Arc::new(Service::start(&config).await?);
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let owner = service.connect(Some(&identity("owner".into())), address, Arc::new(Nowhere));
    let request = Request::new(1, "create_room", &serde_json::json!({ "name": "Rate" }));
    let made = service
        .request(&owner, &request)
        .await
        .context("create_room is a method")??;
    let made: serde_json::Value = serde_json::from_str(made.get())?;
    let room = made["room"]["channel"]
        .as_str()
        .context("a channel")?
        .to_owned();

    let run = format!("{:x}", rand::random::<u32>());
    let stored = Arc::new(AtomicU64::new(0));
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let mut tasks = tokio::task::JoinSet::new();
    for sender in 0..senders {
        let (service, room, stored, run) =
            (service.clone(), room.clone(), stored.clone(), run.clone());
        tasks.spawn(async move {
            let sub = format!("sender{sender}");
            let session = service.connect(Some(&identity(sub)), address, Arc::new(Nowhere));
            let join = Request::new(1, "join_room", &serde_json::json!({ "channel": room }));
            service
                .request(&session, &join)
                .await
                .context("join_room is a method")??;
            let mut latencies = Vec::new();
            for number in 0.. {
                let began = Instant::now();
                if began >= deadline {
                    break;
                }
                let params = serde_json::json!({
                    "channel": room, "client_id": format!("{run}-{number}"),
                    "content": { "type": "text", "text": "x".repeat(100) },
                });
                let send = Request::new(1, "send", &params);
                service
                    .request(&session, &send)
                    .await
                    .context("send is a method")??;
                stored.fetch_add(1, Ordering::Relaxed);
                latencies.push(began.elapsed());
            }
            anyhow::Ok(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(done) = tasks.join_next().await {
        latencies.extend(done??);
    }
    latencies.sort_unstable();
    let at = |share: f64| {
        let index = (latencies.len() as f64 * share) as usize;
        latencies
            .get(index.min(latencies.len().saturating_sub(1)))
            .copied()
            .unwrap_or_default()
    };
    println!(
        "{} {senders} senders: {:.0} committed messages/s, p50 {:?}, p99 {:?}",
        service.store().backend(),
        stored.load(Ordering::Relaxed) as f64 / seconds as f64,
        at(0.5),
        at(0.99),
    );
    Ok(())
}
