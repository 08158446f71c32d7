//! Files to mixed sound, ahead of time; and what there is to know about them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use media::encoder::Channels;
use media::input::{Event, Input, Tags};

use super::mixer::{Mixer, Token, Want};
use super::program::{Program, Track};
use crate::config::Then;

/// Samples per channel in one block: 20 ms.
pub(super) const BLOCK: usize = 960;

/// Blocks made ahead: 400 ms, what a disk may take without being heard.
const AHEAD: usize = 20;

/// How often a reel with nothing to play looks again.
const LOOK: Duration = Duration::from_millis(100);

/// How often the playlist's folders are looked at.
const SCAN: Duration = Duration::from_secs(30);

/// What begins at which sample of a block: a track, or silence.
pub(super) type Starts = Vec<(usize, Option<Track>)>;

/// What a reel yields.
#[derive(Debug)]
pub(super) enum Block {
    /// Interleaved stereo, and what begins at which of its samples.
    Sound(Box<[f32]>, Starts),
    /// There is nothing to play now; told again until there is.
    Dry,
}

/// Starts to make blocks; ends when they are not wanted any more.
pub(super) fn start(program: &Arc<Program>) -> std::io::Result<(Receiver<Block>, JoinHandle<()>)> {
    let (blocks, taken) = sync_channel(AHEAD);
    let program = Arc::clone(program);
    let thread = std::thread::Builder::new()
        .name(format!("reel {}", program.station()))
        .spawn(move || {
            let crossfade = program.fallback().crossfade.samples();
            let reel = Reel {
                mixer: Mixer::new(crossfade),
                decks: BTreeMap::new(),
                last: 0,
                silent: false,
                program,
            };
            reel.run(&blocks);
        })?;
    Ok((taken, thread))
}

struct Reel {
    program: Arc<Program>,
    mixer: Mixer,
    decks: BTreeMap<Token, Deck>,
    last: Token,
    /// Whether the last block was silence for want of tracks.
    silent: bool,
}

/// A file being read.
struct Deck {
    /// None when it was read to its end.
    input: Option<Input>,
    track: Track,
}

impl Reel {
    fn run(mut self, blocks: &SyncSender<Block>) {
        loop {
            if self.program.take_skip() {
                self.mixer.skip();
            }
            let block = self.next_block();
            let is_dry = matches!(block, Block::Dry);
            // Waits for room; fails when nobody takes blocks any more.
            if blocks.send(block).is_err() {
                return self.put_back();
            }
            if is_dry {
                std::thread::sleep(LOOK);
            }
        }
    }

    /// What was read ahead and never heard plays another time.
    fn put_back(self) {
        let unheard = self.mixer.unheard();
        if let Some(deck) = unheard.and_then(|token| self.decks.get(&token)) {
            let Track { file, by, .. } = &deck.track;
            self.program.order().put_back(file, by.clone());
        }
    }

    fn next_block(&mut self) -> Block {
        let mut sound = vec![0.0; BLOCK * 2];
        let mut filled = 0;
        loop {
            let lacks = self.serve();
            let mixed = self.mixer.mix(&mut sound[filled * 2..]);
            filled += mixed;
            if filled == BLOCK || lacks || mixed == 0 {
                break;
            }
        }
        let mut starts = Vec::new();
        while let Some((offset, token)) = self.mixer.poll_started() {
            self.decks.retain(|deck, _| *deck >= token);
            if let Some(deck) = self.decks.get(&token) {
                starts.push((offset, Some(deck.track.clone())));
            }
        }
        if std::mem::replace(&mut self.silent, filled == 0) != self.silent && self.silent {
            starts.push((0, None));
        }
        match self.program.fallback().then {
            Then::Stop if filled == 0 => Block::Dry,
            _ => Block::Sound(sound.into_boxed_slice(), starts),
        }
    }

    /// Gives the mixer what it lacks; true when there is nothing more to give.
    fn serve(&mut self) -> bool {
        while let Some(want) = self.mixer.want() {
            match want {
                Want::Track => {
                    if !self.load() {
                        return true;
                    }
                }
                Want::Sound(token) => self.read(token),
            }
        }
        false
    }

    /// Opens the next file that can be opened.
    fn load(&mut self) -> bool {
        while let Some(pick) = self.program.take_next(Instant::now()) {
            match Input::open(&pick.path) {
                Ok(input) => {
                    self.program.has_sound();
                    self.last += 1;
                    let track = Track {
                        file: pick.file,
                        tags: Tags::default(),
                        by: pick.by,
                    };
                    let mut deck = Deck {
                        input: Some(input),
                        track,
                    };
                    deck.read_beginning(&mut self.mixer, self.last);
                    self.program.set_cued(Some(deck.track.clone()));
                    self.decks.insert(self.last, deck);
                    return true;
                }
                Err(error) => self.program.leave_out(&pick.file, &error),
            }
        }
        false
    }

    fn read(&mut self, token: Token) {
        let Some(deck) = self.decks.get_mut(&token) else {
            return self.mixer.end(token);
        };
        if let Err(error) = deck.read(&mut self.mixer, token) {
            // What was decoded is played.
            self.program.leave_out(&deck.track.file, &error);
        }
    }
}

impl Deck {
    /// Reads the tags a file begins with, so that they are known when its sound begins.
    fn read_beginning(&mut self, mixer: &mut Mixer, token: Token) {
        mixer.load(token);
        // An error shows again, or as an early end, when it is read on.
        if let Ok(Some(tags)) = self.read_piece(mixer, token) {
            self.track.tags = tags;
        }
    }

    /// Reads one piece.
    fn read(&mut self, mixer: &mut Mixer, token: Token) -> Result<(), media::input::Error> {
        self.read_piece(mixer, token).map(|_| ())
    }

    /// Reads sound into the mixer, or tags.
    fn read_piece(
        &mut self,
        mixer: &mut Mixer,
        token: Token,
    ) -> Result<Option<Tags>, media::input::Error> {
        let Some(input) = &mut self.input else {
            mixer.end(token);
            return Ok(None);
        };
        match input.next_event() {
            Ok(Some(Event::Sound(sound))) => match input.channels() {
                Channels::Stereo => mixer.push(token, &sound),
                Channels::Mono => {
                    let both: Vec<_> = sound.iter().flat_map(|&sample| [sample; 2]).collect();
                    mixer.push(token, &both);
                }
            },
            Ok(Some(Event::Tags { tags, .. })) => return Ok(Some(tags)),
            Ok(None) => {
                self.input = None;
                mixer.end(token);
            }
            Err(error) => {
                self.input = None;
                mixer.end(token);
                return Err(error);
            }
        }
        Ok(None)
    }
}

/// Looks for files every now and then and reads their tags, a fifth of the time at most.
pub(super) fn keep_library(program: &Arc<Program>, stopped: &AtomicBool) {
    let mut scanned = Instant::now();
    while !stopped.load(Ordering::Relaxed) {
        if scanned.elapsed() >= SCAN {
            program.scan();
            scanned = Instant::now();
        }
        let Some(item) = program.unread() else {
            std::thread::sleep(LOOK);
            continue;
        };
        let begun = Instant::now();
        match tags(&item.path) {
            Ok(tags) => program.order().set_tags(&item.file, tags),
            Err(error) => program.leave_out(&item.file, &error),
        }
        std::thread::sleep((begun.elapsed() * 4).min(Duration::from_secs(1)));
    }
}

/// What a file says about itself, if it is sound.
fn tags(path: &std::path::Path) -> Result<Tags, media::input::Error> {
    match Input::open(path)?.next_event()? {
        Some(Event::Tags { tags, .. }) => Ok(tags),
        _ => Ok(Tags::default()),
    }
}
