//! How far a client has come in a channel.

use wire::frame::Push;
use wire::message::{SubscribeParams, Subscribed};

/// A place in a channel's series of events: what came up to it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The series.
    pub epoch: String,
    /// The newest offset known.
    pub offset: u64,
}

/// What a push means to whoever stands at a position.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It is the next, or has no place at all: it is for the application.
    Take,
    /// It is known already.
    Skip,
    /// Something before it is missing: subscribe anew from the position.
    Gap,
}

impl Position {
    /// Where a subscription begins; none in a channel without offsets.
    pub(super) fn of(subscribed: &Subscribed) -> Option<Self> {
        Some(Self {
            epoch: subscribed.epoch.clone()?,
            offset: subscribed.offset?,
        })
    }

    /// Takes a push's place, if it is the next.
    pub(super) fn step(position: &mut Option<Self>, push: &Push) -> Step {
        let (Some(position), Some(offset)) = (position, push.offset) else {
            return Step::Take;
        };
        match offset.checked_sub(position.offset) {
            None | Some(0) => Step::Skip,
            Some(1) => {
                position.offset = offset;
                Step::Take
            }
            Some(_) => Step::Gap,
        }
    }

    /// A subscription that continues from here.
    pub(super) fn resume(position: Option<&Self>, channel: &str) -> SubscribeParams {
        SubscribeParams {
            channel: channel.to_owned(),
            epoch: position.map(|position| position.epoch.clone()),
            offset: position.map(|position| position.offset),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_offset_is_taken_once_and_none_is_passed_over() {
        let mut position = Some(Position {
            epoch: "e".into(),
            offset: 4,
        });
        let mut step = |offset: Option<u64>| {
            let push = Push::new("room:a", "message", &());
            let push = offset.map_or(push.clone(), |offset| push.at(offset));
            Position::step(&mut position, &push)
        };
        assert_eq!(step(Some(4)), Step::Skip);
        assert_eq!(step(Some(5)), Step::Take);
        assert_eq!(step(Some(5)), Step::Skip);
        assert_eq!(step(None), Step::Take);
        assert_eq!(step(Some(7)), Step::Gap);
        assert_eq!(step(Some(6)), Step::Take);
        assert_eq!(step(Some(7)), Step::Take);
    }
}
