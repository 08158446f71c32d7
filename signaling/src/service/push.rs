//! Requests about devices that are told of notifications.

use std::sync::Arc;

use wire::code::ErrorCode;
use wire::message::Empty;
use wire::message::push::{PushKeyResult, PushSubscribeParams, PushUnsubscribeParams};

use super::dispatch::Handled;
use super::rooms::signed_in;
use super::{Service, Shared};
use crate::caller::Caller;
use crate::push::{Counts, Push};
use crate::store::push::{self, DeviceJob};
use crate::store::{Fail, refuse};

impl Service {
    /// What became of messages to devices; none when there is no Web Push.
    #[must_use]
    pub fn push_counts(&self) -> Option<&Counts> {
        self.shared.push.as_ref().map(|push| &*push.counts)
    }
}

impl Shared {
    fn push(&self) -> Result<&Push, Fail> {
        let none = || refuse(ErrorCode::NotFound, "this server has no Web Push");
        self.push.as_ref().ok_or_else(none)
    }

    pub(super) fn push_key(&self) -> Handled<PushKeyResult> {
        let public_key = self.push()?.public_key().to_owned();
        Ok(PushKeyResult { public_key })
    }

    pub(super) async fn push_subscribe(
        &self,
        caller: &Arc<Caller>,
        params: PushSubscribeParams,
    ) -> Handled<Empty> {
        signed_in(caller)?;
        let job = DeviceJob {
            asking: self.asking(caller),
            device: self.push()?.device(params)?,
        };
        self.store
            .write(job, |tx, job| Box::pin(push::subscribe(tx, job)))
            .await?;
        self.remember(caller);
        Ok(Empty {})
    }

    /// Works without Web Push, too: a device may be forgotten after it was turned off.
    pub(super) async fn push_unsubscribe(
        &self,
        caller: &Arc<Caller>,
        params: PushUnsubscribeParams,
    ) -> Handled<Empty> {
        signed_in(caller)?;
        let gone = (caller.sub().to_owned(), params.endpoint);
        self.store
            .write(gone, |tx, gone| Box::pin(push::unsubscribe(tx, gone)))
            .await?;
        Ok(Empty {})
    }
}
