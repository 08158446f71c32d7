//! One source's connection, from its first bytes to its last.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::BytesMut;
use icecast::body::{Body, Decoder};
use icecast::head::{Details, Head, Sniffed, sniff};
use icecast::shoutcast::{Greeting, Headers, INVALID_PASSWORD, WELCOME};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use wire::StationId;

use super::answer::{self, Refusal};
use super::delivery::{Courier, READ_BYTES};
use super::desk::{Desk, Ended, Outcome};
use super::{Claim, Format, Sources, station_of};
use crate::gate::SourceDenied;

/// For the whole head to arrive, and for the password to be checked.
const HEAD: Duration = Duration::from_secs(15);

/// For the peer to read an answer after which the connection ends.
const LINGER: Duration = Duration::from_secs(1);

/// Who a SHOUTcast source is, for it names nobody.
const SHOUTCAST_USER: &str = "source";

/// Pieces that wait for the desk: 64 KB, four seconds at 128 kb/s.
const PIECES_WAITING: usize = 16;

/// Who opens a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opening {
    Http,
    Source,
    Shoutcast,
}

/// Reads as little as tells who it is; `None` when the peer or `stop` ends it first.
pub(crate) async fn sniffed<S: AsyncRead + Unpin>(
    stream: &mut S,
    shoutcast: bool,
    stop: &CancellationToken,
) -> Option<(Opening, BytesMut)> {
    let mut bytes = BytesMut::with_capacity(READ_BYTES);
    let told = async {
        loop {
            match sniff(&bytes, shoutcast) {
                Sniffed::Source => return Some(Opening::Source),
                Sniffed::Http => return Some(Opening::Http),
                Sniffed::Shoutcast => return Some(Opening::Shoutcast),
                Sniffed::Incomplete => {}
            }
            if stream.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
        }
    };
    let opening = tokio::select! {
        told = timeout(HEAD, told) => told.ok().flatten()?,
        () = stop.cancelled() => return None,
    };
    Some((opening, bytes))
}

/// What a source asks for, checked.
struct Admitted {
    claim: Claim,
    format: Format,
    body: Body,
    right: Right,
    details: Details,
}

/// How long it may send.
struct Right {
    expires: Option<Instant>,
    revoked: CancellationToken,
}

impl Sources {
    /// Serves a source to its end.
    pub(crate) async fn serve<S>(
        self: &Arc<Self>,
        mut stream: S,
        mut bytes: BytesMut,
        opening: Opening,
        address: SocketAddr,
        stop: CancellationToken,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let opened = timeout(2 * HEAD, async {
            match opening {
                Opening::Shoutcast => self.open_shoutcast(&mut stream, &mut bytes).await,
                Opening::Http | Opening::Source => self.open(&mut stream, &mut bytes).await,
            }
        });
        let admitted = match opened.await {
            Ok(Ok(Ok(admitted))) => admitted,
            Ok(Ok(Err(refusal))) => {
                tracing::info!(remote = %address, reason = refusal.reason(), "source refused");
                linger(&mut stream).await;
                return;
            }
            Ok(Err(error)) => {
                tracing::debug!(remote = %address, %error, "source gone before it was one");
                return;
            }
            Err(_) => {
                tracing::debug!(remote = %address, "source too slow to say what it wants");
                return;
            }
        };
        let station = admitted.claim.station.clone();
        tracing::info!(remote = %address, %station, "source connected");
        let reason = self.carry(&mut stream, bytes, admitted, stop).await;
        tracing::info!(remote = %address, %station, reason, "source gone");
        linger(&mut stream).await;
    }

    async fn open<S>(
        self: &Arc<Self>,
        stream: &mut S,
        bytes: &mut BytesMut,
    ) -> io::Result<Result<Admitted, Refusal>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let head = loop {
            match Head::parse(bytes) {
                Ok(Some((head, used))) => {
                    let _ = bytes.split_to(used);
                    break head;
                }
                Ok(None) => read_more(stream, bytes).await?,
                Err(error) => {
                    let refusal = Refusal::BadRequest(error.to_string());
                    stream.write_all(&refusal.encode(false)).await?;
                    return Ok(Err(refusal));
                }
            }
        };
        match self.admit(&head).await {
            Ok(admitted) => {
                let welcome = answer::welcome(head.is_http_11, head.expects_continue());
                stream.write_all(&welcome).await?;
                Ok(Ok(admitted))
            }
            Err(refusal) => {
                stream.write_all(&refusal.encode(head.is_http_11)).await?;
                Ok(Err(refusal))
            }
        }
    }

    async fn admit(self: &Arc<Self>, head: &Head) -> Result<Admitted, Refusal> {
        let forbidden = |why: &str| Refusal::Forbidden(why.into());
        let station = station_of(&head.path)
            .ok_or_else(|| Refusal::BadRequest("the mountpoint is no station id".into()))?;
        let (user, password) = head.basic().ok_or(Refusal::Unauthorized)?;
        let right = self.authenticate(&station, &user, &password).await?;
        // Encoders of old name no type with SOURCE and mean MP3.
        let kind = match (head.header("content-type"), head.method) {
            (Some(kind), _) => kind,
            (None, icecast::head::Method::Source) => "audio/mpeg",
            (None, icecast::head::Method::Put) => {
                return Err(forbidden("No Content-type given"));
            }
        };
        let format = Format::from_content_type(kind);
        let format = format.ok_or_else(|| forbidden("Content-type not supported"))?;
        let body = head.body();
        let body = body.map_err(|error| Refusal::BadRequest(error.to_string()))?;
        Ok(Admitted {
            claim: self.claim(station)?,
            format,
            body,
            right,
            details: head.details(),
        })
    }

    async fn open_shoutcast<S>(
        self: &Arc<Self>,
        stream: &mut S,
        bytes: &mut BytesMut,
    ) -> io::Result<Result<Admitted, Refusal>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let bad = |error: icecast::head::Error| io::Error::other(error.to_string());
        let greeting = loop {
            match Greeting::parse(bytes).map_err(bad)? {
                Some((greeting, used)) => {
                    let _ = bytes.split_to(used);
                    break greeting;
                }
                None => read_more(stream, bytes).await?,
            }
        };
        let (station, right) = match self.greeted(&greeting).await {
            Ok(known) => known,
            Err(refusal) => {
                stream.write_all(INVALID_PASSWORD).await?;
                return Ok(Err(refusal));
            }
        };
        stream.write_all(WELCOME).await?;
        let headers = loop {
            match Headers::parse(bytes).map_err(bad)? {
                Some((headers, used)) => {
                    let _ = bytes.split_to(used);
                    break headers;
                }
                None => read_more(stream, bytes).await?,
            }
        };
        let kind = headers.content_type.as_deref().unwrap_or("audio/mpeg");
        let Some(format) = Format::from_content_type(kind) else {
            return Ok(Err(Refusal::Forbidden("Content-type not supported".into())));
        };
        let claim = self.claim(station);
        Ok(claim.map_err(Refusal::from).map(|claim| Admitted {
            claim,
            format,
            body: Body::Endless,
            right,
            details: headers.details,
        }))
    }

    /// The station a SHOUTcast source may have, and how long.
    async fn greeted(&self, greeting: &Greeting) -> Result<(StationId, Right), Refusal> {
        if let Some(station) = &self.config.shoutcast_station {
            let whole = self.authenticate(station, SHOUTCAST_USER, greeting.password());
            match whole.await {
                Ok(right) => return Ok((station.clone(), right)),
                Err(Refusal::Unauthorized) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        let (station, password) = greeting.named().ok_or(Refusal::Unauthorized)?;
        let station = station.parse().map_err(|_| Refusal::Unauthorized)?;
        let right = self.authenticate(&station, SHOUTCAST_USER, &password);
        let right = right.await?;
        Ok((station, right))
    }

    /// Checks who it is; answers how long it may send.
    async fn authenticate(
        &self,
        station: &StationId,
        user: &str,
        password: &str,
    ) -> Result<Right, Refusal> {
        let gate = &self.host.shared().gate;
        let answer = timeout(HEAD, gate.authenticate_source(station, user, password)).await;
        match answer {
            Ok(Ok(right)) => Ok(Right {
                expires: right.expires_at.map(moment),
                revoked: right.revoked,
            }),
            Ok(Err(SourceDenied::Unknown)) => Err(Refusal::Unauthorized),
            Ok(Err(SourceDenied::Forbidden)) => Err(Refusal::Forbidden(
                "You are not allowed to be the source of this mountpoint".into(),
            )),
            Ok(Err(SourceDenied::Busy)) | Err(_) => Err(Refusal::Unavailable(
                "too many passwords are being checked, try again".into(),
            )),
        }
    }

    /// Carries the sound to the desk until one of them ends; answers why it ended.
    async fn carry<S>(
        &self,
        stream: &mut S,
        bytes: BytesMut,
        admitted: Admitted,
        stop: CancellationToken,
    ) -> String
    where
        S: AsyncRead + Unpin,
    {
        let Admitted {
            claim,
            format,
            body,
            right,
            details,
        } = admitted;
        let (pieces, piece_queue) = mpsc::channel(PIECES_WAITING);
        let stations = Arc::clone(&self.host.shared().stations);
        let desk = Desk::start(
            stations,
            claim.station.clone(),
            (details, Arc::clone(&claim.first_title)),
            format,
            piece_queue,
        );
        let mut desk = match desk {
            Ok(desk) => desk,
            Err(error) => return format!("cannot start a thread: {error}"),
        };
        let expired = async {
            match right.expires {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let mut courier = Courier {
            decoder: Decoder::new(body),
            pieces,
        };
        // Without a reason of its own the desk may have a better one.
        let (outcome, reason) = tokio::select! {
            ended = courier.run(stream, bytes) => match ended {
                Ok(true) => (Outcome::Finished, None),
                Ok(false) => (Outcome::Closed, None),
                Err(error) => (Outcome::Lost, Some(error.to_string())),
            },
            reason = desk.stuck(self.config.silence) => (Outcome::Lost, Some(reason)),
            () = expired => (Outcome::Finished, Some("its token expired".to_owned())),
            () = right.revoked.cancelled() => {
                (Outcome::Revoked, Some("its token was revoked".to_owned()))
            }
            () = stop.cancelled() => (Outcome::Lost, Some("the relay shuts down".to_owned())),
        };
        if outcome == Outcome::Revoked {
            desk.revoke(&self.host.shared().stations);
        }
        // Without a sender the desk plays what it has and comes to its end.
        drop(courier);
        let ended = desk.finish(outcome).await;
        drop(claim);
        match (reason, ended, outcome) {
            (Some(reason), ..) | (None, Ended::Failed(reason), _) => reason,
            (None, Ended::Played, Outcome::Finished) => "it has said all".to_owned(),
            (None, Ended::Played, _) => "the connection ended".to_owned(),
        }
    }
}

async fn read_more<S: AsyncRead + Unpin>(stream: &mut S, bytes: &mut BytesMut) -> io::Result<()> {
    match stream.read_buf(bytes).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// Ends our side and reads what still comes, so that the answer is not lost to a reset.
async fn linger<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) {
    let _ = timeout(LINGER, async {
        let _ = stream.shutdown().await;
        let mut rest = [0; READ_BYTES];
        while matches!(stream.read(&mut rest).await, Ok(count) if count > 0) {}
    })
    .await;
}

/// The moment of a time in seconds since the Unix epoch.
fn moment(unix_s: u64) -> Instant {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let left = Duration::from_secs(unix_s).saturating_sub(now.unwrap_or_default());
    // A token of centuries must not overflow the clock.
    Instant::now() + left.min(Duration::from_secs(10 * 365 * 86_400))
}
