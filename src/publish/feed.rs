//! Files to packets, on a thread of its own.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use media::EncodedPacket;
use media::encoder::{self, Channels};
use media::input::{self, Event, Input, Tags};
use media::measure::{Level, Meter};
use media::packetizer::Packetizer;
use tokio::sync::mpsc;
use wire::message::Metadata;

use crate::exit::BadArguments;

/// Items made ahead: two seconds of 20 ms packets.
const AHEAD_MAX: usize = 100;

/// What to play and how.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) files: Vec<PathBuf>,
    pub(super) repeat: bool,
    /// None takes the first file's.
    pub(super) channels: Option<Channels>,
    /// What to tell in place of the files' tags; an empty title overrides nothing.
    pub(super) overrides: Metadata,
    pub(super) config: encoder::Config,
}

/// What comes out, in order.
#[derive(Debug)]
pub(super) enum Item {
    Packet {
        packet: EncodedPacket,
        level: Level,
    },
    /// This plays from the media time `position` on.
    Metadata {
        position: u64,
        metadata: Metadata,
    },
    /// Nothing comes after it.
    Failed(BadArguments),
}

/// Packets of files, made a little ahead.
#[derive(Debug)]
pub(super) struct Feed {
    /// As the encoder runs, with the channels decided.
    pub(super) config: encoder::Config,
    /// What plays first.
    pub(super) first_metadata: Option<Metadata>,
    items: mpsc::Receiver<Item>,
}

impl Feed {
    /// Opens the first file and decodes its first sound; an error when there is none.
    pub(super) async fn open(request: Request) -> Result<Self, BadArguments> {
        let (items, item_queue) = mpsc::channel(AHEAD_MAX);
        let (opened, answer) = tokio::sync::oneshot::channel();
        // Ends when the files do or when nobody takes the items any more.
        std::thread::Builder::new()
            .name("decoder".into())
            .spawn(move || {
                let player = Player::open(request, items);
                let told = player
                    .as_ref()
                    .map(|player| (*player.packetizer.config(), player.first_metadata.clone()));
                let told = told.map_err(|error| BadArguments(error.0.clone()));
                if opened.send(told).is_ok()
                    && let Ok(player) = player
                {
                    player.play();
                }
            })
            .map_err(|error| BadArguments(format!("cannot start a thread: {error}")))?;
        let told = answer.await;
        let (config, first_metadata) =
            told.map_err(|_| BadArguments("the decoder failed".into()))??;
        Ok(Self {
            config,
            first_metadata,
            items: item_queue,
        })
    }

    /// The next item; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Item> {
        self.items.recv().await
    }
}

/// What the thread owns.
struct Player {
    request: Request,
    items: mpsc::Sender<Item>,
    packetizer: Packetizer,
    meter: Meter,
    first: Opened,
    first_metadata: Option<Metadata>,
}

/// A file whose first sound is decoded.
struct Opened {
    input: Input,
    /// Events up to the first sound.
    begun: VecDeque<Event>,
    /// What its name says of it.
    stem: Option<String>,
}

/// Nobody takes the items any more.
struct Gone;

impl Player {
    fn open(request: Request, items: mpsc::Sender<Item>) -> Result<Self, BadArguments> {
        let first = request
            .files
            .first()
            .expect("the command line asks for one");
        let first = Opened::open(first)?;
        let mut config = request.config;
        config.channels = request.channels.unwrap_or(first.input.channels());
        let bad = |error: encoder::ConfigError| BadArguments(error.to_string());
        let packetizer = Packetizer::new(config, 0, 0).map_err(bad)?;
        let tags = first.begun.iter().find_map(|event| match event {
            Event::Tags { tags, .. } => Some(tags.clone()),
            _ => None,
        });
        let first_metadata = metadata(&request.overrides, tags, first.stem.as_deref());
        Ok(Self {
            request,
            items,
            packetizer,
            meter: Meter::new(),
            first,
            first_metadata,
        })
    }

    fn play(self) {
        let Self {
            request,
            items,
            mut packetizer,
            mut meter,
            first,
            ..
        } = self;
        let mut first = Some(first);
        loop {
            let mut any = false;
            for path in &request.files {
                let opened = match first.take().map_or_else(|| Opened::open(path), Ok) {
                    Ok(opened) => opened,
                    Err(error) => {
                        tracing::warn!(%error, "left out");
                        continue;
                    }
                };
                any = true;
                let mut desk = Desk {
                    request: &request,
                    items: &items,
                    packetizer: &mut packetizer,
                    meter: &mut meter,
                };
                if desk.play(opened).is_err() {
                    return;
                }
            }
            // Files that are all gone must not be repeated without a pause.
            if !request.repeat || !any {
                break;
            }
        }
        let mut rest = Vec::new();
        // The encoder took everything before; if it fails now, a few ms are missing.
        let _ = packetizer.flush(|packet| rest.push(packet));
        for packet in rest {
            let level = meter.take();
            if items.blocking_send(Item::Packet { packet, level }).is_err() {
                return;
            }
        }
    }
}

impl Opened {
    fn open(path: &Path) -> Result<Self, BadArguments> {
        let bad = |error: input::Error| BadArguments(format!("{}: {error}", path.display()));
        let from_pipe = path == Path::new("-");
        let mut input = if from_pipe {
            Input::from_reader(Box::new(std::io::stdin()), None).map_err(bad)?
        } else {
            Input::open(path).map_err(bad)?
        };
        let mut begun = VecDeque::new();
        loop {
            match input.next_event().map_err(bad)? {
                Some(event) => {
                    let is_sound = matches!(event, Event::Sound(_));
                    begun.push_back(event);
                    if is_sound {
                        break;
                    }
                }
                None => return Err(bad(input::Error::NotAudio)),
            }
        }
        let stem = path.file_stem().filter(|_| !from_pipe);
        Ok(Self {
            input,
            begun,
            stem: stem.map(|stem| stem.to_string_lossy().into_owned()),
        })
    }
}

/// What one file goes through.
struct Desk<'a> {
    request: &'a Request,
    items: &'a mpsc::Sender<Item>,
    packetizer: &'a mut Packetizer,
    meter: &'a mut Meter,
}

impl Desk<'_> {
    fn play(&mut self, mut opened: Opened) -> Result<(), Gone> {
        let from = opened.input.channels();
        let untagged = !opened
            .begun
            .iter()
            .any(|event| matches!(event, Event::Tags { .. }));
        if untagged {
            self.tell(None, opened.stem.as_deref())?;
        }
        loop {
            let event = match opened.begun.pop_front() {
                Some(event) => Ok(Some(event)),
                None => opened.input.next_event(),
            };
            match event {
                Ok(Some(Event::Sound(sound))) => self.push(&sound, from)?,
                Ok(Some(Event::Tags { tags, .. })) => {
                    self.tell(Some(tags), opened.stem.as_deref())?;
                }
                Ok(None) => return Ok(()),
                Err(error) => {
                    // What was good has played; the next file may be.
                    tracing::warn!(%error, "the file ends here");
                    return Ok(());
                }
            }
        }
    }

    fn tell(&mut self, tags: Option<Tags>, stem: Option<&str>) -> Result<(), Gone> {
        let position = self.packetizer.position();
        match metadata(&self.request.overrides, tags, stem) {
            Some(metadata) => self.send(Item::Metadata { position, metadata }),
            None => Ok(()),
        }
    }

    fn push(&mut self, sound: &[f32], from: Channels) -> Result<(), Gone> {
        let sound = converted(sound, from, self.packetizer.config().channels);
        let mut packets = Vec::new();
        // Pieces of a frame, so that each packet's level is its own.
        let config = self.packetizer.config();
        let frame_len = config.frame.samples() * config.channels.count();
        for piece in sound.chunks(frame_len) {
            self.meter.add(piece);
            let meter = &mut *self.meter;
            let emit = |packet| packets.push((packet, meter.take()));
            if let Err(error) = self.packetizer.push(piece, emit) {
                let failed = BadArguments(format!("the encoder failed: {error}"));
                self.send(Item::Failed(failed))?;
                return Err(Gone);
            }
        }
        for (packet, level) in packets {
            self.send(Item::Packet { packet, level })?;
        }
        Ok(())
    }

    fn send(&self, item: Item) -> Result<(), Gone> {
        self.items.blocking_send(item).map_err(|_| Gone)
    }
}

/// What to tell: the overrides before the tags, the file's name when there is no title.
fn metadata(overrides: &Metadata, tags: Option<Tags>, stem: Option<&str>) -> Option<Metadata> {
    let tags = tags.unwrap_or_default();
    let given = Some(&overrides.title)
        .filter(|title| !title.is_empty())
        .cloned();
    let title = given.or(tags.title).or(stem.map(str::to_owned))?;
    let metadata = Metadata {
        title,
        artist: overrides.artist.clone().or(tags.artist),
        album: tags.album,
        ..Metadata::default()
    };
    Some(metadata.cleaned())
}

fn converted(sound: &[f32], from: Channels, to: Channels) -> std::borrow::Cow<'_, [f32]> {
    match (from, to) {
        (Channels::Mono, Channels::Stereo) => {
            sound.iter().flat_map(|&value| [value, value]).collect()
        }
        (Channels::Stereo, Channels::Mono) => {
            let pairs = sound.chunks_exact(2);
            pairs.map(|pair| (pair[0] + pair[1]) / 2.0).collect()
        }
        _ => sound.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_words_win_over_tags_and_tags_over_the_files_name() {
        let tags = |title: &str| {
            Some(Tags {
                title: Some(title.into()),
                artist: Some("tagged".into()),
                ..Tags::default()
            })
        };
        let title = |overrides: &Metadata, tags, stem| {
            metadata(overrides, tags, stem).map(|metadata| metadata.title)
        };
        let none = Metadata::default();
        assert_eq!(title(&none, tags("t"), Some("s")).as_deref(), Some("t"));
        assert_eq!(title(&none, None, Some("s")).as_deref(), Some("s"));
        assert_eq!(title(&none, None, None), None);
        let given = Metadata {
            title: "g".into(),
            ..Metadata::default()
        };
        let told = metadata(&given, tags("t"), Some("s")).unwrap();
        assert_eq!(
            (&*told.title, told.artist.as_deref()),
            ("g", Some("tagged"))
        );
    }

    #[test]
    fn channels_are_doubled_or_averaged() {
        let (mono, stereo) = (Channels::Mono, Channels::Stereo);
        assert_eq!(*converted(&[0.5, 1.0], mono, stereo), [0.5, 0.5, 1.0, 1.0]);
        assert_eq!(*converted(&[0.5, 1.0], stereo, mono), [0.75]);
        assert_eq!(*converted(&[0.5, 1.0], stereo, stereo), [0.5, 1.0]);
    }
}
