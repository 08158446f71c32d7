//! What is known about uploads; whoever keeps their bytes asks here.

use std::sync::Arc;

use wire::frame::Error;

use super::Service;
use super::rooms::signed_in;
use crate::caller::Caller;
use crate::limits::Kind;
use crate::store::uploads::{self, UploadJob};
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
