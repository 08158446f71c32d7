//! The files of recordings: one folder per station, names that tell when each began.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};
use wire::StationId;

/// Recordings that begin in the same second at most.
const SAME_SECOND_MAX: u32 = 100;

/// Where recordings are, shared by those who write, list and remove them.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    writing: Mutex<BTreeSet<(StationId, Name)>>,
}

/// The name of a recording's file: `20261124T180000Z.opus`, or `.jsonl` for the list of
/// titles beside it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name(String);

/// The text is no name of a recording.
#[derive(Debug, thiserror::Error)]
#[error("no recording has such a name")]
pub(crate) struct InvalidName;

/// One recording as the API lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Entry {
    pub(crate) name: String,
    /// Bytes of sound.
    pub(crate) bytes: u64,
    /// When it began, in microseconds since the Unix epoch.
    pub(crate) started_at: u64,
    /// When it was last written to, in microseconds since the Unix epoch.
    pub(crate) ended_at: u64,
    /// Whether it is being written.
    pub(crate) recording: bool,
}

/// A recording's files while they are written.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) sound: File,
    pub(super) titles: File,
    pub(super) name: Name,
    station: StationId,
    folder: Arc<Folder>,
}

impl Folder {
    pub(crate) fn new(root: PathBuf) -> Arc<Self> {
        let writing = Mutex::default();
        Arc::new(Self { root, writing })
    }

    /// Where a file is, there or not.
    pub(crate) fn path(&self, station: &StationId, name: &Name) -> PathBuf {
        self.root.join(station.as_str()).join(&name.0)
    }

    /// Begins a recording's files; no file that is there is ever written to.
    pub(super) fn create(
        self: &Arc<Self>,
        station: &StationId,
        unix_us: u64,
    ) -> io::Result<Opened> {
        fs::create_dir_all(self.root.join(station.as_str()))?;
        for number in 1..=SAME_SECOND_MAX {
            let name = Name::new(unix_us, number);
            match File::create_new(self.path(station, &name)) {
                Ok(sound) => return self.open(station, name, sound),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    fn open(self: &Arc<Self>, station: &StationId, name: Name, sound: File) -> io::Result<Opened> {
        let titles = File::create(self.path(station, &name.titles()));
        let titles = titles.inspect_err(|_| self.discard(station, &name))?;
        self.lock().insert((station.clone(), name.clone()));
        Ok(Opened {
            sound,
            titles,
            name,
            station: station.clone(),
            folder: Arc::clone(self),
        })
    }

    /// A station's recordings, oldest first. Reads the folder without yielding.
    pub(crate) fn list(&self, station: &StationId) -> io::Result<Vec<Entry>> {
        let files = match fs::read_dir(self.root.join(station.as_str())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            files => files?,
        };
        let mut entries = Vec::new();
        for file in files {
            let file = file?;
            let name = file.file_name();
            let name = name.to_str().and_then(|name| name.parse::<Name>().ok());
            let Some(name) = name.filter(Name::is_sound) else {
                continue;
            };
            // It may have been removed just now.
            let Ok(metadata) = file.metadata() else {
                continue;
            };
            let key = (station.clone(), name);
            entries.push(Entry {
                bytes: metadata.len(),
                started_at: key.1.started_at(),
                ended_at: metadata.modified().map_or(0, micros),
                recording: self.lock().contains(&key),
                name: key.1.0,
            });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// Removes a recording and its titles; false when it is being written.
    pub(crate) fn remove(&self, station: &StationId, name: &Name) -> io::Result<bool> {
        if self.lock().contains(&(station.clone(), name.clone())) {
            return Ok(false);
        }
        fs::remove_file(self.path(station, name))?;
        let _ = fs::remove_file(self.path(station, &name.titles()));
        Ok(true)
    }

    /// Removes what is older than `age` and then the oldest until all have `bytes` at
    /// most; answers how many. What is being written stays.
    pub(super) fn tidy(
        &self,
        age: Option<Duration>,
        bytes: Option<u64>,
        now: SystemTime,
    ) -> io::Result<usize> {
        let mut all = Vec::new();
        let folders = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            folders => folders?,
        };
        for folder in folders {
            let name = folder?.file_name();
            let station = name.to_str().and_then(|name| name.parse().ok());
            if let Some(station) = station {
                let entries = self.list(&station)?.into_iter();
                all.extend(entries.map(|entry| (station.clone(), entry)));
            }
        }
        all.sort_by_key(|(_, entry)| entry.started_at);
        let mut total: u64 = all.iter().map(|(_, entry)| entry.bytes).sum();
        let oldest = age.map_or(0, |age| micros(now).saturating_sub(age.as_micros() as u64));
        let mut removed = 0;
        for (station, entry) in all.into_iter().filter(|(_, entry)| !entry.recording) {
            let too_many = bytes.is_some_and(|bytes| total > bytes);
            if entry.ended_at < oldest || too_many {
                let name = Name(entry.name);
                if self.remove(&station, &name)? {
                    tracing::info!(%station, name = name.0, "a recording was removed");
                    total -= entry.bytes;
                    removed += 1;
                }
            }
        }
        Ok(removed)
    }

    fn discard(&self, station: &StationId, name: &Name) {
        let _ = fs::remove_file(self.path(station, name));
        let _ = fs::remove_file(self.path(station, &name.titles()));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<(StationId, Name)>> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Opened {
    /// Removes a recording of which nothing could be written.
    pub(super) fn discard(self) {
        self.folder.discard(&self.station, &self.name);
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        let key = (self.station.clone(), self.name.clone());
        self.folder.lock().remove(&key);
    }
}

impl Name {
    fn new(unix_us: u64, number: u32) -> Self {
        let nanos = i128::from(unix_us) * 1000;
        let at = OffsetDateTime::from_unix_timestamp_nanos(nanos);
        let at = at.unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let format = format_description!("[year][month][day]T[hour][minute][second]Z");
        let mut name = at.format(format).expect("every moment has these parts");
        if number > 1 {
            name += &format!("-{number}");
        }
        Self(name + ".opus")
    }

    /// Whether it names sound rather than titles.
    pub(crate) fn is_sound(&self) -> bool {
        self.0.ends_with(".opus")
    }

    fn titles(&self) -> Self {
        Self(self.0.replace(".opus", ".jsonl"))
    }

    /// When the recording began, in microseconds since the Unix epoch.
    fn started_at(&self) -> u64 {
        let format = format_description!("[year][month][day]T[hour][minute][second]Z");
        let at = self.0.get(..16);
        let at = at.and_then(|at| PrimitiveDateTime::parse(at, format).ok());
        let seconds = at.map_or(0, |at| at.assume_utc().unix_timestamp());
        u64::try_from(seconds).unwrap_or(0) * 1_000_000
    }
}

impl FromStr for Name {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let stem = text.strip_suffix(".opus").or(text.strip_suffix(".jsonl"));
        let plain = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'T' | b'Z' | b'-');
        match stem {
            Some(stem) if (16..=20).contains(&stem.len()) && stem.bytes().all(plain) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(InvalidName),
        }
    }
}

fn micros(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_micros() as u64
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn names_tell_when_and_nothing_else_is_one() {
        let name = Name::new(1_795_543_200_000_000, 1);
        assert_eq!(name.0, "20261124T180000Z.opus");
        assert_eq!(name.started_at(), 1_795_543_200_000_000);
        let second: Name = Name::new(0, 2).0.parse().unwrap();
        assert_eq!(second.titles().0, "19700101T000000Z-2.jsonl");
        for bad in [
            "",
            "x.opus",
            "../../../etc/passwd",
            "20261124T180000Z",
            "....opus",
        ] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_oldest_go_first_and_what_is_written_stays() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(root.path().join("rec"));
        let station: StationId = "jazz".parse().unwrap();
        assert_eq!(folder.list(&station).unwrap(), []);
        assert_eq!(folder.tidy(None, Some(1), SystemTime::now()).unwrap(), 0);
        // Two in the same second, one later, one that is still open.
        let mut open = Vec::new();
        for at in [5, 5, 6, 7] {
            let mut opened = folder.create(&station, at * 1_000_000).unwrap();
            opened.sound.write_all(&[0; 1000]).unwrap();
            open.push(opened);
        }
        open.drain(..3);
        let names = || {
            let entries = folder.list(&station).unwrap();
            let entries = entries.into_iter();
            entries
                .map(|entry| (entry.name, entry.recording))
                .collect::<Vec<_>>()
        };
        let name = |name: &str, open| (format!("19700101T00000{name}.opus"), open);
        let all = [("5Z", false), ("5Z-2", false), ("6Z", false), ("7Z", true)];
        let mut listed = names();
        listed.sort();
        let mut expected = all.map(|(at, open)| name(at, open)).to_vec();
        expected.sort();
        assert_eq!(listed, expected);
        let now = SystemTime::now();
        assert_eq!(folder.tidy(None, Some(4000), now).unwrap(), 0);
        assert_eq!(folder.tidy(None, Some(2999), now).unwrap(), 2);
        assert_eq!(names(), [name("6Z", false), name("7Z", true)]);
        let day = Duration::from_secs(86_400);
        assert_eq!(folder.tidy(Some(day), None, now).unwrap(), 0);
        assert_eq!(folder.tidy(Some(day), None, now + 2 * day).unwrap(), 1);
        assert_eq!(folder.tidy(Some(day), Some(1), now + 2 * day).unwrap(), 0);
        assert_eq!(names(), [name("7Z", true)]);
        let left = fs::read_dir(root.path().join("rec/jazz")).unwrap().count();
        assert_eq!(left, 2, "the titles went with the sound");
    }
}
