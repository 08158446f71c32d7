//! From an address to a session: discovery, transport, `hello`.

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use url::Url;
use wire::PROTOCOL;
use wire::code::ErrorCode;
use wire::message::{ClientInfo, HelloParams, HelloResult, SubscribeParams};

use crate::Error;
use crate::backoff::Backoff;
use crate::clock::LocalClock;
use crate::discover::{discover, parse_server};
use crate::link::{Link, Prefer, Transport};
use crate::session::{Ended, Events, Session};

/// How to reach a relay and as whom.
#[derive(Clone, Default)]
pub struct Options {
    /// The server, `http://HOST:PORT` or `https://HOST`.
    pub server: String,
    /// A JWT; without one the session may only look and listen.
    pub token: Option<String>,
    /// Which transport to use. Default: whichever works first, WebTransport preferred.
    pub prefer: Prefer,
    /// How long a connection that was lost may stay lost before giving up. Default: for ever.
    pub give_up_after: Option<Duration>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("server", &self.server)
            .field("token", &self.token.as_ref().map(|_| ".."))
            .field("prefer", &self.prefer)
            .field("give_up_after", &self.give_up_after)
            .finish()
    }
}

/// Connects, again and again if need be, and remembers which transport worked.
#[derive(Debug)]
pub struct Connector {
    options: Options,
    server: Url,
    clock: LocalClock,
    last: Mutex<Option<Transport>>,
    /// Kept over sessions, so that a relay that ends them at once is not asked again at once.
    backoff: tokio::sync::Mutex<Backoff>,
    connected: Mutex<Duration>,
}

/// A session that lived for so long was a good one.
const GOOD_SESSION: Duration = Duration::from_secs(10);

impl Connector {
    /// Checks the options; connects nothing yet.
    pub fn new(options: Options) -> Result<Self, Error> {
        Ok(Self {
            server: parse_server(&options.server)?,
            options,
            clock: LocalClock::start(),
            last: Mutex::new(None),
            backoff: tokio::sync::Mutex::new(Backoff::default()),
            connected: Mutex::new(Duration::ZERO),
        })
    }

    pub(crate) fn clock(&self) -> LocalClock {
        self.clock
    }

    /// Finds the relay, connects and says hello, asking for `subscriptions`. Takes at most
    /// half a minute.
    ///
    /// Errors: [`Error::Unreachable`]; [`Error::Refused`] when the token is not accepted or
    /// the relay takes no more sessions.
    pub async fn connect(
        &self,
        subscriptions: Vec<SubscribeParams>,
    ) -> Result<(Session, Events, HelloResult), Error> {
        let found = discover(&self.server).await?;
        let last = *self.last.lock().expect("held for a copy");
        let link = Link::open(&found, self.options.prefer, last, self.clock).await?;
        let transport = link.transport;
        let (session, events) = Session::start(link, self.clock);
        let hello = HelloParams {
            protocol: PROTOCOL,
            token: self.options.token.clone(),
            client: Some(ClientInfo {
                name: "skywave-native".into(),
                version: env!("CARGO_PKG_VERSION").into(),
            }),
            subscriptions,
        };
        let result = session.request("hello", &hello).await;
        let result = result.map_err(|error| self.explain(error, &session))?;
        *self.last.lock().expect("held for a copy") = Some(transport);
        *self.connected.lock().expect("held for a copy") = self.clock.now();
        tracing::debug!(transport = transport.name(), "connected");
        Ok((session, events, result))
    }

    /// Why there was no answer to `hello`: often the relay said `bye` instead.
    fn explain(&self, error: Error, session: &Session) -> Error {
        let Error::CutOff(reason) = error else {
            return error;
        };
        match session.ended() {
            Some(Ended {
                code: Some(code),
                reason,
                ..
            }) => Error::closed(code, &reason),
            _ => Error::unreachable(self.server.as_str(), reason),
        }
    }

    /// Connects anew after a session ended: waits as the relay asked or with jitter, and
    /// tries until it works, is refused for good, or the time to give up has come.
    pub(crate) async fn reconnect<T, F>(
        &self,
        ended: &Ended,
        attempt: impl Fn() -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        if !ended.invites_back() {
            return Err(ended.error());
        }
        let mut backoff = self.backoff.lock().await;
        let connected = *self.connected.lock().expect("held for a copy");
        if self.clock.now().saturating_sub(connected) > GOOD_SESSION {
            backoff.reset();
        }
        let mut wait = ended.reconnect_after;
        let trying = async {
            loop {
                let pause = wait.take().unwrap_or_else(|| backoff.next(rand::random()));
                tokio::time::sleep(pause).await;
                match attempt().await {
                    Ok(done) => return Ok(done),
                    // A relay that restarted does not know the station yet.
                    Err(error)
                        if error.is_passing() || error.is_refusal(ErrorCode::UnknownStation) =>
                    {
                        tracing::debug!(%error, "not connected yet");
                    }
                    Err(error) => return Err(error),
                }
            }
        };
        let Some(patience) = self.options.give_up_after else {
            return trying.await;
        };
        match tokio::time::timeout(patience, trying).await {
            Ok(result) => result,
            Err(_) => Err(ended.error()),
        }
    }
}
