//! What is said beside the sound: channels that resume, requests that survive a lost connection.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, watch};
use wire::frame::Push;
use wire::message::chat::{Content, SendParams, SendResult};
use wire::message::{SubscribeParams, Subscribed};

use crate::session::Session;
use crate::{Connector, Error};

mod actor;
mod position;

use actor::Actor;
pub use position::Position;

/// Events that wait for the application; then reading stops, and at last the relay ends
/// the session, which resumes.
const EVENTS_MAX: usize = 1024;

/// The first pause before a request is repeated that failed for a passing reason.
const PAUSE: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Rooms, conversations, inbox and presence over a session that is sought anew when it
/// is lost. Clones are the same one; it closes when the last is dropped.
#[derive(Debug, Clone)]
pub struct Chat {
    commands: mpsc::Sender<Command>,
    session: watch::Receiver<Option<Session>>,
}

/// What happens in the channels, in order.
#[derive(Debug)]
pub struct ChatEvents {
    events: mpsc::Receiver<ChatEvent>,
}

/// Something that happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum ChatEvent {
    /// A channel is there with this state, which replaces what was known of it.
    State(Subscribed),
    /// A push of a subscribed channel. Those with offsets come once each and in order,
    /// also over lost connections.
    Push(Push),
    /// There is no subscription to the channel, or none any more.
    Refused {
        /// The channel.
        channel: String,
        /// Why.
        error: Error,
    },
    /// The connection is there, again.
    Connected,
    /// The connection is lost and sought anew.
    Disconnected(String),
    /// It ended for good; nothing follows.
    Ended(Error),
}

#[derive(Debug)]
enum Command {
    Subscribe(SubscribeParams),
    Unsubscribe(String),
}

impl Chat {
    /// Connects and subscribes; a channel given with a position is resumed from there.
    ///
    /// Errors: as [`Connector::connect`].
    pub async fn start(
        connector: Connector,
        channels: Vec<SubscribeParams>,
    ) -> Result<(Self, ChatEvents), Error> {
        let (commands, command_queue) = mpsc::channel(64);
        let (event_queue, events) = mpsc::channel(EVENTS_MAX);
        let (session_told, session) = watch::channel(None);
        let mut actor = Actor::new(connector, command_queue, event_queue, session_told);
        let connected = actor.connect(channels).await?;
        tokio::spawn(actor.run(connected));
        Ok((Self { commands, session }, ChatEvents { events }))
    }

    /// Subscribes a channel; what comes of it is an event.
    pub async fn subscribe(&self, channel: impl Into<String>) -> Result<(), Error> {
        let params = SubscribeParams {
            channel: channel.into(),
            epoch: None,
            offset: None,
        };
        let sent = self.commands.send(Command::Subscribe(params)).await;
        sent.map_err(|_| ended())
    }

    /// Ends a subscription.
    pub async fn unsubscribe(&self, channel: impl Into<String>) -> Result<(), Error> {
        let command = Command::Unsubscribe(channel.into());
        self.commands.send(command).await.map_err(|_| ended())
    }

    /// Asks once, over the session there is or the next one.
    ///
    /// Errors: as [`Session::request`]. After [`Error::CutOff`] it is not known whether the
    /// request took effect.
    pub async fn request<P: Serialize, R: DeserializeOwned>(
        &self,
        method: &str,
        params: &P,
    ) -> Result<R, Error> {
        let session = self.connected().await?;
        session.request(method, params).await
    }

    /// Asks until there is an answer other than a passing failure: for requests that may
    /// be repeated. Without an answer it waits for ever; drop it to give up.
    pub async fn request_surely<P: Serialize, R: DeserializeOwned>(
        &self,
        method: &str,
        params: &P,
    ) -> Result<R, Error> {
        let mut pause = PAUSE;
        loop {
            match self.request(method, params).await {
                Err(error) if error.is_passing() => {
                    if self.session.has_changed().is_err() {
                        return Err(error);
                    }
                    tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
                outcome => return outcome,
            }
        }
    }

    /// Sends a message and returns once it is stored, however often the connection is lost
    /// meanwhile. `client_id` must be new: it makes the repetitions one message.
    pub async fn send(
        &self,
        channel: &str,
        client_id: &str,
        content: Content,
    ) -> Result<SendResult, Error> {
        let params = SendParams {
            channel: channel.to_owned(),
            client_id: client_id.to_owned(),
            content,
            reply_to: None,
            thread: None,
            mentions: Vec::new(),
        };
        self.request_surely("send", &params).await
    }

    /// The session of now, or the next one.
    async fn connected(&self) -> Result<Session, Error> {
        let mut sessions = self.session.clone();
        let usable = |session: &Option<Session>| {
            let session = session.as_ref();
            session.is_some_and(|session| session.ended().is_none())
        };
        let session = sessions.wait_for(usable).await.map_err(|_| ended())?;
        Ok(session.clone().expect("waited for one"))
    }
}

impl ChatEvents {
    /// The next event; none after [`ChatEvent::Ended`] or when the last [`Chat`] is dropped.
    pub async fn next(&mut self) -> Option<ChatEvent> {
        self.events.recv().await
    }
}

fn ended() -> Error {
    Error::CutOff("the chat has ended".into())
}
