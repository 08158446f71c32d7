//! Frames that wait, and the lane they wait in.

use std::collections::VecDeque;
use std::sync::Arc;

use wire::frame::{Batch, Push, Reply};

use crate::gate::PushClass;

/// Frames that wait in one lane before the session counts as one that does not read:
/// above what one commit of the chat may tell at once.
pub(crate) const FRAMES_MAX: usize = 1_024;

/// A control frame, or several told together, encoded once however many sessions get them.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(super) batch: Batch,
    /// Frames of the same name replace one another while they wait: only the
    /// latest matters.
    replaces: Option<Arc<str>>,
    pub(super) haste: Haste,
}

/// Whether a frame may wait a moment for others to go with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Haste {
    /// Somebody waits for it.
    Now,
    /// It goes to many, or tells of others.
    Soon,
}

impl Frame {
    /// A frame that must arrive.
    pub(crate) fn durable(push: &Push) -> Self {
        Self::new(&push.encode())
    }

    /// A frame whose place a later one of the same name takes.
    pub(crate) fn volatile(push: &Push, name: &'static str) -> Self {
        Self {
            replaces: Some(name.into()),
            ..Self::durable(push)
        }
    }

    /// What other sessions are told as well.
    pub(crate) fn shared(batch: Batch, class: PushClass) -> Self {
        Self {
            batch,
            replaces: match class {
                PushClass::Durable => None,
                PushClass::Latest(key) => Some(key),
            },
            haste: Haste::Soon,
        }
    }

    fn new(json: &str) -> Self {
        Self {
            batch: Batch::one(json),
            replaces: None,
            haste: Haste::Now,
        }
    }
}

impl From<&Reply> for Frame {
    fn from(reply: &Reply) -> Self {
        Self::new(&reply.encode())
    }
}

/// One lane: at most [`FRAMES_MAX`] frames, in their order.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Frame>,
    /// Frames that wait, those told together each for itself.
    frames: usize,
}

impl Queue {
    /// Appends a frame, or takes the place of one it replaces; false when there is no room.
    pub(super) fn append(&mut self, frame: Frame) -> bool {
        if let Some(name) = &frame.replaces {
            let same = |other: &&mut Frame| other.replaces.as_ref() == Some(name);
            if let Some(waiting) = self.waiting.iter_mut().find(same) {
                *waiting = frame;
                return true;
            }
        }
        if self.frames + frame.batch.len() > FRAMES_MAX {
            return false;
        }
        self.append_last(frame);
        true
    }

    /// Appends a frame whether there is room or not.
    pub(super) fn append_last(&mut self, frame: Frame) {
        self.frames += frame.batch.len();
        self.waiting.push_back(frame);
    }

    pub(super) fn pop(&mut self) -> Option<Frame> {
        let frame = self.waiting.pop_front()?;
        self.frames -= frame.batch.len();
        Some(frame)
    }

    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.frames = 0;
    }
}
