//! Sound for WebTransport listeners: the engine sends it to all who joined.

use engine::{Command, Frame, Frames, Handle};
use wire::TrackId;

use super::line::Link;
use crate::fanout::{Crowd, Encodings, Level, Made, Packet, Seat, Sent, Sink};

/// All listeners the engine serves.
#[derive(Debug, Clone)]
pub(super) struct EngineCrowd(Handle);

/// One of them.
#[derive(Debug)]
pub(super) struct EngineSink {
    link: Link,
    crowd: EngineCrowd,
}

impl EngineCrowd {
    pub(super) fn new(handle: Handle) -> Self {
        Self(handle)
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.0
    }
}

impl Crowd for EngineCrowd {
    fn send(&self, packet: &Encodings<'_>) {
        let Some(plain) = frame(packet.plain()) else {
            return;
        };
        let mut frames = Frames::from(plain);
        for level in Level::MADE {
            frames = match packet.made(level) {
                Some(Made::Sent(own)) => match frame(own) {
                    Some(own) => frames.with(level as u8, own),
                    None => frames,
                },
                Some(Made::Waits) => frames.without(level as u8),
                None => frames,
            };
        }
        self.0.frame(packet.plain().track, frames);
    }
}

impl EngineSink {
    pub(super) fn new(link: Link, crowd: EngineCrowd) -> Self {
        Self { link, crowd }
    }
}

impl Sink for EngineSink {
    fn send(&self, packet: &Packet) -> Sent {
        let Some(frame) = frame(packet) else {
            return Sent::Refused;
        };
        let session = self.link.session();
        let datagram = Command::Datagram { session, frame };
        // A datagram may be lost; the session goes on.
        match self.crowd.handle().command(datagram) {
            Ok(()) => Sent::Queued,
            Err(_) => Sent::Refused,
        }
    }

    fn seat(&self) -> Option<&dyn Seat> {
        Some(self)
    }
}

impl Seat for EngineSink {
    fn crowd(&self) -> &dyn Crowd {
        &self.crowd
    }

    fn take(&self, track: TrackId) {
        let session = self.link.session();
        self.link.command(Command::Join { session, track });
    }

    fn leave(&self) {
        let session = self.link.session();
        self.link.command(Command::Leave { session });
    }

    fn set_level(&self, level: Level) {
        let (session, level) = (self.link.session(), level as u8);
        self.link.command(Command::Level { session, level });
    }
}

fn frame(packet: &Packet) -> Option<Frame> {
    Frame::from_prefixed(packet.prefixed().clone())
}
