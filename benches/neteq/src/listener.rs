//! NetEq beside the receiver, and what is measured of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use media::decoder::Decoder;
use media::testing::lab::{Companion, Music, SETTLE, Scenario};
use media::{MediaClock, Packet};
use neteq::codec::AudioDecoder;
use neteq::neteq::SpeechType;
use neteq::{AudioPacket, NetEq, NetEqConfig, NetEqError, RtpHeader};

const PAYLOAD_TYPE: u8 = 111;
const SAMPLE_RATE: u32 = 48_000;
/// NetEq gives sound in pieces of 10 ms.
const PIECE: u64 = 480;
/// The number put before each payload, so that the decoder knows which it is given.
const NUMBER_BYTES: usize = 8;

/// Which packets NetEq gives to its decoder.
#[derive(Debug, Default)]
struct Decoded {
    last: Option<u64>,
    count: u64,
}

/// Opus to mono: NetEq's stretching takes interleaved samples for those of one channel.
struct Mono {
    decoder: Decoder,
    sound: Vec<f32>,
    decoded: Arc<Mutex<Decoded>>,
}

impl AudioDecoder for Mono {
    fn sample_rate(&self) -> u32 {
        SAMPLE_RATE
    }

    fn channels(&self) -> u8 {
        1
    }

    fn decode(&mut self, encoded: &[u8]) -> neteq::Result<Vec<f32>> {
        let bad = |what: &str| NetEqError::DecoderError(what.into());
        let (number, payload) = encoded
            .split_first_chunk::<NUMBER_BYTES>()
            .ok_or_else(|| bad("no number"))?;
        let samples = self
            .decoder
            .decode(payload, &mut self.sound)
            .map_err(|error| bad(&error.to_string()))?;
        let mut decoded = self.decoded.lock().expect("one thread");
        decoded.last = Some(u64::from_be_bytes(*number));
        decoded.count += 1;
        let stereo = self.sound[..samples * 2].chunks_exact(2);
        Ok(stereo.map(|pair| (pair[0] + pair[1]) / 2.0).collect())
    }
}

/// One who listens with NetEq.
pub(crate) struct Listener {
    neteq: NetEq,
    decoded: Arc<Mutex<Decoded>>,
    packet_samples: u64,
    lookahead: u64,
    source_ppm: f64,
    copies: bool,
    pieces: u64,
    delays_ms: Vec<f64>,
    made_up: u64,
    measured: u64,
    began: Option<(u64, u64)>,
}

/// What came of it, as the laboratory counts it.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) delay_p50_ms: f64,
    pub(crate) delay_p95_ms: f64,
    /// Share of time made up, or of packets never decoded if that is more: NetEq's port goes on
    /// with the next packet where one is missing, and makes the time up later.
    pub(crate) concealed: f64,
}

impl Listener {
    /// `copies`: whether it takes packets that came as copies, too.
    pub(crate) fn new(scenario: &Scenario, copies: bool) -> Self {
        let mut neteq = NetEq::new(NetEqConfig {
            sample_rate: SAMPLE_RATE,
            channels: 1,
            ..NetEqConfig::default()
        })
        .expect("a good configuration");
        let decoded = Arc::new(Mutex::new(Decoded::default()));
        let decoder = Mono {
            decoder: Decoder::new(),
            sound: vec![0.0; 2 * 5760],
            decoded: Arc::clone(&decoded),
        };
        neteq.register_decoder(PAYLOAD_TYPE, Box::new(decoder));
        let music = Music::usual();
        Self {
            neteq,
            decoded,
            packet_samples: music.samples,
            lookahead: music.lookahead,
            source_ppm: scenario.source_ppm,
            copies,
            pieces: 0,
            delays_ms: Vec::new(),
            made_up: 0,
            measured: 0,
            began: None,
        }
    }

    /// Where the sound stands that NetEq gives out next, in media time.
    fn position(&self, last: u64) -> u64 {
        let stats = self.neteq.get_statistics();
        let whole = stats.packets_awaiting_decode * self.packet_samples as usize;
        let begun = self
            .neteq
            .current_buffer_size_samples()
            .saturating_sub(whole);
        ((last + 1) * self.packet_samples).saturating_sub(begun as u64)
    }

    fn take_piece(&mut self, now: Duration) {
        let frame = self.neteq.get_audio().expect("NetEq always gives sound");
        let (last, count) = {
            let decoded = self.decoded.lock().expect("one thread");
            (decoded.last, decoded.count)
        };
        if now < SETTLE {
            return;
        }
        if self.began.is_none() {
            self.began = Some((count, last.unwrap_or(0)));
        }
        self.measured += 1;
        self.made_up += u64::from(frame.speech_type != SpeechType::Normal);
        if let Some(last) = last {
            let begins = self.position(last).saturating_sub(PIECE + self.lookahead);
            let captured = MediaClock::duration(begins).div_f64(1.0 + self.source_ppm * 1e-6);
            let delay = now.saturating_sub(captured);
            self.delays_ms.push(delay.as_secs_f64() * 1e3);
        }
    }

    pub(crate) fn heard(mut self) -> Heard {
        let decoded = self.decoded.lock().expect("one thread");
        let (count_before, last_before) = self.began.expect("it was measured");
        let count = (decoded.count - count_before) as f64;
        let passed = (decoded.last.unwrap_or(0) - last_before).max(1) as f64;
        self.delays_ms.sort_by(f64::total_cmp);
        let at = |share: f64| self.delays_ms[(share * (self.delays_ms.len() - 1) as f64) as usize];
        let made_up = self.made_up as f64 / self.measured as f64;
        Heard {
            delay_p50_ms: at(0.5),
            delay_p95_ms: at(0.95),
            concealed: made_up.max(1.0 - count / passed),
        }
    }
}

impl Companion for Listener {
    fn handle_packet(&mut self, at: Duration, packet: &Packet<'_>) {
        if packet.copy && !self.copies {
            return;
        }
        web_time::set(at);
        let header = RtpHeader::new(
            packet.sequence as u16,
            packet.timestamp as u32,
            1,
            PAYLOAD_TYPE,
            false,
        );
        let mut payload = packet.sequence.to_be_bytes().to_vec();
        payload.extend_from_slice(packet.payload);
        let length_ms = (self.packet_samples * 1000 / u64::from(SAMPLE_RATE)) as u32;
        let packet = AudioPacket::new(header, payload, SAMPLE_RATE, 1, length_ms);
        // A packet that comes again or too late is refused; that is no fault.
        let _ = self.neteq.insert_packet(packet);
    }

    fn advance(&mut self, now: Duration) {
        while MediaClock::duration((self.pieces + 1) * PIECE) <= now {
            self.pieces += 1;
            web_time::set(MediaClock::duration(self.pieces * PIECE));
            self.take_piece(now);
        }
    }
}
