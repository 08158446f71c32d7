//! The session protocol as a state machine: frames and time in, verdicts out.
//!
//! The core decides everything the session's own state decides: order, rates,
//! deadlines, and whether the present token allows a request. What needs the
//! rest of the relay is handed out as an [`Ask`]; requests are handled in
//! order, so the driver answers it before it brings the next frame.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wire::StationId;
use wire::code::{CloseCode, ErrorCode};
use wire::frame::{Error, FRAME_BYTES_MAX, Reply, Request};
use wire::message::{
    AuthenticateParams, BUNDLE_MAX, Empty, HelloParams, InvalidReport, Limits, ListenParams,
    PingParams, PingResult, PublishParams, REDUNDANCY_MAX, ReceptionReport, SetRedundancyParams,
    SubscribeParams, UnsubscribeParams, UpdateMetadataParams, User,
};

use super::bucket::Bucket;
use crate::clock::Now;
use crate::config::Timing;
use crate::fanout::Level;
use crate::gate::Identity;

/// Requests a session may make per second, and at once.
pub(crate) const REQUESTS_PER_SECOND: u32 = 50;
const REQUESTS_BURST: u32 = 100;

/// Refusals for rate a session may collect per second, and at once, before it ends
/// as flooding: it may ask twice as often as allowed for ever, 20 times for 0.3 s.
const REFUSALS_PER_SECOND: u32 = 50;
const REFUSALS_BURST: u32 = 250;

/// Metadata updates a source may make per second, and at once: each goes to every listener.
const TITLES_PER_SECOND: u32 = 2;
const TITLES_BURST: u32 = 20;

/// Channels one session may subscribe.
pub(crate) const SUBSCRIPTIONS_MAX: usize = 64;

/// The longest message of an error, in characters.
const MESSAGE_CHARS_MAX: usize = 256;

/// How often a source is told what arrived.
const REPORT_INTERVAL: Duration = Duration::from_secs(2);

/// The state of one session.
#[derive(Debug)]
pub(crate) struct Core {
    timing: Arc<Timing>,
    opened: Instant,
    greeted: bool,
    last_request: Instant,
    /// In a box: most sessions listen, and are nobody's.
    identity: Option<Box<Identity>>,
    requests: Bucket,
    refusals: Bucket,
    titles: Bucket,
    publishing: Option<StationId>,
    report_at: Option<Instant>,
}

/// What to do about a frame.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Answer.
    Reply(Reply),
    /// Carry out, and answer the request of that id.
    Ask(u64, Ask),
    /// End the session.
    End(End),
    /// Answer, then end the session.
    Refuse(Reply, End),
}

/// Why to end the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) code: CloseCode,
    pub(crate) reason: String,
}

/// A request that needs more than the session's own state.
#[derive(Debug)]
pub(crate) enum Ask {
    Hello(HelloParams),
    Authenticate(AuthenticateParams),
    Subscribe(SubscribeParams),
    Unsubscribe(UnsubscribeParams),
    Listen(ListenParams, Level),
    SetRedundancy(Level),
    ReceptionReport(ReceptionReport),
    Unlisten,
    Publish(Box<PublishParams>),
    Unpublish,
    UpdateMetadata(UpdateMetadataParams),
    /// A method that is not the relay's own: the gate's, or nobody's.
    Other(Request),
}

/// What a deadline brings.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// End the session.
    End(End),
    /// Tell the source what arrived.
    Report,
}

impl Ask {
    /// Its method's name; none when it is not the relay's own.
    pub(crate) fn method(&self) -> Option<&'static str> {
        Some(match self {
            Self::Hello(_) => "hello",
            Self::Authenticate(_) => "authenticate",
            Self::Subscribe(_) => "subscribe",
            Self::Unsubscribe(_) => "unsubscribe",
            Self::Listen(..) => "listen",
            Self::SetRedundancy(_) => "set_redundancy",
            Self::ReceptionReport(_) => "reception_report",
            Self::Unlisten => "unlisten",
            Self::Publish(_) => "publish",
            Self::Unpublish => "unpublish",
            Self::UpdateMetadata(_) => "update_metadata",
            Self::Other(_) => return None,
        })
    }
}

impl End {
    pub(crate) fn new(code: CloseCode, reason: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
        }
    }
}

impl Core {
    /// A session that begins at `now`.
    pub(crate) fn new(timing: Arc<Timing>, now: Now) -> Self {
        let now = now.instant;
        Self {
            timing,
            opened: now,
            greeted: false,
            last_request: now,
            identity: None,
            requests: Bucket::new(REQUESTS_PER_SECOND, REQUESTS_BURST, now),
            refusals: Bucket::new(REFUSALS_PER_SECOND, REFUSALS_BURST, now),
            titles: Bucket::new(TITLES_PER_SECOND, TITLES_BURST, now),
            publishing: None,
            report_at: None,
        }
    }

    /// Judges a frame from the client.
    pub(crate) fn handle_frame(&mut self, json: &[u8], now: Now) -> Verdict {
        let request = match Request::decode(json) {
            Ok(request) => request,
            Err(wire::frame::DecodeError::TooLarge(size)) => {
                let reason = format!("a frame of {size} bytes, above {FRAME_BYTES_MAX}");
                return Verdict::End(End::new(CloseCode::FrameTooLarge, reason));
            }
            Err(error) => {
                return Verdict::End(End::new(CloseCode::ProtocolError, error.to_string()));
            }
        };
        self.last_request = now.instant;
        if let Some(end) = self.expiry(now) {
            return Verdict::End(end);
        }
        if let Err(wait) = self.requests.take(now.instant) {
            return self.refuse_rate(request.id, "50 requests a second", wait, now);
        }
        match self.judge(&request, now) {
            Ok(Some(verdict)) => verdict,
            Ok(None) => Verdict::Ask(request.id, Ask::Other(request)),
            Err(error) => Verdict::Reply(Reply::new::<Empty>(request.id, Err(shortened(error)))),
        }
    }

    /// When [`Self::handle_timeout`] is to be called.
    pub(crate) fn poll_timeout(&self, now: Now) -> Instant {
        let silence = self.last_request + self.timing.ping_interval * 3;
        let ripe = if self.greeted {
            silence
        } else {
            self.opened + self.timing.hello
        };
        let expiry = self
            .identity
            .as_ref()
            .map(|user| now.instant + now.until_unix_s(user.expires_at));
        let deadlines = [expiry, self.report_at].into_iter().flatten();
        deadlines.fold(ripe, Instant::min)
    }

    /// What is due at `now`, if anything is.
    pub(crate) fn handle_timeout(&mut self, now: Now) -> Option<Due> {
        let silence = now.instant.saturating_duration_since(self.last_request);
        if !self.greeted && now.instant >= self.opened + self.timing.hello {
            return Some(Due::End(End::new(
                CloseCode::HelloTimeout,
                "no hello in time",
            )));
        }
        if self.greeted && silence >= self.timing.ping_interval * 3 {
            let reason = format!("no request for {} s", silence.as_secs());
            return Some(Due::End(End::new(CloseCode::IdleTimeout, reason)));
        }
        if let Some(end) = self.expiry(now) {
            return Some(Due::End(end));
        }
        if self.report_at.is_some_and(|at| at <= now.instant) {
            self.report_at = Some(now.instant + REPORT_INTERVAL);
            return Some(Due::Report);
        }
        None
    }

    /// `hello` went through.
    pub(crate) fn greeted(&mut self, identity: Option<Identity>) {
        self.greeted = true;
        self.identity = identity.map(Box::new);
    }

    /// Replaces the session's token by one of the same user. True when the session
    /// is the source of a station the new token does not name.
    pub(crate) fn authenticated(&mut self, identity: Identity) -> Result<bool, Error> {
        if self
            .identity
            .as_ref()
            .is_none_or(|before| before.sub != identity.sub)
        {
            let message = "the new token is another user's";
            return Err(Error::new(ErrorCode::Forbidden, message));
        }
        let station = self.publishing.as_ref();
        let lost = station.is_some_and(|station| !identity.may_publish(station));
        self.identity = Some(Box::new(identity));
        Ok(lost)
    }

    /// The station the session is the source of.
    pub(crate) fn station(&self) -> Option<&StationId> {
        self.publishing.as_ref()
    }

    /// The session is the station's source from now on, or no source any more.
    pub(crate) fn publishing(&mut self, station: Option<StationId>, now: Now) {
        self.report_at = station.as_ref().map(|_| now.instant + REPORT_INTERVAL);
        self.publishing = station;
    }

    /// What to do about a request; none when its method is not the relay's own.
    fn judge(&mut self, request: &Request, now: Now) -> Result<Option<Verdict>, Error> {
        if !self.greeted && request.method != "hello" {
            return Err(Error::new(ErrorCode::HelloRequired, "hello comes first"));
        }
        let ask = match &*request.method {
            "hello" => return self.judge_hello(request).map(Some),
            "ping" => return pong(request, now).map(Some),
            "authenticate" => Ask::Authenticate(request.params()?),
            "subscribe" => Ask::Subscribe(request.params()?),
            "unsubscribe" => Ask::Unsubscribe(request.params()?),
            "listen" => {
                let params: ListenParams = request.params()?;
                let level = level(&params)?;
                Ask::Listen(params, level)
            }
            "set_redundancy" => {
                let params: SetRedundancyParams = request.params()?;
                Ask::SetRedundancy(redundancy("level", params.level)?)
            }
            "reception_report" => {
                let report: ReceptionReport = request.params()?;
                let bad =
                    |error: InvalidReport| Error::new(ErrorCode::BadRequest, error.to_string());
                report.validate().map_err(bad)?;
                Ask::ReceptionReport(report)
            }
            "unlisten" => Ask::Unlisten,
            "publish" => {
                let params: PublishParams = request.params()?;
                self.check_publish(&params.station)?;
                Ask::Publish(Box::new(params))
            }
            "unpublish" => Ask::Unpublish,
            "update_metadata" => {
                let params = request.params()?;
                if let Err(wait) = self.titles.take(now.instant) {
                    let limit = "2 metadata updates a second";
                    return Ok(Some(self.refuse_rate(request.id, limit, wait, now)));
                }
                Ask::UpdateMetadata(params)
            }
            _ => return Ok(None),
        };
        Ok(Some(Verdict::Ask(request.id, ask)))
    }

    fn judge_hello(&self, request: &Request) -> Result<Verdict, Error> {
        if self.greeted {
            return Err(Error::new(ErrorCode::BadRequest, "hello comes once"));
        }
        let params: HelloParams = request.params()?;
        if params.subscriptions.len() > SUBSCRIPTIONS_MAX {
            let message = format!("above {SUBSCRIPTIONS_MAX} subscriptions");
            return Err(Error::new(ErrorCode::TooManySubscriptions, message));
        }
        if params.protocol != wire::PROTOCOL {
            let message = format!("this relay speaks protocol {}", wire::PROTOCOL);
            let error = Error::new(ErrorCode::UnsupportedProtocol, &*message);
            let reply = Reply::new::<Empty>(request.id, Err(error));
            return Ok(Verdict::Refuse(
                reply,
                End::new(CloseCode::UnsupportedProtocol, message),
            ));
        }
        Ok(Verdict::Ask(request.id, Ask::Hello(params)))
    }

    fn check_publish(&self, station: &StationId) -> Result<(), Error> {
        let Some(identity) = &self.identity else {
            return Err(Error::new(
                ErrorCode::Unauthorized,
                "publishing needs a token",
            ));
        };
        if !identity.may_publish(station) {
            let message = format!("the token does not allow publishing {station}");
            return Err(Error::new(ErrorCode::Forbidden, message));
        }
        Ok(())
    }

    fn refuse_rate(&mut self, id: u64, limit: &str, wait: Duration, now: Now) -> Verdict {
        if self.refusals.take(now.instant).is_err() {
            let reason = format!("far above {limit}");
            return Verdict::End(End::new(CloseCode::Flooding, reason));
        }
        let wait_ms = wait.as_millis().max(1) as u64;
        let error = Error::new(ErrorCode::RateLimited, format!("above {limit}"));
        Verdict::Reply(Reply::new::<Empty>(id, Err(error.retry_after_ms(wait_ms))))
    }

    fn expiry(&self, now: Now) -> Option<End> {
        let expires_at = self.identity.as_ref()?.expires_at;
        let expired = now.unix_s() >= expires_at;
        expired.then(|| End::new(CloseCode::TokenExpired, "the session's token ran out"))
    }
}

/// How a listener is to take packets.
fn level(params: &ListenParams) -> Result<Level, Error> {
    let redundancy = redundancy("redundancy", params.redundancy)?;
    let bundle = Level::of_bundle(params.bundle).ok_or_else(|| {
        let message = format!("bundle is 1 to {BUNDLE_MAX}, not {}", params.bundle);
        Error::new(ErrorCode::BadRequest, message)
    })?;
    match bundle {
        Level::Plain => Ok(redundancy),
        bundle => Ok(bundle),
    }
}

fn redundancy(field: &str, level: u8) -> Result<Level, Error> {
    Level::of_redundancy(level).ok_or_else(|| {
        let message = format!("{field} is 0 to {REDUNDANCY_MAX}, not {level}");
        Error::new(ErrorCode::BadRequest, message)
    })
}

fn pong(request: &Request, now: Now) -> Result<Verdict, Error> {
    let params: PingParams = request.params()?;
    let result = PingResult {
        time: params.time,
        server_time: now.unix_us,
    };
    Ok(Verdict::Reply(Reply::new(request.id, Ok(&result))))
}

/// The answer to a request of a method that is nobody's.
pub(super) fn unknown_method(request: &Request) -> Reply {
    let shown: String = request.method.chars().take(64).collect();
    let message = format!("there is no method {shown:?}");
    let error = Error::new(ErrorCode::UnknownMethod, message);
    Reply::new::<Empty>(request.id, Err(shortened(error)))
}

/// The same error with a message fit to be told: it may quote what the client sent.
pub(super) fn shortened(mut error: Error) -> Error {
    let plain = error.message.chars().filter(|char| !char.is_control());
    error.message = plain.take(MESSAGE_CHARS_MAX).collect();
    error
}

/// What every session is told it may do.
pub(crate) fn limits() -> Limits {
    Limits {
        frame_bytes: FRAME_BYTES_MAX,
        datagram_bytes: wire::audio::DATAGRAM_BYTES_MAX,
        subscriptions: SUBSCRIPTIONS_MAX,
        requests_per_second: REQUESTS_PER_SECOND,
    }
}

/// How a client is told who it is.
pub(crate) fn user(identity: &Identity) -> User {
    User {
        sub: identity.sub.clone(),
        name: identity.name.clone(),
        expires_at: identity.expires_at,
    }
}

#[cfg(test)]
mod tests;
