//! What listeners have heard.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::histogram::Histogram;
use crate::packet;

/// What comes later than this is not in time.
const IN_TIME: Duration = Duration::from_millis(60);

/// What a swarm tells.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Heard {
    /// Packets.
    pub packets: u64,
    /// Of them, those within 60 ms of their making.
    pub in_time: u64,
    /// Listeners lost or refused.
    pub lost: u64,
    /// Microseconds from making to arrival: p50, p90, p99, greatest.
    pub delay: [u64; 4],
    /// Microseconds from connect to first sound.
    pub join: [u64; 4],
    /// Microseconds from asking for another station to its first sound.
    pub zap: [u64; 4],
}

/// One listener's side of the measuring.
#[derive(Debug)]
pub struct Listener {
    station: u32,
    asked: Instant,
    awaits: Option<Awaits>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaits {
    FirstSound,
    Zap,
}

impl Listener {
    /// One that has begun to join the station.
    pub fn join(station: u32, asked: Instant) -> Self {
        Self {
            station,
            asked,
            awaits: Some(Awaits::FirstSound),
        }
    }

    /// The station it is to hear.
    pub fn station(&self) -> u32 {
        self.station
    }

    /// It asks for another station now.
    pub fn zap(&mut self, station: u32) {
        *self = Self {
            station,
            asked: Instant::now(),
            awaits: Some(Awaits::Zap),
        };
    }
}

/// What all listeners have heard.
#[derive(Debug, Default)]
pub struct Ears {
    /// Listeners that have heard something, or have a session if they are to hear nothing.
    pub open: usize,
    /// Listeners lost or refused.
    pub lost: u64,
    /// Listeners that wait to hear something other than before.
    pub zapping: usize,
    packets: u64,
    in_time: u64,
    delay: Histogram,
    join: Histogram,
    zap: Histogram,
    told: bool,
}

impl Ears {
    /// A packet came to a listener at that time of the shared clock.
    pub fn hear(&mut self, listener: &mut Listener, packet: &[u8], arrived: u64) {
        let Some((sent, station)) = packet::read(packet) else {
            return;
        };
        self.packets += 1;
        let delay = arrived.saturating_sub(sent);
        self.in_time += u64::from(delay <= IN_TIME.as_micros() as u64);
        self.delay.add(delay);
        if listener.awaits.is_none() || station != listener.station {
            return;
        }
        let took = listener.asked.elapsed().as_micros() as u64;
        match listener.awaits.take() {
            Some(Awaits::FirstSound) => {
                self.open += 1;
                self.join.add(took);
            }
            Some(Awaits::Zap) => {
                self.zapping -= 1;
                self.zap.add(took);
            }
            None => {}
        }
    }

    /// A listener is lost; the first is told of.
    pub fn lose(&mut self, why: &str) {
        self.lost += 1;
        if !std::mem::replace(&mut self.told, true) {
            eprintln!("a listener was lost, the first of perhaps many: {why}");
        }
    }

    /// All of it since the beginning, or since it was reset.
    pub fn heard(&self) -> Heard {
        Heard {
            packets: self.packets,
            in_time: self.in_time,
            lost: self.lost,
            delay: self.delay.summary(),
            join: self.join.summary(),
            zap: self.zap.summary(),
        }
    }

    /// The same in a line, as [`Heard`] in JSON.
    pub fn tell(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string(&self.heard())?)
    }

    /// Begins anew, with the listeners there are.
    pub fn reset(&mut self) {
        (self.packets, self.in_time) = (0, 0);
        (self.delay, self.join, self.zap) = Default::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{PACKET_BYTES, fill, micros};

    #[test]
    fn a_packet_of_another_station_is_no_first_sound() {
        let mut ears = Ears::default();
        let mut listener = Listener::join(2, Instant::now());
        let mut packet = [0; PACKET_BYTES];
        fill(&mut packet, 1);
        ears.hear(&mut listener, &packet, micros());
        assert_eq!((ears.open, ears.heard().packets), (0, 1));
        fill(&mut packet, 2);
        let late = micros() + 2 * IN_TIME.as_micros() as u64;
        ears.hear(&mut listener, &packet, late);
        let heard = ears.heard();
        assert_eq!((ears.open, heard.packets, heard.in_time), (1, 2, 1));
    }
}
