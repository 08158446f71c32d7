//! An engine among strangers, by script: what a fuzzer and a random generator share.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use quinn_proto::{Dir, VarInt};
use wire::TrackId;

use super::clients::{Clients, client_config};
use super::pair::{Pair, client_tls};
use crate::batch::Batch;
use crate::message::{Command, Event, Frame, Lane, SessionId};

const SESSIONS_MAX: usize = 12;
const HANDSHAKES_MAX: usize = 6;

/// Captured packets kept; the oldest go.
const CAPTURED_MAX: usize = 64;

/// Longer scripts are cut: one input has to be quick.
const STEPS_MAX: usize = 400;

/// Lets an engine with one honest listener meet what the script says: datagrams of any
/// bytes, packets of other clients copied, cut, altered, delayed and sent from elsewhere,
/// clients that write anything on any stream, commands to sessions alive and gone.
///
/// The script is any bytes at all. Time is virtual; keys and connection ids are drawn
/// anew each time, so a script repeats what is done, not every byte of it.
///
/// # Panics
/// When the engine does, or when it breaks a promise: its limits, a session's beginning and
/// end told once, every frame to the honest listener, and nothing left of the others in the end.
pub fn hostile(script: &[u8]) {
    let mut world = World::new();
    let mut script = Script(script);
    for _ in 0..STEPS_MAX {
        let Some(step) = script.byte() else { break };
        world.step(step, &mut script);
        world.pair.exchange();
        world.pass();
        world.check();
    }
    world.finish();
}

/// Bytes taken from the front; what is missing is zero.
struct Script<'a>(&'a [u8]);

impl Script<'_> {
    fn byte(&mut self) -> Option<u8> {
        self.0.split_off_first().copied()
    }

    fn number(&mut self) -> usize {
        usize::from(self.byte().unwrap_or(0))
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        let len = len.min(self.0.len());
        self.0.split_off(..len).unwrap_or_default().to_vec()
    }
}

struct World {
    pair: Pair,
    listener: usize,
    track: TrackId,
    frames: u64,
    strangers: Clients,
    /// Where the strangers' packets come from, now.
    address: SocketAddr,
    captured: Vec<Vec<u8>>,
    /// Strangers that were begun, by number.
    begun: Vec<usize>,
    /// Sessions that were told of, and whether their end was.
    sessions: HashMap<SessionId, bool>,
}

impl World {
    fn new() -> Self {
        let mut pair = Pair::new(|config| {
            config.sessions_max = SESSIONS_MAX;
            config.handshakes_max = HANDSHAKES_MAX;
            config.handshakes_unvalidated_max = HANDSHAKES_MAX / 2;
            config.handshakes_per_address_max = 3;
            config.control_bytes_max = 8 * 1024;
            config.events_max = 64;
        });
        pair.clients.shows_datagrams = false;
        let track = TrackId::new(1).expect("in range");
        let (listener, opened) = pair.open();
        let session = opened.session;
        let join = Command::Join { session, track };
        pair.core.handle_command(pair.now, join);
        let strangers = Clients::new(client_config(client_tls()), [6; 32], pair.now);
        Self {
            listener,
            track,
            frames: 0,
            strangers,
            address: address(0),
            captured: Vec::new(),
            begun: Vec::new(),
            sessions: HashMap::from([(session, false)]),
            pair,
        }
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        match step % 16 {
            0 => {
                let (from, len) = (address(script.number()), script.number() * 6);
                let bytes = script.bytes(len);
                self.pair.inject(from, &bytes);
            }
            1 | 2 => self.begin(),
            3..=5 => self.replay(script),
            6 => self.forge(script),
            7 => self.address = address(script.number()),
            8 | 9 => {
                let frame = Frame::new(&[7; 250]);
                self.pair.core.handle_frame(self.track, frame);
                self.frames += 1;
                self.run(20);
            }
            10 => self.run(script.number() as u64),
            11 => self.run(script.number() as u64 * 40),
            12 | 13 => self.misuse(script),
            14 => self.command(script),
            _ => self.hang_up(script),
        }
    }

    /// One more stranger, as far as there are not too many.
    fn begin(&mut self) {
        if self.strangers.len() < 2 * SESSIONS_MAX {
            let server = self.pair.server_address();
            let number = self.strangers.connect(self.pair.now, server, "/v1");
            self.begun.push(number);
        }
    }

    /// A packet that was sent before: as it was, cut or altered, from anywhere.
    fn replay(&mut self, script: &mut Script<'_>) {
        let (which, from) = (script.number(), address(script.number()));
        let (how, at) = (script.number(), script.number() * 6);
        if self.captured.is_empty() {
            return;
        }
        let mut bytes = self.captured[which % self.captured.len()].clone();
        if how & 1 != 0 {
            bytes.truncate(at);
        }
        if how & 2 != 0
            && let Some(byte) = bytes.get_mut(at)
        {
            *byte ^= 1 << (how >> 5);
        }
        if how & 4 != 0 {
            bytes.extend_from_slice(&script.bytes(32));
        }
        self.pair.inject(from, &bytes);
    }

    /// The head of a packet that was sent before, and a body of the script's.
    fn forge(&mut self, script: &mut Script<'_>) {
        let (which, head, len) = (script.number(), script.number() % 48, script.number());
        let mut bytes = match self.captured.len() {
            0 => Vec::new(),
            len => self.captured[which % len].clone(),
        };
        bytes.truncate(head);
        bytes.extend_from_slice(&script.bytes(len));
        self.pair.inject(self.address, &bytes);
    }

    /// A stranger does something on its own connection.
    fn misuse(&mut self, script: &mut Script<'_>) {
        let (which, what, len) = (script.number(), script.number(), script.number());
        let bytes = script.bytes(len);
        let Some(number) = self.stranger(which) else {
            return;
        };
        let connect = self.strangers.connect_stream(number);
        let control = self.strangers.control_stream(number);
        if what % 8 == 7 {
            if control.is_some() {
                self.strangers.send_datagram(number, &bytes);
            }
            return;
        }
        let conn = self.strangers.conn(number);
        let stream = match what % 8 {
            0 => conn.streams().open(Dir::Uni),
            1 => conn.streams().open(Dir::Bi),
            2 | 3 => connect,
            4 => {
                let _ = conn.datagrams().send(bytes.into(), true);
                return;
            }
            // It panics before the handshake is done: our test's fault, not the engine's.
            5 if control.is_some() => return conn.force_key_update(),
            _ => control,
        };
        let Some(stream) = stream else { return };
        let mut stream = conn.send_stream(stream);
        let _ = stream.write(&bytes);
        match what >> 3 & 7 {
            0 => drop(stream.finish()),
            1 => drop(stream.reset(VarInt::from_u32(1))),
            _ => {}
        }
    }

    /// Whoever serves does something with a session, perhaps one that is gone.
    fn command(&mut self, script: &mut Script<'_>) {
        let (which, what) = (script.number(), script.number());
        let mut known: Vec<_> = self.sessions.keys().copied().collect();
        known.sort();
        // The honest listener is the first.
        let Some(&session) = known[1..].get(which % known.len().max(1)) else {
            return;
        };
        let lane = match what >> 4 {
            0 => Lane::Control,
            number => Lane::Uni(number as u8 - 1),
        };
        let (bytes, code) = (script.bytes(what), what as u32);
        let track = self.track;
        let command = match what % 9 {
            0 => Command::Accept { session },
            1 => Command::Refuse {
                session,
                status: 404,
            },
            2 => Command::Consumed {
                session,
                bytes: 10_000,
            },
            3 => Command::Write {
                session,
                lane,
                bytes: bytes.into(),
            },
            4 => Command::Fence { session, lane },
            5 => Command::Close {
                session,
                code,
                reason: "enough".into(),
            },
            6 => Command::Join { session, track },
            7 => Command::Leave { session },
            _ => Command::Level {
                session,
                level: what as u8,
            },
        };
        self.pair.core.handle_command(self.pair.now, command);
    }

    fn hang_up(&mut self, script: &mut Script<'_>) {
        if let Some(number) = self.stranger(script.number()) {
            let now = self.pair.now;
            self.strangers.close(now, number, 1, "gone");
        }
    }

    /// One of those that live.
    fn stranger(&mut self, which: usize) -> Option<usize> {
        let Self {
            begun, strangers, ..
        } = self;
        begun.retain(|number| strangers.has(*number));
        begun.get(which % begun.len().max(1)).copied()
    }

    /// Time passes, in steps in which the strangers' packets fly too.
    fn run(&mut self, ms: u64) {
        let end = self.pair.now + Duration::from_millis(ms);
        while self.pair.now < end {
            let step = (end - self.pair.now).min(Duration::from_millis(20));
            self.pair.run(step);
            self.strangers.handle_timeouts(self.pair.now);
            self.pass();
            self.check();
        }
    }

    /// Packets between the engine and the strangers, which see those for any address.
    fn pass(&mut self) {
        let server = self.pair.server_address();
        while let Some((_, bytes)) = self.pair.strays.pop_back() {
            let now = self.pair.now;
            self.strangers
                .handle_datagram(now, server, (&bytes[..]).into());
        }
        let mut batch = Batch::new();
        loop {
            batch.clear();
            let more = self.strangers.poll_transmit(self.pair.now, &mut batch);
            for packet in batch.packets() {
                self.pair.inject(self.address, &packet.bytes);
                self.captured.push(packet.bytes.clone());
            }
            if !more {
                break;
            }
        }
        // What they see is of no interest.
        while self.strangers.poll_event().is_some() {}
        let excess = self.captured.len().saturating_sub(CAPTURED_MAX);
        self.captured.drain(..excess);
        self.pair.exchange();
    }

    /// What must hold at any time.
    fn check(&mut self) {
        let stats = self.pair.core.stats();
        assert!(stats.sessions <= SESSIONS_MAX, "{stats:?}");
        assert!(stats.handshakes <= HANDSHAKES_MAX, "{stats:?}");
        while let Some(event) = self.pair.events.pop_front() {
            self.tell(&event);
        }
    }

    fn tell(&mut self, event: &Event) {
        let session = event.session().expect("no thread is here to fail");
        let before = self.sessions.get(&session);
        match event {
            Event::Opened(_) => {
                assert_eq!(before, None, "{event:?} twice");
                self.sessions.insert(session, false);
            }
            Event::Closed { .. } => {
                assert_eq!(before, Some(&false), "{event:?}");
                self.sessions.insert(session, true);
            }
            _ => assert_eq!(before, Some(&false), "{event:?} outside of its session"),
        }
    }

    /// The strangers fall silent: the listener has heard all, and they are forgotten.
    fn finish(&mut self) {
        // A connection that is closed stays for three probe timeouts, and packets that came
        // many seconds late make these long.
        self.pair.run(Duration::from_secs(300));
        self.check();
        let heard = self.pair.clients.datagrams(self.listener);
        assert_eq!(heard, self.frames, "frames heard and sent");
        let stats = self.pair.core.stats();
        assert_eq!((stats.sessions, stats.handshakes), (1, 0), "{stats:?}");
        let lives = self.sessions.values().filter(|is_over| !**is_over);
        assert_eq!(lives.count(), 1, "{:?}", self.sessions);
    }
}

/// Some address of strangers; eight of them, so that they meet.
fn address(number: usize) -> SocketAddr {
    let (host, port) = ((number % 4) as u8, (number / 4 % 2) as u16);
    SocketAddr::from(([10, 66, 0, host], 1000 + port))
}
