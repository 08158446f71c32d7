use super::*;
use crate::encoder::{self, Encoder};
use crate::measure::{deinterleave, find_gaps, tone_snr};
use crate::ogg;
use std::io::Cursor;
use std::path::PathBuf;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

struct Heard {
    channels: Channels,
    sound: Vec<f32>,
    tags: Vec<(u64, Tags)>,
    corrupt: u64,
    error: Option<Error>,
}

fn hear(mut input: Input) -> Heard {
    let mut heard = Heard {
        channels: input.channels(),
        sound: Vec::new(),
        tags: Vec::new(),
        corrupt: 0,
        error: None,
    };
    loop {
        match input.next_event() {
            Ok(Some(Event::Sound(sound))) => heard.sound.extend(sound),
            Ok(Some(Event::Tags { position, tags })) => heard.tags.push((position, tags)),
            Ok(None) => break,
            Err(error) => {
                heard.error = Some(error);
                break;
            }
        }
    }
    heard.corrupt = input.corrupt_packets();
    assert!(input.next_event().unwrap().is_none(), "over is over");
    heard
}

impl Heard {
    fn seconds(&self) -> f64 {
        (self.sound.len() / self.channels.count()) as f64 / 48_000.0
    }

    /// Every channel holds the tone, cleanly, but for the codec's fades at the ends.
    fn assert_tone(&self, name: &str, snr_min: f64) {
        for channel in 0..self.channels.count() {
            let samples = deinterleave(&self.sound, self.channels.count(), channel);
            let fit = tone_snr(&samples[3_600..samples.len() - 2_400], 48_000.0, 440.0);
            assert!(fit.snr_db > snr_min, "{name}: {fit:?}");
            // LAME attenuates to 95 % so that nothing clips.
            assert!((fit.amplitude - 0.5).abs() < 0.03, "{name}: {fit:?}");
        }
    }
}

fn pipe(bytes: Vec<u8>) -> Result<Input, Error> {
    Input::from_reader(Box::new(Cursor::new(bytes)), None)
}

/// As a file and from a pipe: the same sound.
fn check(name: &str, snr_min: f64, seconds: f64, channels: Channels) -> Heard {
    let file = hear(Input::open(&fixture(name)).unwrap());
    let piped = hear(pipe(std::fs::read(fixture(name)).unwrap()).unwrap());
    for heard in [&file, &piped] {
        assert_eq!(heard.channels, channels, "{name}");
        assert!(heard.error.is_none() && heard.corrupt == 0, "{name}");
        assert!(
            (heard.seconds() - seconds).abs() < 0.06,
            "{name}: {}",
            heard.seconds()
        );
        heard.assert_tone(name, snr_min);
    }
    assert_eq!(file.sound.len(), piped.sound.len(), "{name}");
    file
}

fn assert_tagged(heard: &Heard, name: &str) {
    let known = Tags {
        title: Some("Fixture".into()),
        artist: Some("Skywave".into()),
        album: Some("Tests".into()),
    };
    assert_eq!(heard.tags.first(), Some(&(0, known)), "{name}");
}

#[test]
fn every_format_plays_from_file_and_pipe_with_its_tags() {
    for (name, snr_min) in [
        ("tone.mp3", 40.0),
        ("tone.m4a", 40.0),
        ("alac.m4a", 80.0),
        ("tone.flac", 80.0),
        ("tone.ogg", 35.0),
        ("tone.opus", 35.0),
    ] {
        assert_tagged(&check(name, snr_min, 0.5, Channels::Stereo), name);
    }
    check("tone.aac", 40.0, 0.5, Channels::Stereo);
}

#[test]
fn odd_rates_and_channels_become_48_khz_mono_or_stereo() {
    check("six.flac", 80.0, 0.5, Channels::Stereo);
    check("hires.flac", 80.0, 0.2, Channels::Stereo);
    check("mono8k.flac", 75.0, 0.5, Channels::Mono);
}

#[test]
fn chained_streams_play_on_with_their_own_tags() {
    let heard = hear(Input::open(&fixture("chained.ogg")).unwrap());
    assert_eq!(heard.channels, Channels::Stereo);
    assert!((heard.seconds() - 1.0).abs() < 0.02, "{}", heard.seconds());
    assert_tagged(&heard, "chained.ogg");
    let (position, tags) = &heard.tags[1];
    assert_eq!(tags.title.as_deref(), Some("Second"));
    assert!(position.abs_diff(24_000) < 200, "{position}");
    let left = deinterleave(&heard.sound, 2, 0);
    for half in [&left[4_800..20_000], &left[28_000..44_000]] {
        assert!(tone_snr(half, 48_000.0, 440.0).snr_db > 35.0);
    }
}

#[test]
fn an_index_at_the_end_needs_a_file() {
    let heard = hear(Input::open(&fixture("moov-last.m4a")).unwrap());
    heard.assert_tone("moov-last.m4a", 40.0);
    let bytes = std::fs::read(fixture("moov-last.m4a")).unwrap();
    assert!(matches!(pipe(bytes), Err(Error::NeedsSeeking)));
}

#[test]
fn what_is_no_audio_is_said_so() {
    let text = b"This is a letter, not a song. ".repeat(1000);
    for bytes in [
        Vec::new(),
        vec![0; 100_000],
        text,
        b"OggS".to_vec(),
        b"RIFF".to_vec(),
    ] {
        let length = bytes.len();
        assert!(
            matches!(pipe(bytes), Err(Error::NotAudio)),
            "{length} bytes"
        );
    }
    assert!(matches!(
        Input::open(&fixture("README.md")),
        Err(Error::NotAudio)
    ));
    assert!(matches!(
        Input::open(&fixture("missing.mp3")),
        Err(Error::Read(_))
    ));
}

#[test]
fn cut_short_files_play_what_is_there() {
    for name in [
        "tone.mp3",
        "tone.aac",
        "tone.flac",
        "tone.ogg",
        "tone.opus",
        "alac.m4a",
    ] {
        let mut bytes = std::fs::read(fixture(name)).unwrap();
        bytes.truncate(bytes.len() * 9 / 10);
        let heard = hear(pipe(bytes).unwrap_or_else(|error| panic!("{name}: {error}")));
        assert!(heard.error.is_none(), "{name}: {:?}", heard.error);
        assert!(
            heard.seconds() > 0.05 && heard.seconds() < 0.5,
            "{name}: {}",
            heard.seconds()
        );
    }
}

#[test]
fn damage_is_silence_or_passed_over_but_not_the_end() {
    for name in ["tone.mp3", "tone.aac", "tone.flac", "tone.opus"] {
        let mut bytes = std::fs::read(fixture(name)).unwrap();
        let at = bytes.len() * 3 / 5;
        bytes[at..at + 60].fill(0xa5);
        let heard = hear(pipe(bytes).unwrap_or_else(|error| panic!("{name}: {error}")));
        assert!(heard.error.is_none(), "{name}: {:?}", heard.error);
        assert!(heard.seconds() > 0.25, "{name}: {}", heard.seconds());
        let left = deinterleave(&heard.sound, heard.channels.count(), 0);
        let end = &left[left.len() - 6_000..left.len() - 2_400];
        assert!(tone_snr(end, 48_000.0, 440.0).snr_db > 20.0, "{name}");
    }
}

#[test]
fn any_damage_anywhere_never_panics() {
    use crate::testing::Rng;
    for (seed, name) in [
        "tone.mp3",
        "tone.aac",
        "tone.m4a",
        "alac.m4a",
        "tone.ogg",
        "tone.opus",
    ]
    .into_iter()
    .enumerate()
    {
        let mut rng = Rng::new(seed as u64);
        let good = std::fs::read(fixture(name)).unwrap();
        for _ in 0..30 {
            let mut bytes = good.clone();
            for _ in 0..1 + rng.next_u64() % 20 {
                let at = (rng.next_u64() % bytes.len() as u64) as usize;
                bytes[at] = rng.next_u64() as u8;
            }
            if let Ok(input) = pipe(bytes) {
                let heard = hear(input);
                assert!(
                    heard.sound.iter().all(|value| value.is_finite()),
                    "{name} seed {seed}"
                );
            }
        }
    }
}

/// A WAV file of integer or float samples.
fn wav(rate: u32, channels: u16, bits: u16, samples: &[f32]) -> Vec<u8> {
    let bytes = u32::from(bits / 8);
    let frame = bytes * u32::from(channels);
    let mut out = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0".to_vec();
    out.extend_from_slice(&(if bits == 32 { 3u16 } else { 1 }).to_le_bytes());
    out.extend_from_slice(&channels.to_le_bytes());
    out.extend_from_slice(&rate.to_le_bytes());
    out.extend_from_slice(&(rate * frame).to_le_bytes());
    out.extend_from_slice(&(frame as u16).to_le_bytes());
    out.extend_from_slice(&bits.to_le_bytes());
    out.extend_from_slice(b"data");
    out.extend_from_slice(&(samples.len() as u32 * bytes).to_le_bytes());
    for &sample in samples {
        let full = f64::from(1u32 << (bits - 1).min(31));
        let value = (f64::from(sample) * full) as i32;
        match bits {
            8 => out.push((value + 128) as u8),
            32 => out.extend_from_slice(&sample.to_le_bytes()),
            _ => out.extend_from_slice(&value.to_le_bytes()[..bytes as usize]),
        }
    }
    let riff = out.len() as u32 - 8;
    out[4..8].copy_from_slice(&riff.to_le_bytes());
    out
}

fn tone(rate: u32, channels: usize, seconds: f64) -> Vec<f32> {
    (0..(f64::from(rate) * seconds) as u32)
        .flat_map(|n| {
            let phase = f64::from(n) * 440.0 / f64::from(rate) * std::f64::consts::TAU;
            std::iter::repeat_n((phase.sin() * 0.5) as f32, channels)
        })
        .collect()
}

#[test]
fn wav_of_every_rate_width_and_channel_count() {
    for (rate, channels, bits, snr_min) in [
        (8_000, 1, 16, 75.0),
        (11_025, 2, 16, 75.0),
        (44_100, 2, 16, 80.0),
        (48_000, 2, 24, 90.0),
        (48_000, 6, 16, 80.0),
        (96_000, 2, 32, 90.0),
        (192_000, 1, 24, 90.0),
        (44_100, 2, 8, 35.0),
        (48_000, 3, 16, 80.0),
    ] {
        let bytes = wav(
            rate,
            channels,
            bits,
            &tone(rate, usize::from(channels), 0.5),
        );
        let heard = hear(pipe(bytes).unwrap());
        let name = format!("{rate} Hz, {channels} channels, {bits} bits");
        let expected = if channels == 1 {
            Channels::Mono
        } else {
            Channels::Stereo
        };
        assert_eq!(heard.channels, expected, "{name}");
        assert!(
            (heard.seconds() - 0.5).abs() < 1e-3,
            "{name}: {}",
            heard.seconds()
        );
        if channels != 6 && channels != 3 {
            heard.assert_tone(&name, snr_min);
        } else {
            // All channels alike; the low one is left out: the centre's share is counted.
            let left = deinterleave(&heard.sound, 2, 0);
            let fit = tone_snr(&left[3_600..20_000], 48_000.0, 440.0);
            assert!(
                fit.snr_db > snr_min && fit.amplitude > 0.3,
                "{name}: {fit:?}"
            );
        }
    }
}

#[test]
fn a_wav_whose_length_is_not_known_plays_from_a_pipe() {
    let mut bytes = wav(48_000, 2, 16, &tone(48_000, 2, 0.5));
    bytes[4..8].fill(0xff);
    bytes[40..44].fill(0xff);
    hear(pipe(bytes).unwrap()).assert_tone("endless wav", 80.0);
}

/// Two chained Ogg Opus streams: exact length, no seam where the pre-skip is.
#[test]
fn chained_opus_honours_pre_skip_and_end() {
    let mut bytes = Vec::new();
    let all = tone(48_000, 2, 2.0);
    for (serial, half) in [&all[..96_000], &all[96_000..]].into_iter().enumerate() {
        let mut encoder = Encoder::new(encoder::Config::default()).unwrap();
        let head = ogg::Head::new(2, encoder.lookahead() as u16);
        let tags = ogg::Tags {
            vendor: "test".into(),
            comments: vec![("title".into(), format!("Part {serial}"))],
        };
        let mut muxer = ogg::Muxer::new(serial as u32, &head, &tags, &mut bytes);
        let mut padded = half.to_vec();
        padded.resize(padded.len() + 1920, 0.0);
        for frame in padded.chunks_exact(1920) {
            muxer.packet(encoder.encode(frame).unwrap(), 960, &mut bytes);
        }
        muxer.finish(Some(48_000 + 312), &mut bytes);
    }
    let heard = hear(pipe(bytes).unwrap());
    assert_eq!(heard.sound.len(), 2 * 96_000);
    let titles: Vec<_> = heard
        .tags
        .iter()
        .map(|(at, tags)| (*at, tags.title.clone()))
        .collect();
    let known = [(0, Some("Part 0".into())), (48_000, Some("Part 1".into()))];
    assert_eq!(titles, known);
    let left = deinterleave(&heard.sound, 2, 0);
    assert!(find_gaps(&left, 48_000.0, 440.0, 0.5).is_empty());
    let fit = tone_snr(&left[4_800..40_000], 48_000.0, 440.0);
    // In time to the sample: a tone that began at phase 0 is at phase 0 after 44 periods.
    assert!(fit.snr_db > 35.0 && fit.phase.abs() < 0.03, "{fit:?}");
}

#[test]
fn a_reader_that_fails_is_an_error_not_an_end() {
    struct Failing(usize);
    impl Read for Failing {
        fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
            if self.0 == 0 {
                return Err(std::io::Error::other("the line is dead"));
            }
            let wav = wav(48_000, 2, 16, &tone(48_000, 2, 1.0));
            let at = wav.len() - self.0.min(wav.len());
            let count = buf.len().min(1000).min(wav.len() - at).min(self.0);
            buf[..count].copy_from_slice(&wav[at..at + count]);
            self.0 -= count;
            if self.0 < 60_000 {
                self.0 = 0;
            }
            Ok(count)
        }
    }
    let length = wav(48_000, 2, 16, &tone(48_000, 2, 1.0)).len();
    let input = Input::from_reader(Box::new(Failing(length)), Some("wav")).unwrap();
    let heard = hear(input);
    assert!(
        matches!(heard.error, Some(Error::Read(_))),
        "{:?}",
        heard.error
    );
    assert!(heard.seconds() > 0.3);
}
