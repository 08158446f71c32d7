//! A bad network between real processes: a UDP proxy with a seeded link each way.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use media::testing::{Link, LinkConfig};

/// How long a round over the sockets waits; the links are no finer than this.
const ROUND: Duration = Duration::from_millis(1);

/// Packets of clients taken in one round, so that what returns is not held up.
const PACKETS_A_ROUND: usize = 64;

/// Larger than any datagram of QUIC.
const BYTES_MAX: usize = 2048;

/// Takes packets at 127.0.0.1 and carries them to another address and back until it is
/// dropped. Every client has links of its own, seeded in the order they come.
pub(crate) struct Shaper {
    stop: Arc<AtomicBool>,
    rebind: Arc<AtomicBool>,
    changed: Arc<Mutex<Option<LinkConfig>>>,
    thread: Option<JoinHandle<()>>,
}

impl Shaper {
    /// Between the socket `front` and `server`.
    pub(crate) fn start(
        front: UdpSocket,
        server: SocketAddr,
        config: LinkConfig,
        seed: u64,
    ) -> Self {
        println!("shaper seed {seed}");
        front.set_read_timeout(Some(ROUND)).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let rebind = Arc::<AtomicBool>::default();
        let rebound = Arc::clone(&rebind);
        let changed = Arc::<Mutex<Option<LinkConfig>>>::default();
        let changes = Arc::clone(&changed);
        let thread = std::thread::spawn(move || {
            let mut network = Network {
                front,
                server,
                config,
                seed,
                began: Instant::now(),
                flows: HashMap::new(),
            };
            while !stopped.load(Ordering::Relaxed) {
                if rebound.swap(false, Ordering::Relaxed) {
                    network.rebind();
                }
                if let Some(config) = changes.lock().unwrap().take() {
                    network.change(config);
                }
                network.round();
            }
        });
        Self {
            stop,
            rebind,
            changed,
            thread: Some(thread),
        }
    }

    /// Is another network from now on.
    pub(crate) fn change(&self, config: LinkConfig) {
        *self.changed.lock().unwrap() = Some(config);
    }

    /// Forgets all clients' ports, as a NAT does that restarts: each comes from another
    /// port from now on, and what is on its way to the old one is lost.
    pub(crate) fn rebind(&self) {
        self.rebind.store(true, Ordering::Relaxed);
    }
}

impl Drop for Shaper {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Network {
    front: UdpSocket,
    server: SocketAddr,
    config: LinkConfig,
    seed: u64,
    began: Instant,
    flows: HashMap<SocketAddr, Flow>,
}

/// One client's way to the server and back.
struct Flow {
    back: UdpSocket,
    up: Link<Vec<u8>>,
    down: Link<Vec<u8>>,
}

impl Network {
    fn round(&mut self) {
        let mut bytes = [0; BYTES_MAX];
        // Reading waits for a round when there is nothing, so that an idle network costs little.
        let mut left = PACKETS_A_ROUND;
        while left > 0
            && let Some((size, client)) = read(&self.front, &mut bytes)
        {
            left -= 1;
            let now = self.began.elapsed();
            let packet = bytes[..size].to_vec();
            self.flow(client).up.send_sized(now, size, packet);
        }
        let now = self.began.elapsed();
        for (client, flow) in &mut self.flows {
            while let Some((size, _)) = read(&flow.back, &mut bytes) {
                flow.down.send_sized(now, size, bytes[..size].to_vec());
            }
            // What cannot be sent is lost, as on any network.
            while let Some((_, packet)) = flow.up.receive(now) {
                let _ = flow.back.send(&packet);
            }
            while let Some((_, packet)) = flow.down.receive(now) {
                let _ = self.front.send_to(&packet, client);
            }
        }
    }

    fn change(&mut self, config: LinkConfig) {
        self.config = config;
        for flow in self.flows.values_mut() {
            (flow.up.config, flow.down.config) = (config, config);
        }
    }

    fn rebind(&mut self) {
        for flow in self.flows.values_mut() {
            // Bound before the old one is gone: certainly another port.
            flow.back = way_to(self.server);
        }
    }

    fn flow(&mut self, client: SocketAddr) -> &mut Flow {
        let number = self.flows.len() as u64;
        let (server, config, seed) = (self.server, self.config, self.seed);
        self.flows.entry(client).or_insert_with(|| Flow {
            back: way_to(server),
            up: Link::new(config, seed + 2 * number),
            down: Link::new(config, seed + 2 * number + 1),
        })
    }
}

fn way_to(server: SocketAddr) -> UdpSocket {
    let back = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    back.connect(server).unwrap();
    back.set_nonblocking(true).unwrap();
    back
}

fn read(socket: &UdpSocket, bytes: &mut [u8]) -> Option<(usize, SocketAddr)> {
    match socket.recv_from(bytes) {
        Ok(read) => Some(read),
        Err(error) => {
            let quiet = [
                ErrorKind::WouldBlock,
                ErrorKind::TimedOut,
                ErrorKind::ConnectionRefused,
                ErrorKind::Interrupted,
            ];
            assert!(quiet.contains(&error.kind()), "{error}");
            None
        }
    }
}
