//! Requests by method.

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use wire::frame::{Error, Request};

use super::{Service, SessionHandle, Shared};
use crate::caller::Caller;
use crate::limits::Kind;
use crate::store::Fail;

/// The result of a request, encoded, or why there is none.
pub(super) type Outcome = Result<Box<RawValue>, Error>;

/// What the handlers give.
pub(super) type Handled<T> = Result<T, Fail>;

impl Service {
    /// Answers a session's request; none when the method is none of this crate's.
    ///
    /// Requests of one session may run at the same time; the relay gives them one
    /// after the other.
    pub async fn request(&self, session: &SessionHandle, request: &Request) -> Option<Outcome> {
        let kind = kind(&request.method)?;
        let caller = self.shared.hub.caller(session.0)?;
        Some(self.shared.answer(&caller, kind, request).await)
    }

    /// Answers a request outside of any session, as over HTTP.
    pub async fn call(&self, caller: &Arc<Caller>, request: &Request) -> Option<Outcome> {
        let kind = kind(&request.method)?;
        Some(self.shared.answer(caller, kind, request).await)
    }

    /// The name of a method of this crate; none for any other.
    #[must_use]
    pub fn method(name: &str) -> Option<&'static str> {
        METHODS.into_iter().find(|method| *method == name)
    }
}

/// Which limit a method counts against; none for methods that are not ours.
fn kind(method: &str) -> Option<Kind> {
    Some(match method {
        "send" | "edit" | "delete" => Kind::Write,
        "react" | "interact" | "mark" | "set_presence" | "read_notifications" => Kind::Touch,
        "typing" => Kind::Typing,
        "room" | "rooms" | "members" | "history" | "search" | "conversations" | "presence"
        | "notifications" | "interactions" | "favourites" | "sanctions" | "reports" | "audit"
        | "words" | "versions" | "push_key" => Kind::Read,
        "create_room"
        | "update_room"
        | "delete_room"
        | "join_room"
        | "leave_room"
        | "invite"
        | "decline"
        | "kick"
        | "set_role"
        | "create_conversation"
        | "delete_conversation"
        | "mute"
        | "ban"
        | "lift"
        | "set_words"
        | "report"
        | "resolve_report"
        | "announce"
        | "push_subscribe"
        | "push_unsubscribe" => Kind::Manage,
        _ => return None,
    })
}

/// Every method.
pub(super) const METHODS: [&str; 45] = [
    "send",
    "edit",
    "delete",
    "react",
    "interact",
    "mark",
    "set_presence",
    "read_notifications",
    "typing",
    "room",
    "rooms",
    "members",
    "history",
    "search",
    "conversations",
    "presence",
    "notifications",
    "interactions",
    "favourites",
    "sanctions",
    "reports",
    "audit",
    "words",
    "versions",
    "push_key",
    "create_room",
    "update_room",
    "delete_room",
    "join_room",
    "leave_room",
    "invite",
    "decline",
    "kick",
    "set_role",
    "create_conversation",
    "delete_conversation",
    "mute",
    "ban",
    "lift",
    "set_words",
    "report",
    "resolve_report",
    "announce",
    "push_subscribe",
    "push_unsubscribe",
];

impl Shared {
    async fn answer(&self, caller: &Arc<Caller>, kind: Kind, request: &Request) -> Outcome {
        self.limit(caller, kind)?;
        match kind {
            Kind::Write | Kind::Touch | Kind::Typing => self.answer_talk(caller, request).await,
            Kind::Read | Kind::Subscribe | Kind::Guest => self.answer_read(caller, request).await,
            Kind::Manage => self.answer_manage(caller, request).await,
        }
    }

    async fn answer_talk(&self, caller: &Arc<Caller>, request: &Request) -> Outcome {
        match &*request.method {
            "send" => encode(self.send(caller, request.params()?).await),
            "edit" => encode(self.edit(caller, request.params()?).await),
            "delete" => encode(self.delete(caller, request.params()?).await),
            "react" => encode(self.react(caller, request.params()?).await),
            "interact" => encode(self.interact(caller, request.params()?).await),
            "mark" => encode(self.mark(caller, request.params()?).await),
            "set_presence" => encode(self.set_presence(caller, request.params()?)),
            "read_notifications" => encode(self.read_inbox_to(caller, request.params()?).await),
            _ => encode(self.typing(caller, request.params()?).await),
        }
    }

    async fn answer_read(&self, caller: &Arc<Caller>, request: &Request) -> Outcome {
        match &*request.method {
            "room" => encode(self.room(caller, request.params()?).await),
            "rooms" => encode(self.rooms(caller, request.params()?).await),
            "members" => encode(self.members(caller, request.params()?).await),
            "history" => encode(self.history(caller, request.params()?).await),
            "search" => encode(self.search(caller, request.params()?).await),
            "conversations" => encode(self.conversations(caller, request.params()?).await),
            "presence" => encode(self.presence(caller, request.params()?).await),
            "notifications" => encode(self.notifications(caller, request.params()?).await),
            "interactions" => encode(self.interactions(caller, request.params()?).await),
            "favourites" => encode(self.favourites(caller).await),
            "sanctions" => encode(self.sanctions(caller, request.params()?).await),
            "reports" => encode(self.reports(caller, request.params()?).await),
            "audit" => encode(self.audit(caller, request.params()?).await),
            "versions" => encode(self.versions(caller, request.params()?).await),
            "push_key" => encode(self.push_key()),
            _ => encode(self.words(caller, request.params()?).await),
        }
    }

    async fn answer_manage(&self, caller: &Arc<Caller>, request: &Request) -> Outcome {
        match &*request.method {
            "create_room" => encode(self.create_room(caller, request.params()?).await),
            "update_room" => encode(self.update_room(caller, request.params()?).await),
            "delete_room" => encode(self.delete_room(caller, request.params()?).await),
            "join_room" => encode(self.join_room(caller, request.params()?).await),
            "leave_room" => encode(self.leave_room(caller, request.params()?).await),
            "invite" => encode(self.invite(caller, request.params()?).await),
            "decline" => encode(self.decline(caller, request.params()?).await),
            "kick" => encode(self.kick(caller, request.params()?).await),
            "set_role" => encode(self.set_role(caller, request.params()?).await),
            "create_conversation" => {
                encode(self.create_conversation(caller, request.params()?).await)
            }
            "delete_conversation" => {
                encode(self.delete_conversation(caller, request.params()?).await)
            }
            "mute" => encode(self.mute(caller, request.params()?).await),
            "ban" => encode(self.ban(caller, request.params()?).await),
            "lift" => encode(self.lift(caller, request.params()?).await),
            "set_words" => encode(self.set_words(caller, request.params()?).await),
            "report" => encode(self.report(caller, request.params()?).await),
            "push_subscribe" => encode(self.push_subscribe(caller, request.params()?).await),
            "push_unsubscribe" => encode(self.push_unsubscribe(caller, request.params()?).await),
            "resolve_report" => encode(self.resolve_report(caller, request.params()?).await),
            _ => encode(self.announce(caller, request.params()?).await),
        }
    }
}

fn encode<T: Serialize>(handled: Handled<T>) -> Outcome {
    let value = handled.map_err(Fail::into_wire)?;
    Ok(to_raw_value(&value).expect("wire types have string keys and serialize"))
}
