//! What a station's playlist plays next: the queue before the files, the files in order
//! or shuffled.
//!
//! Plain state: the seed and the moment come in as arguments, nothing here reads a file.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use media::input::Tags;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

/// Entries of the queue; a further one is refused.
pub(crate) const QUEUE_MAX: usize = 256;

/// Requests that wait for approval; a further one is refused.
const REQUESTS_MAX: usize = 128;

/// Requests somebody may make at once, and how long one more takes.
const BURST: f64 = 3.0;
const EVERY: Duration = Duration::from_secs(60);

/// Askers remembered; above it those who may ask again are forgotten.
const ASKERS_MAX: usize = 10_000;

/// How files follow each other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// Each round in an order of its own.
    pub(crate) shuffle: bool,
    /// Round after round, or one alone.
    pub(crate) repeat: bool,
    pub(crate) requests: Requests,
}

/// What becomes of listeners' requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Requests {
    /// There are none.
    #[default]
    Off,
    /// They wait until a moderator approves.
    Approval,
    /// They go into the queue.
    Open,
}

/// A file of the playlist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    /// What it is called: its path within the folder, with `/`.
    pub(crate) file: String,
    pub(crate) path: PathBuf,
    /// Size and time of change, to know another file of the same name; none when missing.
    pub(crate) version: Option<(u64, SystemTime)>,
    /// Once they were read.
    pub(crate) tags: Option<Tags>,
    /// Why it is left out.
    pub(crate) broken: Option<String>,
}

/// A file in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: u64,
    pub(crate) file: String,
    /// Who asked for it.
    pub(crate) by: Option<String>,
}

/// A request that waits for approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) id: u64,
    pub(crate) file: String,
    /// The user's id, and the name to show.
    pub(crate) sub: String,
    pub(crate) by: String,
}

/// What plays next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pick {
    pub(crate) file: String,
    pub(crate) path: PathBuf,
    pub(crate) by: Option<String>,
}

/// Why the queue stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the playlist has no such file")]
    NoFile,
    #[error("the queue has no such entry")]
    NoEntry,
    #[error("there is no such request")]
    NoRequest,
    #[error("the queue is full")]
    Full,
    #[error("this station takes no requests")]
    Off,
    #[error("it waits already")]
    Waits,
    #[error("too many requests")]
    TooMany(Duration),
}

/// The order of one station.
#[derive(Debug)]
pub(crate) struct Order {
    rules: Rules,
    items: Vec<Item>,
    /// Files still to come in this round.
    round: VecDeque<String>,
    /// Whether a round was begun.
    begun: bool,
    last: Option<String>,
    queue: VecDeque<Entry>,
    requests: VecDeque<Request>,
    /// How many requests each may make, since when.
    askers: HashMap<String, (f64, Instant)>,
    /// Broken files somebody was told of.
    told: HashSet<(String, Option<(u64, SystemTime)>)>,
    last_id: u64,
    random: StdRng,
}

impl Order {
    pub(crate) fn new(rules: Rules, seed: u64) -> Self {
        Self {
            rules,
            items: Vec::new(),
            round: VecDeque::new(),
            begun: false,
            last: None,
            queue: VecDeque::new(),
            requests: VecDeque::new(),
            askers: HashMap::new(),
            told: HashSet::new(),
            last_id: 0,
            random: StdRng::seed_from_u64(seed),
        }
    }

    /// Takes the files there are now, in order. What is known of those that did not
    /// change stays known; new ones are played in this round still.
    pub(crate) fn set_items(&mut self, mut items: Vec<Item>) {
        let mut before: HashMap<String, Item> = self
            .items
            .drain(..)
            .map(|item| (item.file.clone(), item))
            .collect();
        let mut fresh = Vec::new();
        for item in &mut items {
            match before.remove(&item.file) {
                Some(known) if known.version == item.version => {
                    (item.tags, item.broken) = (known.tags, known.broken);
                }
                // It was passed over in this round, and can be played now.
                Some(known) if known.broken.is_some() && !self.round.contains(&item.file) => {
                    fresh.push(item.file.clone());
                }
                Some(_) => {}
                None => fresh.push(item.file.clone()),
            }
        }
        self.items = items;
        self.told.retain(|(file, _)| !before.contains_key(file));
        if !self.begun {
            return;
        }
        if self.rules.shuffle {
            let gone = |file: &String| before.contains_key(file);
            self.round.retain(|file| !gone(file));
            for file in fresh {
                let at = self.random.random_range(0..=self.round.len());
                self.round.insert(at, file);
            }
        } else {
            let at = self.last.as_ref().and_then(|last| self.index(last));
            match at {
                Some(at) => self.round = self.files().skip(at + 1).collect(),
                None => self.round.retain(|file| !before.contains_key(file)),
            }
        }
    }

    /// Notes what a file says about itself.
    pub(crate) fn set_tags(&mut self, file: &str, tags: Tags) {
        if let Some(at) = self.index(file) {
            self.items[at].tags = Some(tags);
        }
    }

    /// A file cannot be played: it is left out from now on. Whether that is news.
    pub(crate) fn set_broken(&mut self, file: &str, why: &str) -> bool {
        let Some(at) = self.index(file) else {
            return false;
        };
        let item = &mut self.items[at];
        item.broken = Some(why.to_owned());
        self.told.insert((item.file.clone(), item.version))
    }

    /// Tries broken files once more.
    pub(crate) fn forgive(&mut self) {
        for item in &mut self.items {
            item.broken = None;
        }
    }

    /// Begins anew for a playlist that is played once each time it is on air.
    pub(crate) fn rewind(&mut self) {
        if !self.rules.repeat && self.round.is_empty() {
            self.begun = false;
        }
    }

    /// What plays next; none when everything was played or nothing can be.
    pub(crate) fn take_next(&mut self) -> Option<Pick> {
        while let Some(entry) = self.queue.pop_front() {
            if let Some(pick) = self.pick(&entry.file, entry.by) {
                return Some(pick);
            }
        }
        loop {
            if self.round.is_empty() && !self.begin_round() {
                return None;
            }
            let file = self.round.pop_front()?;
            if let Some(pick) = self.pick(&file, None) {
                self.last = Some(file);
                return Some(pick);
            }
        }
    }

    /// What was taken and never heard plays first.
    pub(crate) fn put_back(&mut self, file: &str, by: Option<String>) {
        let id = self.new_id();
        let file = file.to_owned();
        self.queue.push_front(Entry { id, file, by });
    }

    /// Whether the queue has something.
    pub(crate) fn is_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    pub(crate) fn items(&self) -> &[Item] {
        &self.items
    }

    pub(crate) fn item(&self, file: &str) -> Option<&Item> {
        self.index(file).map(|at| &self.items[at])
    }

    pub(crate) fn queue(&self) -> impl Iterator<Item = &Entry> {
        self.queue.iter()
    }

    pub(crate) fn requests(&self) -> impl Iterator<Item = &Request> {
        self.requests.iter()
    }

    /// Puts a file into the queue, at its end or before the entry at `position`.
    pub(crate) fn add(
        &mut self,
        file: &str,
        position: Option<usize>,
        by: Option<String>,
    ) -> Result<Entry, Refused> {
        self.item(file).ok_or(Refused::NoFile)?;
        if self.queue.len() >= QUEUE_MAX {
            return Err(Refused::Full);
        }
        let entry = Entry {
            id: self.new_id(),
            file: file.to_owned(),
            by,
        };
        let end = self.queue.len();
        self.queue
            .insert(position.unwrap_or(end).min(end), entry.clone());
        Ok(entry)
    }

    pub(crate) fn remove(&mut self, id: u64) -> Result<(), Refused> {
        let at = self.entry(id)?;
        self.queue.remove(at);
        Ok(())
    }

    /// Moves an entry such that it is at `position`, or the last one.
    pub(crate) fn move_to(&mut self, id: u64, position: usize) -> Result<(), Refused> {
        let at = self.entry(id)?;
        if let Some(entry) = self.queue.remove(at) {
            let position = position.min(self.queue.len());
            self.queue.insert(position, entry);
        }
        Ok(())
    }

    /// A listener's wish. `address` bounds those who are many users. What is answered
    /// tells whether it is in the queue already.
    pub(crate) fn request(
        &mut self,
        file: &str,
        (sub, by): (&str, &str),
        address: &str,
        now: Instant,
    ) -> Result<(u64, bool), Refused> {
        if self.rules.requests == Requests::Off {
            return Err(Refused::Off);
        }
        self.item(file).ok_or(Refused::NoFile)?;
        let waits = self.requests.iter().any(|request| request.file == file)
            || self.queue.iter().any(|entry| entry.file == file);
        if waits {
            return Err(Refused::Waits);
        }
        if self.requests.len() >= REQUESTS_MAX || self.queue.len() >= QUEUE_MAX {
            return Err(Refused::Full);
        }
        self.take_token(
            &[(format!("user {sub}"), 1.0), (format!("at {address}"), 4.0)],
            now,
        )?;
        if self.rules.requests == Requests::Open {
            let entry = self.add(file, None, Some(by.to_owned()))?;
            return Ok((entry.id, true));
        }
        let id = self.new_id();
        self.requests.push_back(Request {
            id,
            file: file.to_owned(),
            sub: sub.to_owned(),
            by: by.to_owned(),
        });
        Ok((id, false))
    }

    /// A moderator's answer to a request: the entry it became, if it is approved.
    pub(crate) fn decide(&mut self, id: u64, approved: bool) -> Result<Option<Entry>, Refused> {
        let at = self.requests.iter().position(|request| request.id == id);
        let at = at.ok_or(Refused::NoRequest)?;
        let request = &self.requests[at];
        let entry = match approved {
            true => {
                let (file, by) = (request.file.clone(), request.by.clone());
                Some(self.add(&file, None, Some(by))?)
            }
            false => None,
        };
        self.requests.remove(at);
        Ok(entry)
    }

    fn files(&self) -> impl Iterator<Item = String> {
        self.items.iter().map(|item| item.file.clone())
    }

    fn index(&self, file: &str) -> Option<usize> {
        self.items.iter().position(|item| item.file == file)
    }

    fn entry(&self, id: u64) -> Result<usize, Refused> {
        let at = self.queue.iter().position(|entry| entry.id == id);
        at.ok_or(Refused::NoEntry)
    }

    fn new_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn pick(&self, file: &str, by: Option<String>) -> Option<Pick> {
        let item = self.item(file).filter(|item| item.broken.is_none())?;
        Some(Pick {
            file: item.file.clone(),
            path: item.path.clone(),
            by,
        })
    }

    /// Begins the next round, if there is one and something in it can be played.
    fn begin_round(&mut self) -> bool {
        let playable = self.items.iter().any(|item| item.broken.is_none());
        if !playable || self.begun && !self.rules.repeat {
            return false;
        }
        self.begun = true;
        let mut files: Vec<_> = self.files().collect();
        if self.rules.shuffle {
            files.shuffle(&mut self.random);
            // Two rounds meet: the same file must not be there twice in a row.
            if files.len() > 1 && files.first() == self.last.as_ref() {
                let other = self.random.random_range(1..files.len());
                files.swap(0, other);
            }
        }
        self.round = files.into();
        true
    }

    /// Takes one request from each bucket, or from none.
    fn take_token(&mut self, holders: &[(String, f64)], now: Instant) -> Result<(), Refused> {
        if self.askers.len() > ASKERS_MAX {
            let long_ago = |at: &Instant| now.saturating_duration_since(*at) > EVERY * 4;
            self.askers.retain(|_, (_, at)| !long_ago(at));
        }
        let level = |(holder, factor): &(String, f64)| {
            let (level, at) = self
                .askers
                .get(holder)
                .copied()
                .unwrap_or((BURST * factor, now));
            let elapsed = now.saturating_duration_since(at).as_secs_f64();
            (level + factor * elapsed / EVERY.as_secs_f64()).min(BURST * factor)
        };
        let levels: Vec<_> = holders.iter().map(level).collect();
        for ((_, factor), level) in holders.iter().zip(&levels) {
            if *level < 1.0 {
                let wait = EVERY.mul_f64((1.0 - level) / factor);
                return Err(Refused::TooMany(wait));
            }
        }
        for ((holder, _), level) in holders.iter().zip(levels) {
            self.askers.insert(holder.clone(), (level - 1.0, now));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
