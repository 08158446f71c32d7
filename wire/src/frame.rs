//! Control frames: request, reply and push, in JSON, and their framing on a stream.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::code::ErrorCode;

mod batch;
mod splitter;

pub use batch::Batch;
pub use splitter::{FrameTooLarge, Splitter, write_framed};

/// The most bytes of JSON in one frame.
pub const FRAME_BYTES_MAX: usize = 65_536;

/// The largest request id: what a JavaScript number holds exactly.
pub const REQUEST_ID_MAX: u64 = (1 << 53) - 1;

/// What a client asks of the relay.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// The client's number for this request; the reply carries it back.
    pub id: u64,
    /// The method's name.
    pub method: String,
    /// The parameters, read by [`Request::params`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    params: Option<Box<RawValue>>,
}

/// What the relay answers to one request.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The request's id.
    pub id: u64,
    /// The result, read by [`read`], or why there is none.
    pub result: Result<Box<RawValue>, Error>,
}

/// Something the relay tells without being asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Push {
    /// The series this push belongs to.
    pub channel: String,
    /// Its place in the series, for channels that can be resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: String,
    /// The particulars, read by [`read`].
    pub data: Box<RawValue>,
}

/// A frame from the relay.
#[derive(Debug, Clone)]
pub enum ServerFrame {
    /// The answer to a request.
    Reply(Reply),
    /// A push.
    Push(Push),
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// The machine's word for it.
    pub code: ErrorCode,
    /// The person's words for it.
    pub message: String,
    /// Whether the same request may succeed later.
    #[serde(default)]
    pub temporary: bool,
    /// How long to wait before asking again, when waiting helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl Error {
    /// An error that is temporary as its code says.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            temporary: code.is_temporary(),
            retry_after_ms: None,
        }
    }

    /// The same, telling when to ask again.
    #[must_use]
    pub fn retry_after_ms(mut self, wait: u64) -> Self {
        self.retry_after_ms = Some(wait);
        self
    }
}

/// Why bytes are no frame.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Above [`FRAME_BYTES_MAX`].
    #[error("the frame has {0} bytes, above 65,536")]
    TooLarge(usize),
    /// No JSON, or JSON of another shape: the peer sent something else than a frame.
    #[error("no frame: {0}")]
    Json(#[from] serde_json::Error),
    /// A request id above 2^53-1.
    #[error("the request id is above 2^53-1")]
    Id,
    /// Neither a reply nor a push.
    #[error("the frame is neither a reply nor a push")]
    Neither,
}

impl Request {
    /// A request with these parameters.
    pub fn new<T: Serialize>(id: u64, method: &str, params: &T) -> Self {
        Self {
            id,
            method: method.to_owned(),
            params: Some(raw(params)),
        }
    }

    /// Reads a request from the JSON of one frame.
    pub fn decode(json: &[u8]) -> Result<Self, DecodeError> {
        check_size(json)?;
        let request: Self = serde_json::from_slice(json)?;
        if request.id > REQUEST_ID_MAX {
            return Err(DecodeError::Id);
        }
        Ok(request)
    }

    /// Reads the parameters; left out they are `{}`. The error names the field that is wrong.
    pub fn params<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let json = self.params.as_ref().map_or("{}", |params| params.get());
        serde_json::from_str(json)
            .map_err(|error| Error::new(ErrorCode::BadRequest, error.to_string()))
    }

    /// The frame's JSON.
    #[must_use]
    pub fn encode(&self) -> String {
        json(self)
    }
}

impl Reply {
    /// A reply with that result.
    pub fn new<T: Serialize>(id: u64, result: Result<&T, Error>) -> Self {
        Self {
            id,
            result: result.map(raw),
        }
    }

    /// The frame's JSON.
    #[must_use]
    pub fn encode(&self) -> String {
        json(&ReplyForm {
            id: self.id,
            result: self.result.as_ref().ok().map(|result| &**result),
            error: self.result.as_ref().err(),
        })
    }
}

impl Push {
    /// A volatile push, one without an offset.
    pub fn new<T: Serialize>(channel: impl Into<String>, kind: &str, data: &T) -> Self {
        Self {
            channel: channel.into(),
            offset: None,
            kind: kind.to_owned(),
            data: raw(data),
        }
    }

    /// The same at a place in its channel's series.
    #[must_use]
    pub fn at(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    /// The frame's JSON.
    #[must_use]
    pub fn encode(&self) -> String {
        json(self)
    }
}

impl ServerFrame {
    /// Reads a reply or push from the JSON of one frame.
    pub fn decode(json: &[u8]) -> Result<Self, DecodeError> {
        check_size(json)?;
        let any: AnyServerFrame = serde_json::from_slice(json)?;
        if let (Some(channel), Some(kind)) = (any.channel, any.kind) {
            let data = any.data.unwrap_or_else(|| raw(&()));
            return Ok(Self::Push(Push {
                channel,
                offset: any.offset,
                kind,
                data,
            }));
        }
        let result = match (any.result, any.error) {
            (_, Some(error)) => Err(error),
            (Some(result), None) => Ok(result),
            (None, None) => return Err(DecodeError::Neither),
        };
        let id = any.id.ok_or(DecodeError::Neither)?;
        Ok(Self::Reply(Reply { id, result }))
    }
}

/// Reads a result or the data of a push.
pub fn read<T: DeserializeOwned>(value: &RawValue) -> Result<T, DecodeError> {
    Ok(serde_json::from_str(value.get())?)
}

#[derive(Serialize)]
struct ReplyForm<'a> {
    id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a Error>,
}

#[derive(Deserialize)]
struct AnyServerFrame {
    id: Option<u64>,
    result: Option<Box<RawValue>>,
    error: Option<Error>,
    channel: Option<String>,
    offset: Option<u64>,
    #[serde(rename = "type")]
    kind: Option<String>,
    data: Option<Box<RawValue>>,
}

fn check_size(json: &[u8]) -> Result<(), DecodeError> {
    if json.len() > FRAME_BYTES_MAX {
        return Err(DecodeError::TooLarge(json.len()));
    }
    Ok(())
}

fn raw<T: Serialize + ?Sized>(value: &T) -> Box<RawValue> {
    to_raw_value(value).expect("wire types have string keys and serialize")
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("wire types have string keys and serialize")
}

#[cfg(test)]
mod tests;
