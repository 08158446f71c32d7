//! Cores on threads, with sockets and a clock.

mod load;
mod rhythm;
mod thread;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rand::Rng;
use wire::TrackId;

use crate::config::{Config, ConfigError, Secrets};
use crate::core::Stats;
use crate::message::{Command, Frames};
use crate::queue::{EventSender, Events, Inbox, Overloaded, events};
use crate::socket::Bound;
use thread::{Parts, Worker};

/// A running engine. Dropping it closes all connections and joins its threads.
#[derive(Debug)]
pub struct Engine {
    handle: Handle,
    address: SocketAddr,
    threads: Vec<JoinHandle<()>>,
    events: EventSender,
}

/// An engine's port: bound, and not served yet.
#[derive(Debug)]
pub struct Port {
    address: SocketAddr,
    sockets: Vec<Bound>,
}

/// Commands and frames to an engine; cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    inboxes: Vec<Arc<Inbox>>,
    stats: Vec<Arc<Mutex<ThreadStats>>>,
    frames_pushed_out: AtomicU64,
}

/// What one thread has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ThreadStats {
    /// Of its core.
    pub core: Stats,
    /// Packets the kernel did not take.
    pub packets_unsent: u64,
    /// Times the socket failed to give what had arrived.
    pub receives_failed: u64,
    /// Packets handed over to the thread whose connection they belong to.
    pub packets_handed: u64,
    /// Times it failed and started anew.
    pub restarts: u64,
    /// It works all the time, and refuses new sessions.
    pub is_full: bool,
}

/// Why an engine does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration cannot serve.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No thread, or more than 256.
    #[error("an engine has 1 to 256 threads")]
    Threads,
    /// The socket cannot be bound, or a thread not started.
    #[error("cannot serve on {address}: {source}")]
    Io {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

impl Engine {
    /// Binds a socket for each thread, all to one port, and serves.
    ///
    /// With `pins`, thread n runs on processor `pins[n]` only. One thread per core is
    /// what it is made for; a thread costs about 1 MiB before its first session.
    pub fn start(
        config: Config,
        address: SocketAddr,
        threads: usize,
        pins: &[usize],
    ) -> Result<(Self, Events), StartError> {
        Self::serve(config, Port::bind(address, threads)?, pins)
    }

    /// Serves on a port that is bound already.
    pub fn serve(config: Config, port: Port, pins: &[usize]) -> Result<(Self, Events), StartError> {
        let Port { address, sockets } = port;
        let failed = |source| StartError::Io { address, source };
        let threads = sockets.len();
        let inboxes: Vec<_> = (0..threads)
            .map(|_| Inbox::new().map(Arc::new))
            .collect::<io::Result<_>>()
            .map_err(failed)?;
        let shared = Arc::new(Shared {
            inboxes,
            stats: (0..threads).map(|_| Arc::default()).collect(),
            frames_pushed_out: AtomicU64::new(0),
        });
        let (sender, receiver) = events();
        let mut engine = Self {
            handle: Handle(shared.clone()),
            address,
            threads: Vec::new(),
            events: sender.clone(),
        };
        let config = Arc::new(config);
        let secrets = Secrets::new(rand::rng().random());
        for (number, socket) in sockets.into_iter().enumerate() {
            let parts = Parts {
                config: config.clone(),
                secrets: secrets.clone(),
                number,
                bound: socket,
                inboxes: shared.inboxes.clone(),
                events: sender.clone(),
                stats: shared.stats[number].clone(),
                core: thread::core(&config, &secrets, number, 0)?,
            };
            let pin = pins.get(number).copied();
            let thread = std::thread::Builder::new()
                .name(format!("engine-{number}"))
                .spawn(move || match Worker::new(parts) {
                    Ok(worker) => worker.run(pin),
                    Err(error) => tracing::error!(%error, number, "an engine thread cannot run"),
                })
                .map_err(failed)?;
            engine.threads.push(thread);
        }
        Ok((engine, receiver))
    }

    /// The port's address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// For commands and frames.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }
}

impl Port {
    /// Binds a socket for each thread. A port somebody else has is an error.
    pub fn bind(address: SocketAddr, threads: usize) -> Result<Self, StartError> {
        if !(1..=256).contains(&threads) {
            return Err(StartError::Threads);
        }
        let failed = |source| StartError::Io { address, source };
        // Sockets that share a port would share it with another program as well.
        Bound::check_free(address).map_err(failed)?;
        let mut sockets = vec![Bound::bind(address).map_err(failed)?];
        let address = sockets[0].address();
        for _ in 1..threads {
            sockets.push(Bound::bind(address).map_err(failed)?);
        }
        Ok(Self { address, sockets })
    }

    /// Where it is bound.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        for inbox in &self.handle.0.inboxes {
            inbox.stop();
        }
        for thread in self.threads.drain(..) {
            // A thread contains its panics; there is nothing more to learn from it here.
            let _ = thread.join();
        }
        self.events.finish();
    }
}

impl Handle {
    /// Asks for something. Never blocks; refuses when the session's thread is so far
    /// behind that its queue is full.
    pub fn command(&self, command: Command) -> Result<(), Overloaded> {
        match self.0.inboxes.get(usize::from(command.session().thread())) {
            Some(inbox) => inbox.command(command),
            // An id of another engine: its session is not here.
            None => Ok(()),
        }
    }

    /// Sends a frame to everybody who joined the track, on all threads. Never blocks;
    /// what a thread does not get to in time pushes out its oldest.
    pub fn frame(&self, track: TrackId, frame: impl Into<Frames>) {
        let frames = frame.into();
        for inbox in &self.0.inboxes {
            if inbox.frame(track, frames.clone()) {
                self.0.frames_pushed_out.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Has a thread panic in its next turn.
    #[cfg(any(test, feature = "testing"))]
    pub fn fail(&self, thread: u8) {
        if let Some(inbox) = self.0.inboxes.get(usize::from(thread)) {
            inbox.fail();
        }
    }

    /// Counters of each thread, at most a quarter of a second old.
    #[must_use]
    pub fn stats(&self) -> Vec<ThreadStats> {
        let stats = self.0.stats.iter();
        stats
            .map(|stats| *stats.lock().unwrap_or_else(PoisonError::into_inner))
            .collect()
    }

    /// Frames pushed out of a thread's queue before it saw them.
    #[must_use]
    pub fn frames_pushed_out(&self) -> u64 {
        self.0.frames_pushed_out.load(Ordering::Relaxed)
    }
}
