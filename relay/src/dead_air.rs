//! Dead air: a live source that sends silence.
//!
//! Hearing silence takes decoding, so only stations that ask for it are listened to: a
//! thread for each live source, and a decoding, about 0.1 % of a core. It takes the source's packets as
//! they come; what it cannot keep up with it does not hear.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use media::decoder::Decoder;
use media::measure::Meter;
use media::toc::SAMPLES_MAX;
use wire::audio::Datagram;

use crate::config::DeadAir;
use crate::fanout::Packet;

/// Packets that wait for the decoder; a further one is not heard.
const WAITING_MAX: usize = 64;

/// A hole up to this many samples counts as what is around it: a second.
const GAP_MAX: u64 = 48_000;

/// Samples whose level is taken together: 100 ms.
const WINDOW: u64 = 4_800;

/// Sound that ends dead air, in samples: 300 ms, for a click is no sound.
const SOUND: u64 = 14_400;

/// Tells silence that lasts from sound that returns. Media time comes in.
#[derive(Debug)]
struct Judge {
    below_dbfs: f64,
    after: u64,
    /// Samples of silence or sound in a row, whichever would change what is told.
    against: u64,
    dead: bool,
}

impl Judge {
    fn new(config: DeadAir) -> Self {
        Self {
            below_dbfs: config.below_dbfs,
            after: media::MediaClock::samples(config.after),
            against: 0,
            dead: false,
        }
    }

    /// Takes the level of so many samples; answers what changed.
    fn handle(&mut self, rms_dbfs: f64, samples: u64) -> Option<bool> {
        let is_silent = rms_dbfs < self.below_dbfs;
        if is_silent == self.dead {
            self.against = 0;
            return None;
        }
        self.against += samples;
        let enough = if self.dead { SOUND } else { self.after };
        if self.against < enough {
            return None;
        }
        self.against = 0;
        self.dead = is_silent;
        Some(self.dead)
    }
}

/// Takes the packets of one live source. Dropping it ends the thread behind it.
#[derive(Debug)]
pub(crate) struct Ear(SyncSender<Packet>);

impl Ear {
    /// Starts to listen; `told` is called when dead air begins (true) and when it ends.
    pub(crate) fn start(config: DeadAir, told: impl Fn(bool) + Send + 'static) -> Option<Self> {
        let (packets, waiting) = sync_channel(WAITING_MAX);
        let thread = std::thread::Builder::new().name("dead air".into());
        let started = thread.spawn(move || listen(&waiting, config, told));
        match started {
            Ok(_) => Some(Self(packets)),
            Err(error) => {
                tracing::error!(%error, "no thread to hear dead air");
                None
            }
        }
    }

    /// Takes a packet; one too many is not heard.
    pub(crate) fn hear(&self, packet: &Packet) {
        let _ = self.0.try_send(packet.clone());
    }
}

fn listen(waiting: &Receiver<Packet>, config: DeadAir, told: impl Fn(bool)) {
    let mut judge = Judge::new(config);
    let mut decoder = Decoder::new();
    let mut out = vec![0.0; SAMPLES_MAX as usize * 2];
    let mut meter = Meter::new();
    // Where the sound heard so far ends, and how much of it was not judged yet.
    let (mut end, mut samples) = (0, 0);
    while let Ok(packet) = waiting.recv() {
        let bytes = packet.datagram();
        let Ok(datagram) = Datagram::decode(&bytes) else {
            continue;
        };
        // What cannot be decoded is no silence.
        let Ok(decoded) = decoder.decode(datagram.packet, &mut out) else {
            continue;
        };
        meter.add(&out[..decoded * 2]);
        // A source may leave packets out while it is silent.
        let gap = datagram.timestamp.saturating_sub(end);
        samples += decoded as u64 + if gap <= GAP_MAX { gap } else { 0 };
        end = end.max(datagram.timestamp + decoded as u64);
        if samples < WINDOW {
            continue;
        }
        let level = meter.take().rms_dbfs;
        if let Some(silent) = judge.handle(level, std::mem::take(&mut samples)) {
            told(silent);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn silence_must_last_and_clicks_do_not_end_it() {
        let mut judge = Judge::new(DeadAir {
            below_dbfs: -50.0,
            after: Duration::from_secs(5),
            fallback: false,
        });
        let mut handle = |level: f64, windows: usize| {
            let told = (0..windows).map(|_| judge.handle(level, WINDOW));
            told.enumerate()
                .filter_map(|(at, told)| Some((at + 1, told?)))
                .collect::<Vec<_>>()
        };
        assert_eq!(handle(-20.0, 100), []);
        assert_eq!(handle(-60.0, 49), [], "a pause");
        assert_eq!(handle(-49.0, 1), []);
        assert_eq!(handle(f64::NEG_INFINITY, 500), [(50, true)], "told once");
        assert_eq!(handle(-10.0, 2), [], "a click");
        assert_eq!(handle(-60.0, 100), []);
        assert_eq!(handle(-10.0, 100), [(3, false)]);
    }
}
