//! Files people show each other: taken in bounded pieces, known by what they hold,
//! given to those who may read where they are shown.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path as InPath, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::{StreamExt, stream};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use signaling::store::Upload;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wire::code::ErrorCode;

use super::{Api, Asker, Refusal, sniff};

pub(super) mod sweep;

/// Uploads taken at the same time; further ones are asked to come back.
pub(super) const AT_ONCE: usize = 16;

/// The most bytes of one file.
const BYTES_MAX: u64 = 16 * 1024 * 1024;

/// How long one upload may take, and one piece of it.
const WHOLE: Duration = Duration::from_secs(300);
const PIECE: Duration = Duration::from_secs(20);

/// Bytes read from a file at once.
const CHUNK: usize = 64 * 1024;

pub(super) fn routes() -> Router<Arc<Api>> {
    Router::new()
        .route("/api/v1/uploads", post(upload))
        .route("/api/v1/uploads/{id}", get(fetch))
        // The bound is kept while reading, so that nothing of a larger body is kept either.
        .layer(DefaultBodyLimit::disable())
}

#[derive(Debug, Deserialize)]
struct Named {
    #[serde(default)]
    name: String,
}

/// Takes a file: the body is its bytes. What it is, it says itself.
async fn upload(
    State(api): State<Arc<Api>>,
    asker: Asker,
    Query(named): Query<Named>,
    body: Body,
) -> Result<Response, Refusal> {
    let caller = api.caller(&asker)?;
    let service = api.gate.service();
    service.begin_upload(&caller)?;
    let Ok(_permit) = api.uploading.try_acquire() else {
        let message = "too many uploads at once";
        return Err(Refusal::new(ErrorCode::Overloaded, message));
    };
    let temporary = Temporary(
        api.uploads
            .join(format!("{:032x}.part", rand::random::<u128>())),
    );
    let receiving = receive(&temporary.0, body);
    let received = tokio::time::timeout(WHOLE, receiving).await;
    let received = received.unwrap_or_else(|_| {
        let message = "the upload took too long";
        Err(Refusal::new(ErrorCode::BadRequest, message))
    })?;
    let Some(content_type) = sniff::content_type(&received.head) else {
        let message =
            "no picture (PNG, JPEG, GIF, WebP, AVIF), sound (Opus, WebM, MP4, MP3, WAV) or PDF";
        return Err(Refusal::new(ErrorCode::BadRequest, message));
    };
    // Files are named by what they hold.
    let kept = path_of(&api.uploads, &received.sha256);
    let upload = Upload {
        id: String::new(),
        owner: String::new(),
        content_type: content_type.to_owned(),
        bytes: received.bytes,
        sha256: received.sha256,
        name: named.name,
    };
    // What is refused for its size leaves nothing behind, and nobody knows the id yet.
    let placing = api.placing.read().await;
    let upload = service.add_upload(&caller, upload).await?;
    let moved = tokio::fs::rename(&temporary.0, &kept).await;
    moved.map_err(|error| failed(&error))?;
    drop(placing);
    let told = json!({
        "id": upload.id,
        "content_type": upload.content_type,
        "bytes": upload.bytes,
        "name": upload.name,
    });
    Ok((StatusCode::CREATED, Json(told)).into_response())
}

/// What came of a body.
struct Received {
    bytes: u64,
    sha256: String,
    head: Vec<u8>,
}

/// Writes a body to a file that is flushed to disk.
async fn receive(path: &Path, body: Body) -> Result<Received, Refusal> {
    let folder = path.parent().expect("the path has a folder");
    let made = tokio::fs::create_dir_all(folder).await;
    made.map_err(|error| failed(&error))?;
    let mut file = File::create(path).await.map_err(|error| failed(&error))?;
    let (mut hash, mut head, mut bytes) = (Sha256::new(), Vec::new(), 0);
    let mut pieces = body.into_data_stream();
    let cut_off = || Refusal::new(ErrorCode::BadRequest, "the body ended before its time");
    while let Some(piece) = tokio::time::timeout(PIECE, pieces.next())
        .await
        .map_err(|_| cut_off())?
    {
        let piece = piece.map_err(|_| cut_off())?;
        bytes += piece.len() as u64;
        if bytes > BYTES_MAX {
            let message = format!("above {BYTES_MAX} bytes");
            return Err(Refusal::new(ErrorCode::LimitReached, message));
        }
        let wanted = sniff::BYTES.saturating_sub(head.len()).min(piece.len());
        head.extend_from_slice(&piece[..wanted]);
        hash.update(&piece);
        file.write_all(&piece)
            .await
            .map_err(|error| failed(&error))?;
    }
    file.sync_all().await.map_err(|error| failed(&error))?;
    let sha256 = hash
        .finalize()
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    Ok(Received {
        bytes,
        sha256,
        head,
    })
}

/// Gives a file to its owner and to those who may read a message that shows it.
async fn fetch(
    State(api): State<Arc<Api>>,
    asker: Asker,
    InPath(id): InPath<String>,
) -> Result<Response, Refusal> {
    let caller = api.caller(&asker)?;
    let upload = api.gate.service().upload(&caller, &id).await?;
    let file = File::open(path_of(&api.uploads, &upload.sha256)).await;
    let file = file.map_err(|error| failed(&error))?;
    let pieces = stream::unfold(file, |mut file| async {
        let mut piece = vec![0; CHUNK];
        match file.read(&mut piece).await {
            Ok(0) => None,
            Ok(count) => {
                piece.truncate(count);
                Some((Ok(piece), file))
            }
            Err(error) => Some((Err::<Vec<u8>, io::Error>(error), file)),
        }
    });
    let mut response = Body::from_stream(pieces).into_response();
    let headers = response.headers_mut();
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; sandbox",
        ),
        (header::CACHE_CONTROL, "private, max-age=3600"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CONTENT_LENGTH, upload.bytes.into());
    let told = [
        (header::CONTENT_TYPE, upload.content_type.clone()),
        (header::CONTENT_DISPOSITION, disposition(&upload)),
    ];
    for (name, value) in told {
        let value = HeaderValue::from_str(&value);
        headers.insert(name, value.expect("types are ours and names are escaped"));
    }
    Ok(response)
}

/// How a browser treats the file: pictures and sound are shown, all else is saved.
fn disposition(upload: &Upload) -> String {
    let shown = ["image/", "audio/"]
        .iter()
        .any(|kind| upload.content_type.starts_with(kind));
    let way = if shown { "inline" } else { "attachment" };
    if upload.name.is_empty() {
        return way.to_owned();
    }
    // RFC 8187: everything that is not plain is escaped.
    let name = upload.name.bytes().fold(String::new(), |name, byte| {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        match plain {
            true => name + &char::from(byte).to_string(),
            false => name + &format!("%{byte:02X}"),
        }
    });
    format!("{way}; filename*=UTF-8''{name}")
}

/// Where a file is kept: its hash is hexadecimal, so it leads nowhere else.
fn path_of(folder: &Path, sha256: &str) -> PathBuf {
    folder.join(sha256)
}

fn failed(error: &io::Error) -> Refusal {
    tracing::error!(%error, "an upload cannot be kept or given");
    Refusal::new(ErrorCode::Unavailable, "files cannot be kept or given now")
}

/// A file that is removed unless it was moved elsewhere.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // Removing one file is quick, and there is no other moment for it.
        let _ = std::fs::remove_file(&self.0);
    }
}
