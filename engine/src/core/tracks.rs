//! Who listens to what: track to sessions, and the frames waiting to be sent.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;
use wire::TrackId;

use crate::message::Frames;

/// A session's place in a track's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Membership {
    track: usize,
    place: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Tracks {
    index: FxHashMap<TrackId, usize>,
    tracks: Vec<Track>,
    free: Vec<usize>,
    /// Tracks with frames waiting, in the order these came.
    ready: VecDeque<usize>,
    /// The track whose frames are being sent, and to whom next.
    current: Option<usize>,
    cursor: usize,
    /// The frames being sent to everybody; reused from track to track.
    frames: Vec<Frames>,
}

#[derive(Debug)]
struct Track {
    id: TrackId,
    members: Vec<u32>,
    waiting: VecDeque<Frames>,
}

impl Tracks {
    /// Adds a session. The caller moves it out of its former track first.
    pub(crate) fn join(&mut self, id: TrackId, session: usize) -> Membership {
        let track = match self.index.get(&id) {
            Some(track) => *track,
            None => self.open(id),
        };
        let members = &mut self.tracks[track].members;
        members.push(session as u32);
        Membership {
            track,
            place: members.len() - 1,
        }
    }

    /// Removes a session. `moved` is told about sessions whose place changes.
    pub(crate) fn leave(&mut self, left: Membership, mut moved: impl FnMut(usize, Membership)) {
        let Membership { track, place } = left;
        let members = &mut self.tracks[track].members;
        let mut hole = place;
        if self.current == Some(track) && place < self.cursor {
            // Those before the cursor have had the frame and stay before it.
            self.cursor -= 1;
            if hole != self.cursor {
                members[hole] = members[self.cursor];
                moved(members[hole] as usize, Membership { track, place: hole });
            }
            hole = self.cursor;
        }
        members.swap_remove(hole);
        if let Some(session) = members.get(hole) {
            moved(*session as usize, Membership { track, place: hole });
        }
        if members.is_empty() {
            self.close(track);
        }
    }

    /// Queues a frame for everybody on the track. Returns how many older ones were dropped.
    pub(crate) fn push(&mut self, id: TrackId, frame: Frames, waiting_max: usize) -> usize {
        let Some(&at) = self.index.get(&id) else {
            return 0;
        };
        let track = &mut self.tracks[at];
        if track.waiting.is_empty() {
            self.ready.push_back(at);
        }
        track.waiting.push_back(frame);
        let excess = track.waiting.len().saturating_sub(waiting_max.max(1));
        track.waiting.drain(..excess);
        excess
    }

    /// The next session to send [`frames`](Self::frames) to.
    pub(crate) fn next(&mut self) -> Option<usize> {
        loop {
            if let Some(track) = self.current {
                if let Some(session) = self.tracks[track].members.get(self.cursor) {
                    self.cursor += 1;
                    return Some(*session as usize);
                }
                self.current = None;
            }
            let track = self.ready.pop_front()?;
            self.frames.clear();
            self.frames.extend(self.tracks[track].waiting.drain(..));
            self.current = Some(track);
            self.cursor = 0;
        }
    }

    /// The session that is next but so many, on the track that is sent now.
    pub(crate) fn upcoming(&self, after: usize) -> Option<usize> {
        let members = &self.tracks[self.current?].members;
        let session = members.get(self.cursor + after)?;
        Some(*session as usize)
    }

    /// What the session [`next`](Self::next) named is to be sent.
    pub(crate) fn frames(&self) -> &[Frames] {
        &self.frames
    }

    /// Whether [`next`](Self::next) has something.
    pub(crate) fn has_frames(&self) -> bool {
        !self.ready.is_empty()
            || self
                .current
                .is_some_and(|track| self.cursor < self.tracks[track].members.len())
    }

    fn open(&mut self, id: TrackId) -> usize {
        let track = Track {
            id,
            members: Vec::new(),
            waiting: VecDeque::new(),
        };
        let at = match self.free.pop() {
            Some(at) => {
                self.tracks[at] = track;
                at
            }
            None => {
                self.tracks.push(track);
                self.tracks.len() - 1
            }
        };
        self.index.insert(id, at);
        at
    }

    fn close(&mut self, track: usize) {
        self.index.remove(&self.tracks[track].id);
        self.tracks[track].waiting.clear();
        self.ready.retain(|ready| *ready != track);
        if self.current == Some(track) {
            self.current = None;
        }
        self.free.push(track);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Frame;
    use proptest::prelude::*;

    fn track(number: u64) -> TrackId {
        TrackId::new(number).unwrap()
    }

    proptest! {
        /// Sessions come and go while a frame is being sent: whoever was there all
        /// along gets it once, and nobody twice.
        #[test]
        fn a_frame_reaches_each_member_once(
            joins in 1usize..30,
            steps in proptest::collection::vec((0usize..40, any::<bool>()), 0..60),
        ) {
            let mut tracks = Tracks::default();
            let mut places: Vec<Option<Membership>> = vec![None; 64];
            for (session, place) in places.iter_mut().enumerate().take(joins) {
                *place = Some(tracks.join(track(1), session));
            }
            let mut stayed: Vec<bool> = (0..64).map(|session| session < joins).collect();
            tracks.push(track(1), Frame::new(b"x").into(), 10);
            let mut got = vec![0; 64];
            for (session, send) in steps {
                if send {
                    if let Some(session) = tracks.next() {
                        got[session] += 1;
                    }
                } else if let Some(place) = places[session].take() {
                    tracks.leave(place, |session, place| places[session] = Some(place));
                    stayed[session] = false;
                } else {
                    places[session] = Some(tracks.join(track(1), session));
                }
            }
            while let Some(session) = tracks.next() {
                got[session] += 1;
            }
            for (session, stayed) in stayed.into_iter().enumerate().take(joins) {
                if stayed {
                    prop_assert_eq!(got[session], 1, "session {}", session);
                }
            }
            prop_assert!(!tracks.has_frames());
        }
    }

    #[test]
    fn a_track_that_falls_behind_drops_its_oldest_frames() {
        let mut tracks = Tracks::default();
        tracks.join(track(1), 0);
        let mut dropped = 0;
        for number in 0..5u8 {
            dropped += tracks.push(track(1), Frame::new(&[number]).into(), 3);
        }
        assert_eq!(dropped, 2);
        assert_eq!(tracks.next(), Some(0));
        let payloads: Vec<_> = tracks
            .frames()
            .iter()
            .map(|frames| frames.at(0).unwrap().payload()[0])
            .collect();
        assert_eq!(payloads, [2, 3, 4]);
    }

    #[test]
    fn frames_of_a_track_nobody_hears_cost_nothing() {
        let mut tracks = Tracks::default();
        assert_eq!(tracks.push(track(9), Frame::new(b"x").into(), 3), 0);
        assert!(!tracks.has_frames());
        assert!(tracks.next().is_none());
    }
}
