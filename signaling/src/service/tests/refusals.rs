//! Every request of everybody who may not, on every kind of channel.

use serde_json::{Value, json};
use wire::code::ErrorCode;

use super::harness::{Client, start};
use crate::store::Upload;
use crate::testing::{Database, on_both};

on_both!(every_request_is_refused_to_those_who_may_not);

/// What may be asked about a room, and what must be refused to whom:
/// `r` reading, `s` reading when signed in, `w` writing, `b` belonging, `j` joining, `m` moderating, `o` owning.
const REQUESTS: [(&str, char); 28] = [
    ("subscribe", 'r'),
    ("upload", 'r'),
    ("room", 'r'),
    ("history", 'r'),
    ("search", 's'),
    ("members", 's'),
    ("report", 's'),
    ("send", 'w'),
    ("edit", 'w'),
    ("delete", 'w'),
    ("react", 'w'),
    ("typing", 'w'),
    ("invite", 'w'),
    ("mark", 'b'),
    ("leave_room", 'b'),
    ("join_room", 'j'),
    ("kick", 'm'),
    ("mute", 'm'),
    ("ban", 'm'),
    ("sanctions", 'm'),
    ("reports", 'm'),
    ("audit", 'm'),
    ("versions", 'm'),
    ("words", 'm'),
    ("set_words", 'm'),
    ("update_room", 'o'),
    ("set_role", 'o'),
    ("delete_room", 'o'),
];

fn params(method: &str, channel: &str, seq: u64) -> Value {
    let mut params = json!({
        "channel": channel, "seq": seq, "user": "ann", "text": "x", "reason": "x", "query": "first",
        "reaction": "x", "on": true, "role": "member", "words": [], "read": seq,
        "client_id": "refused", "content": { "type": "text", "text": "x" },
    });
    if method == "history" || method == "search" {
        params.as_object_mut().unwrap().remove("seq");
    }
    params
}

/// What is shown in a channel: a text, and a file.
struct Shown {
    seq: u64,
    upload: String,
}

async fn show(ann: &Client, channel: &str) -> Shown {
    let seq = ann.say(channel, "first").await;
    let upload = Upload {
        id: String::new(),
        owner: String::new(),
        content_type: "image/png".into(),
        bytes: 9,
        sha256: "00".repeat(32),
        name: String::new(),
    };
    let caller = ann.service.shared.hub.caller(ann.session.0).unwrap();
    let upload = ann.service.add_upload(&caller, upload).await.unwrap().id;
    let send = json!({
        "channel": channel, "client_id": format!("file in {channel}"),
        "content": { "type": "media", "upload": upload, "kind": "image" },
    });
    ann.get("send", send).await;
    Shown { seq, upload }
}

async fn refusal(client: &Client, method: &str, channel: &str, shown: &Shown) -> Option<ErrorCode> {
    let seq = shown.seq;
    if method == "upload" {
        let caller = client.service.shared.hub.caller(client.session.0).unwrap();
        let found = client.service.upload(&caller, &shown.upload).await;
        return found.err().map(|error| error.code);
    }
    if method == "subscribe" {
        return client
            .subscribe_at(channel, None)
            .await
            .err()
            .map(|error| error.code);
    }
    client
        .ask(method, params(method, channel, seq))
        .await
        .err()
        .map(|error| error.code)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Anonymous,
    Stranger,
    Muted,
    Banned,
}

fn expected(who: Who, need: char, is_open: bool) -> Option<ErrorCode> {
    match who {
        Who::Anonymous if need != 'r' => Some(ErrorCode::Unauthorized),
        Who::Anonymous => (!is_open).then_some(ErrorCode::UnknownRoom),
        Who::Stranger | Who::Banned if !is_open => Some(ErrorCode::UnknownRoom),
        Who::Banned => Some(ErrorCode::Banned),
        Who::Stranger => match need {
            'r' | 's' | 'j' => None,
            'w' | 'b' => Some(ErrorCode::NotMember),
            _ => Some(ErrorCode::Forbidden),
        },
        Who::Muted => match need {
            'w' => Some(ErrorCode::Muted),
            'm' | 'o' => Some(ErrorCode::Forbidden),
            _ => None,
        },
    }
}

async fn every_request_is_refused_to_those_who_may_not(database: &Database) {
    let service = start(database).await;
    service
        .station_started(&"demo".parse().unwrap(), "Demo", false)
        .await
        .unwrap();
    let admin = Client::admin(&service);
    let ann = Client::new(&service, "ann");
    for sub in ["muted", "banned", "stranger"] {
        Client::new(&service, sub).room_of_its_own("known").await;
    }
    let public = ann.room_of_its_own("Public").await;
    let private = ann
        .get("create_room", json!({ "name": "Private", "private": true }))
        .await;
    let group = json!({ "users": ["muted", "banned"], "name": "Group" });
    let group = ann.get("create_conversation", group).await;
    let direct = ann
        .get("create_conversation", json!({ "users": ["muted"] }))
        .await;
    let name = |made: &Value| made["room"]["channel"].as_str().unwrap().to_owned();
    let (private, group, direct) = (name(&private), name(&group), name(&direct));
    let channels = [
        ("room:@demo", true),
        (&*public, true),
        (&*private, false),
        (&*group, false),
        (&*direct, false),
    ];
    for (channel, is_open) in channels {
        if is_open || channel == private {
            for sub in ["ann", "muted", "banned"] {
                let client = Client::new(&service, sub);
                if channel == private && sub != "ann" {
                    ann.get("invite", json!({ "channel": channel, "user": sub }))
                        .await;
                }
                client.get("join_room", json!({ "channel": channel })).await;
            }
        }
        let shown = show(&ann, channel).await;
        let staff = if channel.starts_with("room:@") {
            &admin
        } else {
            &ann
        };
        if channel != direct {
            staff
                .get("mute", json!({ "channel": channel, "user": "muted" }))
                .await;
            staff
                .get("ban", json!({ "channel": channel, "user": "banned" }))
                .await;
        }
        for who in [Who::Anonymous, Who::Stranger, Who::Banned, Who::Muted] {
            if who == Who::Muted && channel == direct {
                continue;
            }
            for (method, need) in REQUESTS {
                // A new session each time: nothing is allowed by what happened before.
                let client = match who {
                    Who::Anonymous => Client::anonymous(&service),
                    Who::Stranger => Client::new(&service, "stranger"),
                    Who::Muted => Client::new(&service, "muted"),
                    Who::Banned => Client::new(&service, "banned"),
                };
                let mut wanted = expected(who, need, is_open);
                if method == "upload" {
                    // Files say nothing of the rooms they are shown in.
                    wanted = wanted.map(|_| ErrorCode::NotFound);
                }
                // What is allowed and would change who somebody is comes in other tests.
                if wanted.is_none() && matches!(method, "leave_room" | "join_room") {
                    continue;
                }
                let got = refusal(&client, method, channel, &shown).await;
                assert_eq!(got, wanted, "{who:?} {method} {channel}");
            }
        }
        let history = ann.get("history", json!({ "channel": channel })).await;
        assert_eq!(
            history["messages"].as_array().unwrap().len(),
            2,
            "nothing refused was stored"
        );
        let messages = history["messages"].as_array().unwrap();
        let reacted = messages
            .iter()
            .any(|message| message.get("reactions").is_some());
        assert!(!reacted, "{channel}");
    }
}
