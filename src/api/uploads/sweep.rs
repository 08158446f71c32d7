//! Files that no upload has any more: they go, also those of times before this start.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use wire::frame::Error;

use super::super::Api;
use super::path_of;

/// How often files are looked for that nobody needs.
const EVERY: Duration = Duration::from_secs(600);

/// Names asked about at once.
const PIECE: usize = 200;

/// Removes the files whose uploads are gone, for ever.
pub(in super::super) async fn run(api: Arc<Api>) {
    note_strays(&api).await;
    loop {
        match remove_unused(&api).await {
            // There may be more.
            Ok(files) if files > 0 => {
                tracing::info!(files, "files of uploads that are gone were removed");
                continue;
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(?error, "files of uploads that are gone stay for now"),
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Removes what a crash left half taken: nothing is being taken yet.
pub(in super::super) fn remove_pieces(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|kind| kind == "part") {
            // One that cannot be removed does no harm.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Finds files in the folder that no upload has. They are kept for a day all the same:
/// whoever gave the server another database by mistake loses nothing at once.
async fn note_strays(api: &Api) {
    let folder = api.uploads.clone();
    let named = tokio::task::spawn_blocking(move || kept(&folder)).await;
    let named = named.unwrap_or_default();
    let mut strays = 0;
    for piece in named.chunks(PIECE) {
        match api.gate.service().note_stray_files(piece).await {
            Ok(found) => strays += found,
            Err(error) => {
                tracing::warn!(?error, "files that no upload has were not looked for");
                return;
            }
        }
    }
    if strays > 0 {
        tracing::warn!(
            strays,
            "no upload has these files; they are removed in a day"
        );
    }
}

/// The names in the folder that are a SHA-256.
fn kept(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let hashes = names.filter(|name| {
        name.len() == 64
            && name
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    });
    hashes.collect()
}

async fn remove_unused(api: &Api) -> Result<usize, Error> {
    let service = api.gate.service();
    // Nobody uploads the same bytes between the look and the removal.
    let _placing = api.placing.write().await;
    let files = service.unused_files().await?;
    let mut settled = Vec::new();
    for (sha256, is_used) in files {
        let path = path_of(&api.uploads, &sha256);
        let removed = match is_used {
            true => Ok(()),
            false => tokio::fs::remove_file(path).await,
        };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, "the file of an upload cannot be removed");
            }
            _ => settled.push(sha256),
        }
    }
    let count = settled.len();
    if count > 0 {
        service.files_settled(settled).await?;
    }
    Ok(count)
}
