//! The task behind a chat: it keeps the session, the subscriptions and their positions.

use std::collections::BTreeMap;

use tokio::sync::{mpsc, watch};
use wire::code::ErrorCode;
use wire::frame::{Push, read};
use wire::message::{HelloResult, SubscribeParams, Subscribed, UnsubscribeParams};

use super::position::{Position, Step};
use super::{ChatEvent, Command};
use crate::session::{Ended, Events, Session};
use crate::{Connector, Error};

/// Owns what a chat is made of.
pub(super) struct Actor {
    connector: Connector,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<ChatEvent>,
    session: watch::Sender<Option<Session>>,
    /// How far each subscribed channel has come; none before its first state, and in
    /// channels without offsets.
    positions: BTreeMap<String, Option<Position>>,
}

/// A session that was greeted, and what came of its subscriptions.
pub(super) type Connected = (Session, Events, HelloResult);

/// The application is gone.
struct Dropped;

impl Actor {
    pub(super) fn new(
        connector: Connector,
        commands: mpsc::Receiver<Command>,
        events: mpsc::Sender<ChatEvent>,
        session: watch::Sender<Option<Session>>,
    ) -> Self {
        Self {
            connector,
            commands,
            events,
            session,
            positions: BTreeMap::new(),
        }
    }

    /// Connects for the first time.
    pub(super) async fn connect(
        &mut self,
        channels: Vec<SubscribeParams>,
    ) -> Result<Connected, Error> {
        for params in &channels {
            let position = params.epoch.clone().zip(params.offset);
            let position = position.map(|(epoch, offset)| Position { epoch, offset });
            self.positions.insert(params.channel.clone(), position);
        }
        let connected = self.connector.connect(channels).await?;
        self.session.send_replace(Some(connected.0.clone()));
        Ok(connected)
    }

    /// Runs until the application lets go or the relay ends it for good.
    pub(super) async fn run(mut self, mut connected: Connected) {
        loop {
            let (session, events, hello) = connected;
            let served = self.serve(&session, events, hello).await;
            let Ok(ended) = served else {
                return session.close().await;
            };
            self.session.send_replace(None);
            let reason = ended.reason.clone();
            if self.tell(ChatEvent::Disconnected(reason)).await.is_err() {
                return;
            }
            let again = self.connector.reconnect(&ended, || {
                let channels = self.positions.iter();
                let channels = channels.map(|(channel, at)| Position::resume(at.as_ref(), channel));
                self.connector.connect(channels.collect())
            });
            let again = tokio::select! {
                again = again => again,
                () = self.events.closed() => return,
            };
            match again {
                Ok(again) => connected = again,
                Err(error) => {
                    let _ = self.tell(ChatEvent::Ended(error)).await;
                    return;
                }
            }
            self.session.send_replace(Some(connected.0.clone()));
        }
    }

    /// Serves one session until it ends.
    async fn serve(
        &mut self,
        session: &Session,
        mut events: Events,
        hello: HelloResult,
    ) -> Result<Ended, Dropped> {
        self.tell(ChatEvent::Connected).await?;
        for subscribed in hello.subscriptions {
            let too_much = |error: &wire::frame::Error| error.code == ErrorCode::Overloaded;
            if subscribed.error.as_ref().is_some_and(too_much) {
                self.resume(session, &subscribed.channel).await?;
            } else {
                self.handle_subscribed(subscribed).await?;
            }
        }
        loop {
            tokio::select! {
                push = events.next() => match push {
                    Ok(push) => self.handle_push(session, push).await?,
                    Err(ended) => return Ok(ended),
                },
                command = self.commands.recv() => match command {
                    Some(Command::Subscribe(params)) => {
                        self.positions.insert(params.channel.clone(), None);
                        self.resume(session, &params.channel).await?;
                    }
                    Some(Command::Unsubscribe(channel)) => {
                        self.positions.remove(&channel);
                        let params = UnsubscribeParams { channel };
                        // A subscription that outlives this is ignored; the next session has none.
                        let _: Result<serde_json::Value, _> =
                            session.request("unsubscribe", &params).await;
                    }
                    None => return Err(Dropped),
                },
                () = self.events.closed() => return Err(Dropped),
            }
        }
    }

    /// Subscribes a channel from where it stands.
    async fn resume(&mut self, session: &Session, channel: &str) -> Result<(), Dropped> {
        let position = self.positions.get(channel).and_then(Option::as_ref);
        let params = Position::resume(position, channel);
        let subscribed: Result<Subscribed, _> = session.request("subscribe", &params).await;
        match subscribed {
            Ok(subscribed) => self.handle_subscribed(subscribed).await,
            // The session is over: the next one subscribes it.
            Err(Error::CutOff(_)) => Ok(()),
            Err(error) => self.refuse(channel.to_owned(), error).await,
        }
    }

    async fn handle_subscribed(&mut self, mut subscribed: Subscribed) -> Result<(), Dropped> {
        if let Some(error) = subscribed.error {
            // Asked for again with the next session.
            if error.temporary {
                let channel = subscribed.channel;
                let error = error.into();
                return self.tell(ChatEvent::Refused { channel, error }).await;
            }
            return self.refuse(subscribed.channel, error.into()).await;
        }
        let Some(position) = self.positions.get_mut(&subscribed.channel) else {
            return Ok(());
        };
        if !subscribed.recovered {
            *position = Position::of(&subscribed);
            return self.tell(ChatEvent::State(subscribed)).await;
        }
        let events = std::mem::take(&mut subscribed.events);
        let fresh: Vec<_> = events
            .into_iter()
            .filter(|push| Position::step(position, push) == Step::Take)
            .collect();
        *position = Position::of(&subscribed);
        for push in fresh {
            self.tell(ChatEvent::Push(push)).await?;
        }
        Ok(())
    }

    async fn handle_push(&mut self, session: &Session, push: Push) -> Result<(), Dropped> {
        let Some(position) = self.positions.get_mut(&push.channel) else {
            return Ok(());
        };
        match Position::step(position, &push) {
            Step::Skip => Ok(()),
            Step::Gap => self.resume(session, &push.channel).await,
            Step::Take if push.kind == "unsubscribed" => {
                #[derive(serde::Deserialize)]
                struct Told {
                    error: wire::frame::Error,
                }
                let told = read::<Told>(&push.data).map(|told| told.error);
                let error = told.map_or_else(|_| super::ended(), Error::from);
                self.refuse(push.channel, error).await
            }
            Step::Take => self.tell(ChatEvent::Push(push)).await,
        }
    }

    async fn refuse(&mut self, channel: String, error: Error) -> Result<(), Dropped> {
        self.positions.remove(&channel);
        self.tell(ChatEvent::Refused { channel, error }).await
    }

    async fn tell(&self, event: ChatEvent) -> Result<(), Dropped> {
        self.events.send(event).await.map_err(|_| Dropped)
    }
}
