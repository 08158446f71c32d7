//! WebTransport listeners, each an ordinary QUIC client, without a task or a socket of its own.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use engine::Batch;
use engine::testing::{ClientEvent, Clients, Udp, client_config, handed_over_config};
use load::ears::{Ears, Listener};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustc_hash::FxHashMap;
use wire::audio::Datagram;
use wire::frame::write_framed;

use super::light::{Light, Packet};
use super::{Arguments, Flock, PER_ADDRESS, PING, Way, home, now};
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
    /// The frames of a packet that was opened without quinn.
    opened: BytesMut,
    server: SocketAddr,
    guests: Vec<Option<Guest>>,
    /// Those who went on without quinn, by the connection id their packets bear.
    lights: FxHashMap<u64, usize>,
    /// When they acknowledge what has come until then, if they have not before.
    owing: VecDeque<Owing>,
    /// How many packets they wait for; none when all stay with quinn.
    ack_every: Option<u32>,
    /// How long they wait at most.
    ack_delay: Duration,
}

/// An acknowledgement to come.
struct Owing {
    due: Instant,
    number: usize,
    generation: u64,
    /// Which of the guest's it is.
    acknowledgement: u64,
}

struct Guest {
    /// Which of those who had this number.
    generation: u64,
    is_open: bool,
    listener: Listener,
    light: Option<Box<Light>>,
}

impl Listeners {
    pub(super) fn new(arguments: &Arguments) -> anyhow::Result<Self> {
        let is_light = arguments.way == Way::WebTransport;
        let config = match is_light {
            true => handed_over_config(trust::anybody()?),
            false => client_config(trust::anybody()?),
        };
        let mut homes = Vec::new();
        // Those who leave count for some time still.
        for number in 0..arguments.listeners.div_ceil(PER_ADDRESS).max(4) {
            homes.push(Home {
                udp: Udp::bind(home(number * PER_ADDRESS))?,
                clients: Clients::new(config.clone(), rand::random(), Instant::now()),
                arena: BytesMut::new(),
                opened: BytesMut::new(),
                server: arguments.server,
                guests: Vec::new(),
                lights: FxHashMap::default(),
                owing: VecDeque::new(),
                ack_every: is_light.then_some(arguments.ack_every),
                ack_delay: Duration::from_millis(arguments.ack_delay_ms),
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
                home.say(number, &super::ping(), &mut self.batch);
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
            listener: Listener::join(station, now),
            light: None,
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
                home.leave(number, &mut self.batch);
                return true;
            }
        }
        false
    }

    fn zap(&mut self, number: usize, station: u32) -> anyhow::Result<()> {
        let (home, number, _) = self.members[number];
        let home = &mut self.homes[home];
        home.say(number, &super::listen(station)?, &mut self.batch);
        if let Some(guest) = &mut home.guests[number] {
            guest.listener.zap(station);
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
        let mut is_busy = false;
        let mut arrived = None;
        let mut events = Vec::new();
        let mut closed = Vec::new();
        batch.clear();
        let Self {
            udp,
            clients,
            arena,
            opened,
            guests,
            lights,
            owing,
            ack_every,
            ack_delay,
            ..
        } = self;
        let more = udp.receive(|remote, bytes| {
            is_busy = true;
            let (now, micros) = *arrived.get_or_insert_with(now);
            if arena.capacity() < bytes.len() {
                arena.reserve(64 * 1024);
            }
            let cid = cid(bytes);
            let number = cid.and_then(|cid| lights.get(&cid)).copied();
            let Some(number) = number else {
                arena.extend_from_slice(bytes);
                clients.handle_datagram(now, remote, arena.split());
                events
                    .extend(std::iter::from_fn(|| clients.poll_event()).map(|event| (cid, event)));
                return;
            };
            let Some(Some(guest)) = guests.get_mut(number) else {
                return;
            };
            let Some(light) = &mut guest.light else {
                return;
            };
            let listener = &mut guest.listener;
            let packet = light.handle_packet(bytes, opened, |datagram| {
                if let Ok(datagram) = Datagram::decode(datagram) {
                    ears.hear(listener, datagram.packet, micros);
                }
            });
            match packet {
                Packet::Owed(owed) if ack_every.is_some_and(|every| owed >= every) => {
                    acknowledge(light, remote, batch);
                }
                Packet::Urgent => acknowledge(light, remote, batch),
                Packet::Owed(1) => owing.push_back(Owing {
                    due: now + *ack_delay,
                    number,
                    generation: guest.generation,
                    acknowledgement: light.next_acknowledgement(),
                }),
                Packet::Close => closed.push(number),
                Packet::Owed(_) | Packet::Unknown => {}
            }
        })?;
        let (now, micros) = arrived.unwrap_or_else(now);
        for number in closed {
            self.lose(number, "closed", ears);
        }
        for (cid, event) in events {
            self.handle(event, cid, micros, ears, idle)?;
        }
        self.acknowledge_what_is_due(now, batch);
        self.udp.send(batch);
        self.clients.handle_timeouts(now);
        while let Some(event) = self.clients.poll_event() {
            self.handle(event, None, micros, ears, idle)?;
        }
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

    fn acknowledge_what_is_due(&mut self, now: Instant, batch: &mut Batch) {
        while let Some(owing) = self.owing.pop_front_if(|owing| owing.due <= now) {
            if batch.is_full() {
                self.owing.push_front(owing);
                return;
            }
            let server = self.server;
            if let Some(Some(guest)) = self.guests.get_mut(owing.number)
                && guest.generation == owing.generation
                && let Some(light) = &mut guest.light
                && light.next_acknowledgement() == owing.acknowledgement
            {
                acknowledge(light, server, batch);
            }
        }
    }

    /// Writes a frame on a guest's control stream.
    fn say(&mut self, number: usize, json: &str, batch: &mut Batch) {
        let mut frame = Vec::new();
        write_framed(json, &mut frame);
        let light = self.guests[number]
            .as_mut()
            .and_then(|guest| guest.light.as_mut());
        let Some(light) = light else {
            self.clients.write(number, &frame);
            return;
        };
        batch.clear();
        let server = self.server;
        batch.push(|out| light.say(&frame, out).then_some((server, None)));
        self.udp.send(batch);
    }

    fn leave(&mut self, number: usize, batch: &mut Batch) {
        let guest = self.guests[number].take();
        let Some(mut light) = guest.and_then(|guest| guest.light) else {
            self.clients.close(Instant::now(), number, 0, "");
            return;
        };
        batch.clear();
        let server = self.server;
        batch.push(|out| light.close(out).then_some((server, None)));
        self.udp.send(batch);
        self.forget(number);
    }

    /// Forgets one who went on without quinn.
    fn forget(&mut self, number: usize) {
        self.lights.retain(|_, other| *other != number);
        self.clients.release(number);
    }

    fn handle(
        &mut self,
        event: ClientEvent,
        cid: Option<u64>,
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
                for frame in super::opening((!idle).then_some(guest.listener.station()))? {
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
                    self.lighten(number, cid);
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

    /// Goes on without quinn with one who hears its station.
    fn lighten(&mut self, number: usize, cid: Option<u64>) {
        let (Some(_), Some(cid), Some(Some(guest))) =
            (self.ack_every, cid, self.guests.get_mut(number))
        else {
            return;
        };
        if let Some(rest) = self.clients.hand_over(number) {
            guest.light = Some(Box::new(Light::new(rest)));
            self.lights.insert(cid, number);
        }
    }

    fn lose(&mut self, number: usize, why: &str, ears: &mut Ears) {
        if let Some(guest) = self.guests.get_mut(number)
            && let Some(guest) = guest.take()
        {
            ears.lose(why);
            if guest.light.is_some() {
                self.forget(number);
            }
        }
    }
}

fn acknowledge(light: &mut Light, server: SocketAddr, batch: &mut Batch) {
    // A batch has room for as many packets as one takes in.
    if !batch.is_full() {
        batch.push(|out| light.acknowledge(out).then_some((server, None)));
    }
}

/// The connection id of a packet with a short header.
fn cid(bytes: &[u8]) -> Option<u64> {
    let (first, rest) = bytes.split_first()?;
    let cid = rest.first_chunk()?;
    (first & 0x80 == 0).then(|| u64::from_le_bytes(*cid))
}
