//! WebTransport listeners, each an ordinary QUIC client, without a task or a socket of its own.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Instant;

use bytes::BytesMut;
use engine::Batch;
use engine::testing::{ClientEvent, Clients, Udp, client_config};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use wire::audio::Datagram;
use wire::frame::write_framed;

use super::{Arguments, Awaits, Ears, Flock, Listener, PER_ADDRESS, PING, home, now};
use crate::trust;

pub(super) struct Listeners {
    server: SocketAddr,
    idle: bool,
    homes: Vec<Home>,
    joined: usize,
    batch: Batch,
    /// In the order they joined.
    members: VecDeque<Member>,
    /// Whose turn it is to be heard of.
    pings: VecDeque<(Instant, Member)>,
}

/// A home and a number there, and which of those who had it.
type Member = (usize, usize, u64);

/// One socket and its clients.
struct Home {
    udp: Udp,
    clients: Clients,
    arena: BytesMut,
    guests: Vec<Option<Guest>>,
}

struct Guest {
    /// Which of those who had this number.
    generation: u64,
    is_open: bool,
    listener: Listener,
}

impl Listeners {
    pub(super) fn new(arguments: &Arguments) -> anyhow::Result<Self> {
        let mut homes = Vec::new();
        // Those who leave count for some time still.
        for number in 0..arguments.listeners.div_ceil(PER_ADDRESS).max(4) {
            homes.push(Home {
                udp: Udp::bind(home(number * PER_ADDRESS))?,
                clients: Clients::new(
                    client_config(trust::anybody()?),
                    rand::random(),
                    Instant::now(),
                ),
                arena: BytesMut::new(),
                guests: Vec::new(),
            });
        }
        Ok(Self {
            server: arguments.server,
            idle: arguments.idle,
            homes,
            joined: 0,
            batch: Batch::new(),
            members: VecDeque::new(),
            pings: VecDeque::new(),
        })
    }

    fn ping(&mut self, now: Instant) {
        while let Some(&(due, member)) = self.pings.front() {
            if due > now {
                return;
            }
            self.pings.pop_front();
            let (home, number, generation) = member;
            let home = &mut self.homes[home];
            if let Some(guest) = home.guest(number, generation) {
                self.pings.push_back((now + PING, member));
                if !guest.is_open {
                    continue;
                }
                let mut frame = Vec::new();
                write_framed(&super::ping(), &mut frame);
                home.clients.write(number, &frame);
            }
        }
    }
}

impl Flock for Listeners {
    fn join(&mut self, station: u32) -> anyhow::Result<()> {
        let number = self.joined % self.homes.len();
        let generation = self.joined as u64;
        self.joined += 1;
        let home = &mut self.homes[number];
        let now = Instant::now();
        let client = home.clients.connect(now, self.server, "/v1");
        if client >= home.guests.len() {
            home.guests.resize_with(client + 1, || None);
        }
        home.guests[client] = Some(Guest {
            generation,
            is_open: false,
            listener: Listener {
                station,
                asked: now,
                awaits: Some(Awaits::FirstSound),
            },
        });
        self.members.push_back((number, client, generation));
        self.pings
            .push_back((now + PING, (number, client, generation)));
        Ok(())
    }

    fn leave(&mut self) -> bool {
        while let Some((home, number, generation)) = self.members.pop_front() {
            let home = &mut self.homes[home];
            if home.guest(number, generation).is_some() {
                home.guests[number] = None;
                home.clients.close(Instant::now(), number, 0, "");
                return true;
            }
        }
        false
    }

    fn zap(&mut self, number: usize, station: u32) -> anyhow::Result<()> {
        let (home, number, _) = self.members[number];
        let home = &mut self.homes[home];
        let mut frame = Vec::new();
        write_framed(&super::listen(station)?, &mut frame);
        home.clients.write(number, &frame);
        if let Some(guest) = &mut home.guests[number] {
            guest.listener.station = station;
            guest.listener.asked = Instant::now();
            guest.listener.awaits = Some(Awaits::Zap);
        }
        Ok(())
    }

    fn turn(&mut self, ears: &mut Ears) -> anyhow::Result<bool> {
        self.ping(Instant::now());
        let mut is_busy = false;
        for home in &mut self.homes {
            is_busy |= home.turn(&mut self.batch, ears, self.idle)?;
        }
        Ok(is_busy)
    }

    fn wait(&mut self) -> anyhow::Result<()> {
        let homes = self.homes.iter();
        let mut fds: Vec<_> = homes
            .map(|home| PollFd::new(home.udp.as_fd(), PollFlags::POLLIN))
            .collect();
        poll(&mut fds, PollTimeout::from(1u8))?;
        Ok(())
    }
}

impl Home {
    fn guest(&self, number: usize, generation: u64) -> Option<&Guest> {
        let guest = self.guests.get(number)?.as_ref();
        guest.filter(|guest| guest.generation == generation)
    }

    fn turn(&mut self, batch: &mut Batch, ears: &mut Ears, idle: bool) -> anyhow::Result<bool> {
        let Self {
            udp,
            clients,
            arena,
            ..
        } = self;
        let mut is_busy = false;
        let mut arrived = None;
        let more = udp.receive(|remote, bytes| {
            is_busy = true;
            let (now, _) = *arrived.get_or_insert_with(now);
            if arena.capacity() < bytes.len() {
                arena.reserve(64 * 1024);
            }
            arena.extend_from_slice(bytes);
            clients.handle_datagram(now, remote, arena.split());
        })?;
        let (now, micros) = arrived.unwrap_or_else(now);
        while let Some(event) = self.clients.poll_event() {
            self.handle(event, micros, ears, idle)?;
        }
        self.clients.handle_timeouts(now);
        loop {
            batch.clear();
            let more = self.clients.poll_transmit(now, batch);
            self.udp.send(batch);
            if !more {
                break;
            }
        }
        Ok(more || is_busy)
    }

    fn handle(
        &mut self,
        event: ClientEvent,
        micros: u64,
        ears: &mut Ears,
        idle: bool,
    ) -> anyhow::Result<()> {
        match event {
            ClientEvent::Open(number) => {
                let Some(Some(guest)) = self.guests.get_mut(number) else {
                    return Ok(());
                };
                guest.is_open = true;
                let mut frames = Vec::new();
                for frame in super::opening((!idle).then_some(guest.listener.station))? {
                    write_framed(&frame, &mut frames);
                }
                self.clients.write(number, &frames);
                if idle {
                    ears.open += 1;
                }
            }
            ClientEvent::Datagram(number, bytes) => {
                if let Some(Some(guest)) = self.guests.get_mut(number)
                    && let Ok(datagram) = Datagram::decode(&bytes)
                {
                    ears.hear(&mut guest.listener, datagram.packet, micros);
                }
            }
            ClientEvent::Lost(number, why) => self.lose(number, &why, ears),
            ClientEvent::Refused(number, status) => {
                self.lose(number, &format!("status {status}"), ears);
            }
            ClientEvent::Control(number, bytes) => {
                if let Some(why) = super::refusal(&bytes) {
                    self.lose(number, &why, ears);
                }
            }
            ClientEvent::Uni(..) | ClientEvent::Capsule(..) => {}
        }
        Ok(())
    }

    fn lose(&mut self, number: usize, why: &str, ears: &mut Ears) {
        if let Some(guest) = self.guests.get_mut(number)
            && guest.take().is_some()
        {
            ears.lose(why);
        }
    }
}
