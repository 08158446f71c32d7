//! Requests of moderators, and reports to them.

use std::sync::Arc;

use wire::code::ErrorCode;
use wire::message::Empty;
use wire::message::moderation::{
    AuditResult, LiftParams, LogParams, ReportParams, ReportsResult, ResolveReportParams, Sanction,
    SanctionKind, SanctionParams, SanctionsResult, Words,
};

use super::Shared;
use super::dispatch::Handled;
use super::rooms::{signed_in, user};
use crate::caller::Caller;
use crate::channel::Channel;
use crate::store::moderation::{
    self, LiftJob, LogQuery, ReportJob, ResolveJob, SanctionJob, WordsJob,
};
use crate::store::refuse;
use crate::{address, text};

const REASON_CHARS_MAX: usize = 512;
const WORDS_MAX: usize = 500;
const WORD_CHARS_MAX: usize = 64;

/// The longest sanction that ends by itself: ten years.
const DURATION_S_MAX: u64 = 315_360_000;

impl Shared {
    pub(super) async fn mute(
        &self,
        caller: &Arc<Caller>,
        params: SanctionParams,
    ) -> Handled<Sanction> {
        self.sanction(caller, SanctionKind::Mute, params).await
    }

    pub(super) async fn ban(
        &self,
        caller: &Arc<Caller>,
        params: SanctionParams,
    ) -> Handled<Sanction> {
        self.sanction(caller, SanctionKind::Ban, params).await
    }

    async fn sanction(
        &self,
        caller: &Arc<Caller>,
        kind: SanctionKind,
        params: SanctionParams,
    ) -> Handled<Sanction> {
        signed_in(caller)?;
        let asking = self.asking(caller);
        let network = match params.network {
            Some(network) if network.len() <= 64 => {
                let range = address::range(&network);
                let range = range.ok_or_else(|| bad("network: no range of addresses"))?;
                Some((network, range))
            }
            Some(_) => return Err(bad("network: no range of addresses")),
            None => None,
        };
        let user = params.user.map(user).transpose()?;
        if user.is_some() == network.is_some() {
            return Err(bad("user, network: one of them"));
        }
        let until = match params.duration_s {
            Some(seconds @ 1..=DURATION_S_MAX) => {
                Some(asking.now + i64::try_from(seconds).unwrap_or(0) * 1_000_000)
            }
            Some(_) => return Err(bad("duration_s: 1 to ten years")),
            None => None,
        };
        let reason = params
            .reason
            .map(|text| text::line("reason", &text, 0, REASON_CHARS_MAX));
        let job = SanctionJob {
            asking,
            kind,
            room: params.channel.as_deref().map(Channel::room).transpose()?,
            user,
            network,
            reason: reason.transpose()?.filter(|reason| !reason.is_empty()),
            until,
        };
        self.store
            .write(job, |tx, job| Box::pin(moderation::sanction(tx, job)))
            .await
    }

    pub(super) async fn lift(&self, caller: &Arc<Caller>, params: LiftParams) -> Handled<Empty> {
        signed_in(caller)?;
        let job = LiftJob {
            asking: self.asking(caller),
            id: params.id,
        };
        self.store
            .write(job, |tx, job| Box::pin(moderation::lift(tx, job)))
            .await?;
        Ok(Empty {})
    }

    fn log_query(&self, caller: &Arc<Caller>, params: &LogParams) -> Handled<LogQuery> {
        signed_in(caller)?;
        Ok(LogQuery {
            asking: self.asking(caller),
            room: params.channel.as_deref().map(Channel::room).transpose()?,
            before: params.before,
            limit: params.limit.unwrap_or(50).clamp(1, 50),
        })
    }

    pub(super) async fn sanctions(
        &self,
        caller: &Arc<Caller>,
        params: LogParams,
    ) -> Handled<SanctionsResult> {
        let query = self.log_query(caller, &params)?;
        let mut connection = self.store.read().await?;
        moderation::sanctions(&mut connection, &query).await
    }

    pub(super) async fn reports(
        &self,
        caller: &Arc<Caller>,
        params: LogParams,
    ) -> Handled<ReportsResult> {
        let query = self.log_query(caller, &params)?;
        let mut connection = self.store.read().await?;
        moderation::reports(&mut connection, &query).await
    }

    pub(super) async fn audit(
        &self,
        caller: &Arc<Caller>,
        params: LogParams,
    ) -> Handled<AuditResult> {
        let query = self.log_query(caller, &params)?;
        let mut connection = self.store.read().await?;
        moderation::audit_log(&mut connection, &query).await
    }

    pub(super) async fn words(&self, caller: &Arc<Caller>, params: Words) -> Handled<Words> {
        signed_in(caller)?;
        let room = params.channel.as_deref().map(Channel::room).transpose()?;
        let mut connection = self.store.read().await?;
        let asking = self.asking(caller);
        let words = moderation::words(&mut connection, &asking, room.as_deref()).await?;
        Ok(Words {
            channel: params.channel,
            words,
        })
    }

    pub(super) async fn set_words(&self, caller: &Arc<Caller>, params: Words) -> Handled<Empty> {
        signed_in(caller)?;
        if params.words.len() > WORDS_MAX {
            return Err(bad("words: at most 500"));
        }
        let words = params
            .words
            .iter()
            .map(|word| text::line("words", word, 1, WORD_CHARS_MAX));
        let job = WordsJob {
            asking: self.asking(caller),
            room: params.channel.as_deref().map(Channel::room).transpose()?,
            words: words.collect::<Result<_, _>>()?,
        };
        let room = job.room.clone().unwrap_or_default();
        self.store
            .write(job, |tx, job| Box::pin(moderation::set_words(tx, job)))
            .await?;
        self.cores().filters.remove(&room);
        Ok(Empty {})
    }

    pub(super) async fn report(
        &self,
        caller: &Arc<Caller>,
        params: ReportParams,
    ) -> Handled<Empty> {
        let job = ReportJob {
            asking: self.asking(caller),
            room: Channel::room(&params.channel)?,
            seq: params.seq,
            reason: text::line("reason", &params.reason, 1, REASON_CHARS_MAX)?,
        };
        self.store
            .write(job, |tx, job| Box::pin(moderation::report(tx, job)))
            .await?;
        Ok(Empty {})
    }

    pub(super) async fn resolve_report(
        &self,
        caller: &Arc<Caller>,
        params: ResolveReportParams,
    ) -> Handled<Empty> {
        signed_in(caller)?;
        let job = ResolveJob {
            asking: self.asking(caller),
            id: params.id,
            delete: params.delete,
        };
        self.store
            .write(job, |tx, job| Box::pin(moderation::resolve(tx, job)))
            .await?;
        Ok(Empty {})
    }
}

fn bad(message: &str) -> crate::store::Fail {
    refuse(ErrorCode::BadRequest, message)
}
