//! What is known about uploads; whoever keeps their bytes asks here.

use std::sync::Arc;

use wire::frame::Error;

use super::Service;
use super::rooms::signed_in;
use crate::caller::Caller;
use crate::limits::Kind;
use crate::store::retention::{UNUSED, micros};
use crate::store::uploads::{self, Strays, UploadJob};
use crate::store::{Fail, Upload};
use crate::text;

impl Service {
    /// Whether this user may send a file now; ask before its bytes are taken. Counts as a
    /// request of kind `manage`.
    pub fn begin_upload(&self, caller: &Arc<Caller>) -> Result<(), Error> {
        self.shared.limit(caller, Kind::Manage)?;
        signed_in(caller).map_err(Fail::into_wire)
    }

    /// Takes an upload and gives its id. Its `id` and `owner` are set here; a user's
    /// uploads have at most 1 GiB together. Keep its bytes before anybody learns the id.
    pub async fn add_upload(
        &self,
        caller: &Arc<Caller>,
        mut upload: Upload,
    ) -> Result<Upload, Error> {
        let shared = &self.shared;
        signed_in(caller).map_err(Fail::into_wire)?;
        upload.id = crate::id::random();
        upload.owner = caller.sub().to_owned();
        upload.name = text::clean_line(&upload.name).chars().take(128).collect();
        let job = UploadJob {
            asking: shared.asking(caller),
            upload: upload.clone(),
        };
        let added = shared
            .store
            .write(job, |tx, job| Box::pin(uploads::add(tx, job)))
            .await;
        added.map_err(Fail::into_wire)?;
        shared.remember(caller);
        Ok(upload)
    }

    /// Notes which of these files, by SHA-256, no upload has: in a day
    /// [`Self::unused_files`] names them. Gives how many there are.
    pub async fn note_stray_files(&self, files: &[String]) -> Result<usize, Error> {
        let shared = &self.shared;
        let note = async {
            let files = uploads::strays(&mut shared.store.read().await?, files).await?;
            let count = files.len();
            if count > 0 {
                let due = shared.clock.now().saturating_add(micros(UNUSED));
                let strays = Strays { files, due };
                let noted = shared.store.write(strays, |tx, strays| {
                    Box::pin(uploads::note_strays(tx, strays))
                });
                noted.await?;
            }
            Ok(count)
        };
        note.await.map_err(Fail::into_wire)
    }

    /// Files no upload has any more, at most 200, by SHA-256, each with whether an
    /// upload has the same bytes again. Remove those nobody has while no upload is added, then
    /// tell [`Self::files_settled`].
    pub async fn unused_files(&self) -> Result<Vec<(String, bool)>, Error> {
        let read = async {
            let mut connection = self.shared.store.read().await?;
            Ok(uploads::unused_files(&mut connection, self.shared.clock.now(), 200).await?)
        };
        read.await.map_err(Fail::into_wire)
    }

    /// These files are removed, or needed after all.
    pub async fn files_settled(&self, files: Vec<String>) -> Result<(), Error> {
        let settled = self.shared.store.write(files, |tx, files| {
            Box::pin(uploads::files_settled(tx, files))
        });
        settled.await.map_err(Fail::into_wire)
    }

    /// An upload, for its owner and for whoever may read a message that shows it.
    pub async fn upload(&self, caller: &Arc<Caller>, id: &str) -> Result<Upload, Error> {
        let shared = &self.shared;
        shared.limit(caller, Kind::Read)?;
        let read = async {
            let id = super::rooms::cursor(Some(id.to_owned()))?.unwrap_or_default();
            let mut connection = shared.store.read().await?;
            uploads::find(&mut connection, &shared.asking(caller), &id).await
        };
        read.await.map_err(Fail::into_wire)
    }
}
