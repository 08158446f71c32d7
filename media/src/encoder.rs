//! Opus encoding with libopus.

use std::fmt;

use crate::{PAYLOAD_BYTES_MAX, SAMPLE_RATE};

/// Duration of one Opus packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Frame {
    /// 2.5 ms, for the least delay.
    Ms2_5,
    /// 5 ms.
    Ms5,
    /// 10 ms.
    Ms10,
    /// 20 ms: the best balance, the default.
    #[default]
    Ms20,
    /// 40 ms.
    Ms40,
    /// 60 ms, for the least overhead.
    Ms60,
}

impl Frame {
    /// Every frame, shortest first.
    pub const ALL: [Self; 6] = [
        Self::Ms2_5,
        Self::Ms5,
        Self::Ms10,
        Self::Ms20,
        Self::Ms40,
        Self::Ms60,
    ];

    /// In microseconds.
    #[must_use]
    pub fn micros(self) -> u32 {
        match self {
            Self::Ms2_5 => 2_500,
            Self::Ms5 => 5_000,
            Self::Ms10 => 10_000,
            Self::Ms20 => 20_000,
            Self::Ms40 => 40_000,
            Self::Ms60 => 60_000,
        }
    }

    /// In samples at 48 kHz: 120 to 2,880.
    #[must_use]
    pub fn samples(self) -> usize {
        (u64::from(self.micros()) * u64::from(SAMPLE_RATE) / 1_000_000) as usize
    }

    /// The frame of that many microseconds, if there is one.
    #[must_use]
    pub fn from_micros(micros: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|frame| frame.micros() == micros)
    }
}

/// What the encoder optimizes for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Application {
    /// Music and anything else: the default. Look-ahead 6.5 ms.
    #[default]
    Audio,
    /// Intelligible speech at low rates. Look-ahead 6.5 ms.
    Voip,
    /// Least delay: look-ahead 2.5 ms, no speech mode.
    LowDelay,
}

/// How the bitrate may vary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RateControl {
    /// Best quality for the mean bitrate: the default.
    #[default]
    Variable,
    /// Variable, but hardly above the bitrate over any second.
    Constrained,
    /// Every packet has the same size.
    Constant,
}

/// One channel or two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Channels {
    /// One.
    Mono,
    /// Two, interleaved left first: the default.
    #[default]
    Stereo,
}

impl Channels {
    /// 1 or 2.
    #[must_use]
    pub fn count(self) -> usize {
        match self {
            Self::Mono => 1,
            Self::Stereo => 2,
        }
    }

    /// The channels of that count; `None` unless 1 or 2.
    #[must_use]
    pub fn from_count(count: usize) -> Option<Self> {
        match count {
            1 => Some(Self::Mono),
            2 => Some(Self::Stereo),
            _ => None,
        }
    }
}

/// How to encode. The default is 128 kb/s stereo in 20 ms frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Bits per second, 6,000 to 510,000; also bounded by the datagram, see
    /// [`Config::bitrate_max`]. Default 128,000.
    pub bitrate: u32,
    /// Duration of a packet. Default 20 ms.
    pub frame: Frame,
    /// Channels of the samples given and of the packets. Default stereo.
    pub channels: Channels,
    /// 0 (least processor time) to 10 (best sound, default): about 0.2 % to 1.5 % of a core.
    pub complexity: u8,
    /// How the bitrate may vary.
    pub rate_control: RateControl,
    /// What to optimize for.
    pub application: Application,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bitrate: 128_000,
            frame: Frame::default(),
            channels: Channels::default(),
            complexity: 10,
            rate_control: RateControl::default(),
            application: Application::default(),
        }
    }
}

/// Why a configuration is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The bitrate is out of Opus's range.
    #[error("bitrate {0} b/s is outside 6000 to 510000")]
    Bitrate(u32),
    /// A packet of the mean size would not fit a datagram.
    #[error(
        "bitrate {bitrate} b/s in {frame_us} us packets does not fit a datagram: \
         at most {maximum} b/s, or use shorter frames"
    )]
    DoesNotFit {
        /// The bitrate asked for.
        bitrate: u32,
        /// The duration of a packet in microseconds.
        frame_us: u32,
        /// The largest bitrate that fits.
        maximum: u32,
    },
    /// Complexity above 10.
    #[error("complexity {0} is above 10")]
    Complexity(u8),
    /// libopus refused; its description.
    #[error("libopus refused the configuration: {0}")]
    Refused(&'static str),
}

impl Config {
    /// The largest bitrate whose packets of `frame` fit one datagram of 1,200 bytes beside
    /// the longest header (26 bytes), and Opus's 510,000: at 20 ms 469,600, at 60 ms 156,533.
    #[must_use]
    pub fn bitrate_max(frame: Frame) -> u32 {
        let fits = PAYLOAD_BYTES_MAX as u64 * 8 * 1_000_000 / u64::from(frame.micros());
        fits.min(510_000) as u32
    }

    /// Checks the configuration.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if !(6_000..=510_000).contains(&self.bitrate) {
            return Err(ConfigError::Bitrate(self.bitrate));
        }
        let maximum = Self::bitrate_max(self.frame);
        if self.bitrate > maximum {
            return Err(ConfigError::DoesNotFit {
                bitrate: self.bitrate,
                frame_us: self.frame.micros(),
                maximum,
            });
        }
        if self.complexity > 10 {
            return Err(ConfigError::Complexity(self.complexity));
        }
        Ok(())
    }
}

/// Why a frame was not encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// Not exactly one frame of samples.
    #[error("{given} samples given, a frame has {needed}")]
    Length {
        /// Values in the slice.
        given: usize,
        /// Values in a frame, all channels together.
        needed: usize,
    },
    /// libopus refused; its description.
    #[error("libopus failed: {0}")]
    Failed(&'static str),
}

/// An Opus encoder. About 50 KB, 150 µs per 20 ms stereo at complexity 10.
pub struct Encoder {
    config: Config,
    opus: opus::Encoder,
    lookahead: usize,
    packet: Vec<u8>,
}

impl Encoder {
    /// An encoder that follows `config`.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.validate()?;
        let refused = |error: opus::Error| ConfigError::Refused(error.description());
        let mut opus = open(&config).map_err(refused)?;
        let lookahead = opus.get_lookahead().map_err(refused)?;
        Ok(Self {
            config,
            opus,
            lookahead: usize::try_from(lookahead).unwrap_or(0),
            packet: vec![0; PAYLOAD_BYTES_MAX],
        })
    }

    /// The configuration it was made with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// By how many samples at 48 kHz decoded sound lags behind what was encoded: 312, or 120
    /// for [`Application::LowDelay`].
    #[must_use]
    pub fn lookahead(&self) -> usize {
        self.lookahead
    }

    /// Values in one frame, all channels together.
    #[must_use]
    pub fn frame_len(&self) -> usize {
        self.config.frame.samples() * self.config.channels.count()
    }

    /// Encodes exactly one frame of interleaved samples; the packet has at most
    /// [`PAYLOAD_BYTES_MAX`] bytes. Values that are not finite count as silence.
    pub fn encode(&mut self, frame: &[f32]) -> Result<&[u8], EncodeError> {
        let needed = self.frame_len();
        if frame.len() != needed {
            let given = frame.len();
            return Err(EncodeError::Length { given, needed });
        }
        let failed = |error: opus::Error| EncodeError::Failed(error.description());
        let size = if frame.iter().all(|value| value.is_finite()) {
            self.opus.encode_float(frame, &mut self.packet)
        } else {
            let finite = |value: &f32| if value.is_finite() { *value } else { 0.0 };
            let clean: Vec<f32> = frame.iter().map(finite).collect();
            self.opus.encode_float(&clean, &mut self.packet)
        };
        Ok(&self.packet[..size.map_err(failed)?])
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

fn open(config: &Config) -> Result<opus::Encoder, opus::Error> {
    let channels = match config.channels {
        Channels::Mono => opus::Channels::Mono,
        Channels::Stereo => opus::Channels::Stereo,
    };
    let application = match config.application {
        Application::Audio => opus::Application::Audio,
        Application::Voip => opus::Application::Voip,
        Application::LowDelay => opus::Application::LowDelay,
    };
    let mut encoder = opus::Encoder::new(SAMPLE_RATE, channels, application)?;
    encoder.set_bitrate(opus::Bitrate::Bits(config.bitrate as i32))?;
    encoder.set_complexity(i32::from(config.complexity))?;
    encoder.set_vbr(config.rate_control != RateControl::Constant)?;
    encoder.set_vbr_constraint(config.rate_control == RateControl::Constrained)?;
    Ok(encoder)
}

#[cfg(test)]
mod tests;
