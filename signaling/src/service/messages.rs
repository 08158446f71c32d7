//! Requests about messages.

use std::sync::Arc;

use wire::code::ErrorCode;
use wire::message::Empty;
use wire::message::chat::{
    EditParams, HistoryParams, HistoryResult, MessageParams, ReactParams, SearchParams,
    SearchResult, SendParams, SendResult, TEXT_CHARS_MAX, TypingParams, VersionResult,
    VersionsParams, VersionsResult,
};

use super::Shared;
use super::dispatch::Handled;
use crate::access::Action;
use crate::caller::Caller;
use crate::channel::Channel;
use crate::store::messages::{
    self, EditJob, HistoryQuery, MessageJob, ReactJob, SendJob, VersionsQuery,
};
use crate::store::search::{self, SearchQuery};
use crate::store::{judged, moderation, refuse};
use crate::text::{self, Filter};

const CLIENT_ID_CHARS_MAX: usize = 64;
const MENTIONS_MAX: usize = 20;
const REACTION_BYTES_MAX: usize = 32;
const SEARCH_WORDS_MAX: usize = 10;

/// What a page of messages may have at most, so that it fits into a frame with room to spare.
const PAGE_BYTES_MAX: usize = 48 * 1024;

impl Shared {
    pub(super) async fn send(
        &self,
        caller: &Arc<Caller>,
        params: SendParams,
    ) -> Handled<SendResult> {
        let room = Channel::room(&params.channel)?;
        let client_id = client_id(params.client_id)?;
        let content = text::content(params.content)?;
        if params.mentions.len() > MENTIONS_MAX {
            return Err(refuse(ErrorCode::BadRequest, "mentions: at most 20"));
        }
        let mentions = params.mentions.into_iter().map(super::rooms::user);
        let mentions = mentions.collect::<Handled<Vec<_>>>()?;
        self.filter(caller, &room, text::written(&content)).await?;
        let name = caller.name().map(str::to_owned);
        let known = self
            .cores()
            .known
            .contains(&(caller.sub().to_owned(), name));
        let job = SendJob {
            asking: self.asking(caller),
            room: room.clone(),
            client_id,
            content,
            reply_to: params.reply_to,
            thread: params.thread,
            mentions,
            known,
        };
        let sent = self.store.send(job).await?;
        if !known {
            self.remember(caller);
        }
        if self.cores().writers.handle_stopped(&room, caller.sub()) {
            self.tell_typing(&room);
        }
        Ok(sent)
    }

    /// Refuses text that holds a blocked word. Administrators may say them.
    async fn filter(&self, caller: &Caller, room: &str, written: &str) -> Handled<()> {
        if caller.is_admin() || written.is_empty() {
            return Ok(());
        }
        for place in ["", room] {
            if self.filter_of(place).await?.blocks(written) {
                return Err(refuse(
                    ErrorCode::BlockedText,
                    "the text holds a word that is not allowed here",
                ));
            }
        }
        Ok(())
    }

    async fn filter_of(&self, room: &str) -> Handled<Arc<Filter>> {
        if let Some(filter) = self.cores().filters.get(room) {
            return Ok(filter.clone());
        }
        let mut connection = self.store.read().await?;
        let words = moderation::blocked_words(&mut connection, room).await?;
        let filter = Arc::new(Filter::new(words.iter().map(String::as_str)));
        let mut cores = self.cores();
        if cores.filters.len() >= super::REMEMBERED_MAX {
            cores.filters.clear();
        }
        cores.filters.insert(room.to_owned(), filter.clone());
        Ok(filter)
    }

    pub(super) async fn edit(
        &self,
        caller: &Arc<Caller>,
        params: EditParams,
    ) -> Handled<VersionResult> {
        let room = Channel::room(&params.channel)?;
        let text = text::bounded("text", text::clean(&params.text), 1, TEXT_CHARS_MAX)?;
        self.filter(caller, &room, &text).await?;
        let job = EditJob {
            asking: self.asking(caller),
            room,
            seq: params.seq,
            text,
            version: params.version,
        };
        self.store
            .write(job, |tx, job| Box::pin(messages::edit(tx, job)))
            .await
    }

    pub(super) async fn delete(
        &self,
        caller: &Arc<Caller>,
        params: MessageParams,
    ) -> Handled<VersionResult> {
        let job = MessageJob {
            asking: self.asking(caller),
            room: Channel::room(&params.channel)?,
            seq: params.seq,
        };
        self.store
            .write(job, |tx, job| Box::pin(messages::delete(tx, job)))
            .await
    }

    pub(super) async fn react(
        &self,
        caller: &Arc<Caller>,
        params: ReactParams,
    ) -> Handled<VersionResult> {
        let reaction = params.reaction;
        let is_reaction = (1..=REACTION_BYTES_MAX).contains(&reaction.len())
            && text::clean(&reaction) == reaction
            && !reaction.contains(char::is_whitespace);
        if !is_reaction {
            return Err(refuse(
                ErrorCode::BadRequest,
                "reaction: 1 to 32 bytes without spaces",
            ));
        }
        let job = ReactJob {
            asking: self.asking(caller),
            room: Channel::room(&params.channel)?,
            seq: params.seq,
            reaction,
            on: params.on,
        };
        self.store
            .write(job, |tx, job| Box::pin(messages::react(tx, job)))
            .await
    }

    pub(super) async fn history(
        &self,
        caller: &Arc<Caller>,
        params: HistoryParams,
    ) -> Handled<HistoryResult> {
        if params.before.is_some() && params.after.is_some() {
            return Err(refuse(ErrorCode::BadRequest, "before, after: one of them"));
        }
        let query = HistoryQuery {
            asking: self.asking(caller),
            room: Channel::room(&params.channel)?,
            before: params.before,
            after: params.after,
            thread: params.thread,
            limit: params.limit.unwrap_or(50).clamp(1, 100),
            bytes_max: PAGE_BYTES_MAX,
        };
        let mut connection = self.store.read().await?;
        let page = messages::history(&mut connection, &query).await?;
        Ok(HistoryResult {
            messages: page.messages,
            more: page.more,
        })
    }

    pub(super) async fn versions(
        &self,
        caller: &Arc<Caller>,
        params: VersionsParams,
    ) -> Handled<VersionsResult> {
        let query = VersionsQuery {
            asking: self.asking(caller),
            room: Channel::room(&params.channel)?,
            seq: params.seq,
            before: params.before,
            bytes_max: PAGE_BYTES_MAX,
        };
        let mut connection = self.store.read().await?;
        messages::versions(&mut connection, &query).await
    }

    pub(super) async fn search(
        &self,
        caller: &Arc<Caller>,
        params: SearchParams,
    ) -> Handled<SearchResult> {
        super::rooms::signed_in(caller)?;
        let mut words = text::words(&params.query);
        words.truncate(SEARCH_WORDS_MAX);
        let query = SearchQuery {
            asking: self.asking(caller),
            words,
            room: params.channel.as_deref().map(Channel::room).transpose()?,
            before: params.before,
            limit: params.limit.unwrap_or(20).clamp(1, 50),
        };
        let is_long = query.words.iter().any(|word| word.len() > 256);
        if query.words.is_empty() || is_long {
            return Err(refuse(ErrorCode::BadRequest, "query: no words to look for"));
        }
        let mut connection = self.store.read().await?;
        let mut found = search::search(&mut connection, &query).await?;
        // A page is cut to fit a frame; the cursor then names the last hit that is left.
        let mut bytes = 0;
        let fits = found.hits.iter().take_while(|(_, hit)| {
            bytes += serde_json::to_string(hit).map_or(0, |json| json.len() + 1);
            bytes <= PAGE_BYTES_MAX
        });
        let fits = fits.count().max(1);
        if fits < found.hits.len() {
            found.hits.truncate(fits);
            found.more = true;
        }
        let next = found.hits.last().filter(|_| found.more).map(|(id, _)| *id);
        Ok(SearchResult {
            hits: found.hits.into_iter().map(|(_, hit)| hit).collect(),
            next,
        })
    }

    pub(super) async fn typing(
        &self,
        caller: &Arc<Caller>,
        params: TypingParams,
    ) -> Handled<Empty> {
        let room = Channel::room(&params.channel)?;
        let mut connection = self.store.read().await?;
        judged(&mut connection, &self.asking(caller), &room, Action::Typing).await?;
        drop(connection);
        let now = self.clock.now();
        let changed = self
            .cores()
            .writers
            .handle(&room, caller.author(), params.on, now);
        if changed {
            self.tell_typing(&room);
        }
        self.due.notify_one();
        Ok(Empty {})
    }
}

fn client_id(id: String) -> Handled<String> {
    let is_id = (1..=CLIENT_ID_CHARS_MAX).contains(&id.chars().count())
        && !id.chars().any(char::is_control);
    if is_id {
        Ok(id)
    } else {
        Err(refuse(
            ErrorCode::BadRequest,
            "client_id: 1 to 64 characters",
        ))
    }
}
