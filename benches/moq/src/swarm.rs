//! Listeners, each with a session of its own.
//!
//! It speaks like the swarms of `skywave-bench`: says `open` when every listener has heard
//! something, and answers `read` and `reset`.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context;
use load::ears::{Ears, Listener};
use load::packet::micros;
use load::process;
use moq_net::track::{Subscriber, Subscription};
use moq_tokio::Client;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

use crate::{BROADCAST, Peer, TRACK};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) peer: Peer,
    #[arg(long)]
    listeners: usize,
    /// Listeners that join in a second.
    #[arg(long, default_value_t = 400.0)]
    rate: f64,
}

/// How long all may take to join beyond what their rate asks for.
const PATIENCE: Duration = Duration::from_secs(20);

/// How old a group may become before it is given up; none is here.
const MAX_AGE: Duration = Duration::from_secs(2);

/// How often it looks whether all hear.
const LOOK: Duration = Duration::from_millis(5);

type Shared = Rc<RefCell<Ears>>;

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let (sender, orders) = mpsc::channel(1);
    process::serve_questions(move |line| {
        // When the swarm is gone so is the process.
        let _ = sender.blocking_send(line.to_owned());
        None
    });
    let ears = Shared::default();
    let all = LocalSet::new();
    all.run_until(async {
        let client = arguments.peer.client()?;
        let begun = Instant::now();
        for number in 0..arguments.listeners {
            let due = Duration::from_secs_f64(number as f64 / arguments.rate);
            tokio::time::sleep(due.saturating_sub(begun.elapsed())).await;
            let (url, ears) = (arguments.peer.url()?, ears.clone());
            let (client, streams) = (client.clone(), arguments.peer.streams);
            tokio::task::spawn_local(async move {
                if let Err(error) = listen(client, url, streams, &ears).await {
                    ears.borrow_mut().lose(&format!("{error:#}"));
                }
            });
        }
        wait_for_all(arguments, &ears, begun).await?;
        obey(orders, &ears).await
    })
    .await
}

async fn wait_for_all(arguments: &Arguments, ears: &Shared, begun: Instant) -> anyhow::Result<()> {
    let joining = Duration::from_secs_f64(arguments.listeners as f64 / arguments.rate);
    loop {
        let open = ears.borrow().open;
        if open + ears.borrow().lost as usize >= arguments.listeners {
            println!("open");
            return Ok(());
        }
        if begun.elapsed() > PATIENCE + joining {
            println!("only {open} of {} hear something", arguments.listeners);
            anyhow::bail!("not all hear something");
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn obey(mut orders: mpsc::Receiver<String>, ears: &Shared) -> anyhow::Result<()> {
    while let Some(order) = orders.recv().await {
        println!("{}", ears.borrow().tell()?);
        if order == "reset" {
            ears.borrow_mut().reset();
        }
    }
    Ok(())
}

/// One listener, to its end.
async fn listen(client: Client, url: url::Url, streams: bool, ears: &Shared) -> anyhow::Result<()> {
    let mut listener = Listener::join(0, Instant::now());
    let origin = moq_tokio::origin::spawn();
    let session = client
        .with_subscriber(origin.clone())
        .with_reconnect(false)
        .connect(url);
    let session = session.established().await.context("no session")?;
    let broadcast = origin.consume().routed_broadcast(BROADCAST).await?;
    let subscription = Subscription::default().with_max_age(MAX_AGE);
    let mut track = broadcast.track(TRACK)?.subscribe(subscription).await?;
    let hear = async {
        while let Some(packet) = next(&mut track, streams).await? {
            ears.borrow_mut().hear(&mut listener, &packet, micros());
        }
        anyhow::bail!("the track has ended")
    };
    tokio::select! {
        ended = session.closed() => Ok(ended?),
        ended = hear => ended,
    }
}

/// The next packet, by datagram or from a group.
async fn next(track: &mut Subscriber, streams: bool) -> anyhow::Result<Option<Vec<u8>>> {
    if !streams {
        let datagram = track.recv_datagram().await?;
        return Ok(datagram.map(|datagram| datagram.payload.to_vec()));
    }
    let Some(mut group) = track.recv_group().await? else {
        return Ok(None);
    };
    let frame = group.read_frame().await?.context("an empty group")?;
    Ok(Some(frame.payload.to_vec()))
}
