//! What is heard, as a WAV file.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use client::listener::{BLOCK_FRAMES, Block};

use crate::exit::BadArguments;

const RATE: u32 = media::SAMPLE_RATE;
const CHANNELS: u16 = 2;
const BYTES_PER_FRAME: u32 = 4;
const HEADER_BYTES: u32 = 44;

/// What a stream of unknown length says its length is.
const UNKNOWN: u32 = u32::MAX;

/// Writes 16-bit WAV, from the first sound on; what is missing after that is silence.
#[derive(Debug)]
pub(super) struct Recording {
    target: Target,
    /// Frames of sound since the first, written or not.
    frames: u64,
    begun: bool,
}

#[derive(Debug)]
enum Target {
    Nowhere,
    File(BufWriter<File>),
    Stdout(BufWriter<io::Stdout>),
}

impl Recording {
    /// Creates the file, `-` being standard output; none records nothing.
    pub(super) fn create(path: Option<&Path>) -> Result<Self, BadArguments> {
        let target = match path {
            None => Target::Nowhere,
            Some(path) if path == Path::new("-") => Target::Stdout(BufWriter::new(io::stdout())),
            Some(path) => {
                let bad = |error| BadArguments(format!("{}: {error}", path.display()));
                Target::File(BufWriter::new(File::create(path).map_err(bad)?))
            }
        };
        let mut recording = Self {
            target,
            frames: 0,
            begun: false,
        };
        let header = header(UNKNOWN);
        let written = recording.write(&header);
        written.map_err(|error| BadArguments(format!("cannot write the recording: {error}")))?;
        Ok(recording)
    }

    /// Takes the next 10 ms.
    pub(super) fn handle_block(&mut self, block: &Block) -> io::Result<()> {
        self.begun |= block.position.is_some();
        if !self.begun {
            return Ok(());
        }
        self.frames += BLOCK_FRAMES as u64;
        if matches!(self.target, Target::Nowhere) {
            return Ok(());
        }
        let samples = block.samples.iter();
        let bytes: Vec<u8> = samples
            .flat_map(|&value| sample(value).to_le_bytes())
            .collect();
        self.write(&bytes)?;
        // Whoever listens at the other end of a pipe wants it now.
        match &mut self.target {
            Target::Stdout(out) => out.flush(),
            _ => Ok(()),
        }
    }

    /// Frames since the first sound.
    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    /// The same in seconds.
    pub(super) fn seconds(&self) -> f64 {
        self.frames as f64 / f64::from(RATE)
    }

    /// Writes the lengths into the header; answers the frames.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        match &mut self.target {
            Target::Nowhere => {}
            Target::Stdout(out) => out.flush()?,
            Target::File(file) => {
                let bytes = self.frames.saturating_mul(BYTES_PER_FRAME.into());
                let bytes = u32::try_from(bytes).unwrap_or(UNKNOWN);
                file.seek(SeekFrom::Start(0))?;
                file.write_all(&header(bytes))?;
                file.flush()?;
            }
        }
        Ok(self.frames)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.target {
            Target::Nowhere => Ok(()),
            Target::File(file) => file.write_all(bytes),
            Target::Stdout(out) => out.write_all(bytes),
        }
    }
}

fn sample(value: f32) -> i16 {
    // The cast saturates, and makes 0 of what is no number.
    (value * 32_767.0).round() as i16
}

fn header(data_bytes: u32) -> [u8; HEADER_BYTES as usize] {
    let mut header = [0; HEADER_BYTES as usize];
    let riff_bytes = data_bytes.saturating_add(HEADER_BYTES - 8);
    let parts: [&[u8]; 13] = [
        b"RIFF",
        &riff_bytes.to_le_bytes(),
        b"WAVE",
        b"fmt ",
        &16u32.to_le_bytes(),
        &1u16.to_le_bytes(),
        &CHANNELS.to_le_bytes(),
        &RATE.to_le_bytes(),
        &(RATE * BYTES_PER_FRAME).to_le_bytes(),
        &(BYTES_PER_FRAME as u16).to_le_bytes(),
        &16u16.to_le_bytes(),
        b"data",
        &data_bytes.to_le_bytes(),
    ];
    let mut rest = &mut header[..];
    for part in parts {
        rest.write_all(part)
            .expect("the parts have 44 bytes together");
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(value: f32, position: Option<u64>) -> Block {
        Block {
            samples: vec![value; BLOCK_FRAMES * 2].into(),
            position,
        }
    }

    #[test]
    fn it_begins_with_the_first_sound_and_keeps_silence_after() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let mut recording = Recording::create(Some(&path)).unwrap();
        for (value, position) in [(0.0, None), (0.5, Some(960)), (0.0, None), (2.0, Some(5))] {
            recording.handle_block(&block(value, position)).unwrap();
        }
        assert_eq!(recording.finish().unwrap(), 3 * BLOCK_FRAMES as u64);
        let mut input = media::input::Input::open(&path).unwrap();
        let mut sound = Vec::new();
        while let Some(event) = input.next_event().unwrap() {
            if let media::input::Event::Sound(more) = event {
                sound.extend(more);
            }
        }
        assert_eq!(sound.len(), 3 * 960);
        assert!((sound[0] - 0.5).abs() < 1e-3 && sound[960] == 0.0 && sound[1920] > 0.99);
    }

    #[test]
    fn a_path_that_cannot_be_written_is_a_bad_argument() {
        assert!(Recording::create(Some(Path::new("/nowhere/a.wav"))).is_err());
    }
}
