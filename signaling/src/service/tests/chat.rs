use serde_json::json;
use wire::code::ErrorCode;

use super::harness::{Client, ann_and_bob, start, state};
use crate::store::Retention;
use crate::testing::{Database, on_both};

on_both!(
    a_message_is_stored_once_and_reaches_members_in_order,
    a_crowd_hears_everything_in_order,
    a_resume_is_whole_or_refused,
    history_goes_both_ways,
    edits_and_deletions_carry_versions,
    reactions_are_counted,
    threads_and_replies_hold_together,
    search_finds_what_one_may_see,
    nothing_is_lost_when_the_service_starts_again,
    old_things_are_forgotten,
    mentions_reach_those_who_may_read,
);

async fn a_message_is_stored_once_and_reaches_members_in_order(database: &Database) {
    let service = start(database).await;
    let (ann, bob, room) = ann_and_bob(&service).await;
    let from = bob.subscribe(&room).await.offset.unwrap();
    let send = |id: &str, text: &str| {
        json!({
            "channel": room, "client_id": id, "content": { "type": "text", "text": text },
        })
    };
    let first = ann.get("send", send("a", "one")).await;
    assert_eq!(ann.get("send", send("a", "one, again")).await, first);
    for number in 0..20 {
        ann.get("send", send(&format!("n{number}"), &number.to_string()))
            .await;
    }
    bob.wait_for("message", |push| push["data"]["content"]["text"] == "19")
        .await;
    let pushed = bob.pushed("message");
    let texts: Vec<_> = pushed
        .iter()
        .map(|push| push["data"]["content"]["text"].clone())
        .collect();
    let mut expected = vec![json!("one")];
    expected.extend((0..20).map(|number: u32| json!(number.to_string())));
    assert_eq!(texts, expected);
    for (index, push) in pushed.iter().enumerate() {
        assert_eq!(push["offset"], from + 1 + index as u64);
        assert_eq!(push["data"]["seq"], push["offset"]);
        assert_eq!(push["data"]["from"], json!({ "sub": "ann", "name": "ANN" }));
    }
    // The same client id somewhere else is another message of a confused client's.
    let other = ann.room_of_its_own("Other").await;
    let elsewhere =
        json!({ "channel": other, "client_id": "a", "content": { "type": "text", "text": "x" } });
    assert_eq!(ann.refused("send", elsewhere).await, ErrorCode::Conflict);
    // And the same id of another user is none of ann's business.
    bob.get("send", send("a", "mine")).await;
}

async fn a_crowd_hears_everything_in_order(database: &Database) {
    let service = start(database).await;
    let (ann, _bob, room) = ann_and_bob(&service).await;
    let mut crowd = Vec::new();
    for _ in 0..120 {
        let visitor = Client::anonymous(&service);
        let from = visitor.subscribe(&room).await.offset.unwrap();
        crowd.push((visitor, from));
    }
    for number in 0..6 {
        ann.say(&room, &format!("m{number}")).await;
    }
    ann.get("delete_room", json!({ "channel": room })).await;
    for (visitor, from) in &crowd {
        visitor.wait_for("room_deleted", |_| true).await;
        let frames = visitor.pushes.frames.lock().unwrap();
        let told = frames.iter().filter_map(|push| push["offset"].as_u64());
        let expected: Vec<_> = (from + 1..=from + 6).collect();
        assert_eq!(told.collect::<Vec<_>>(), expected);
        assert_eq!(frames.last().unwrap()["type"], "room_deleted");
    }
}

async fn a_resume_is_whole_or_refused(database: &Database) {
    let service = start(database).await;
    let (ann, bob, room) = ann_and_bob(&service).await;
    let start = bob.subscribe(&room).await;
    let (epoch, offset) = (start.epoch.unwrap(), start.offset.unwrap());
    assert!(!start.recovered);
    for number in 0..10 {
        ann.say(&room, &format!("m{number}")).await;
    }
    let again = Client::new(&service, "bob");
    let resumed = again
        .subscribe_at(&room, Some((&epoch, offset + 4)))
        .await
        .unwrap();
    assert!(resumed.recovered && resumed.state.is_none());
    let offsets: Vec<_> = resumed
        .events
        .iter()
        .map(|push| push.offset.unwrap())
        .collect();
    assert_eq!(offsets, (offset + 5..=offset + 10).collect::<Vec<_>>());
    assert_eq!(resumed.offset, Some(offset + 10));
    let nothing = again
        .subscribe_at(&room, Some((&epoch, offset + 10)))
        .await
        .unwrap();
    assert!(nothing.recovered && nothing.events.is_empty());
    for (epoch, offset) in [
        ("other", offset),
        (&*epoch, offset + 11),
        (&*epoch, u64::MAX),
    ] {
        let refused = again
            .subscribe_at(&room, Some((epoch, offset)))
            .await
            .unwrap();
        assert!(!refused.recovered && refused.events.is_empty());
        let messages = state(&refused)["messages"].as_array().unwrap().len();
        assert_eq!(messages, 10);
    }
    // Too much to give back is not given in part.
    for number in 0..20 {
        ann.say(&room, &format!("{number} {}", "long ".repeat(700)))
            .await;
    }
    let refused = again
        .subscribe_at(&room, Some((&epoch, offset)))
        .await
        .unwrap();
    assert!(!refused.recovered);
    let state = state(&refused);
    assert_eq!(state["more"], true);
    assert!(refused.state.unwrap().get().len() < 32 * 1024);
    assert_eq!(
        state["messages"].as_array().unwrap().last().unwrap()["seq"],
        refused.offset.unwrap()
    );
}

async fn history_goes_both_ways(database: &Database) {
    let service = start(database).await;
    let (ann, _bob, room) = ann_and_bob(&service).await;
    let mut seqs = Vec::new();
    for number in 0..25 {
        seqs.push(ann.say(&room, &number.to_string()).await);
    }
    let page = async |params: serde_json::Value| {
        let result = ann.get("history", params).await;
        let messages = result["messages"].as_array().unwrap();
        let seqs: Vec<_> = messages
            .iter()
            .map(|message| message["seq"].as_u64().unwrap())
            .collect();
        (seqs, result["more"].as_bool().unwrap())
    };
    let (newest, more) = page(json!({ "channel": room, "limit": 10 })).await;
    assert_eq!((&newest[..], more), (&seqs[15..], true));
    let (older, more) = page(json!({ "channel": room, "limit": 10, "before": newest[0] })).await;
    assert_eq!((&older[..], more), (&seqs[5..15], true));
    let (oldest, more) = page(json!({ "channel": room, "limit": 10, "before": older[0] })).await;
    assert_eq!((&oldest[..], more), (&seqs[..5], false));
    let (newer, more) = page(json!({ "channel": room, "limit": 10, "after": oldest[4] })).await;
    assert_eq!((&newer[..], more), (&seqs[5..15], true));
    let (none, more) = page(json!({ "channel": room, "after": seqs[24] })).await;
    assert!(none.is_empty() && !more);
    let both = json!({ "channel": room, "before": 5, "after": 1 });
    assert_eq!(ann.refused("history", both).await, ErrorCode::BadRequest);
    let (all, _) = page(json!({ "channel": room, "before": u64::MAX, "limit": 4_000_000 })).await;
    assert_eq!(all, seqs);
}

async fn edits_and_deletions_carry_versions(database: &Database) {
    let service = start(database).await;
    let (ann, bob, room) = ann_and_bob(&service).await;
    bob.subscribe(&room).await;
    let seq = ann.say(&room, "helo").await;
    let edit =
        |version: u64| json!({ "channel": room, "seq": seq, "text": "hello", "version": version });
    assert_eq!(bob.refused("edit", edit(1)).await, ErrorCode::Forbidden);
    assert_eq!(ann.get("edit", edit(1)).await["version"], 2);
    assert_eq!(ann.refused("edit", edit(1)).await, ErrorCode::Conflict);
    let edited = bob.wait_for("edited", |_| true).await;
    assert_eq!(edited["data"]["content"]["text"], "hello");
    assert_eq!(edited["data"]["version"], 2);
    let history = bob.get("history", json!({ "channel": room })).await;
    assert_eq!(history["messages"][0]["content"]["text"], "hello");
    assert_eq!(history["messages"][0]["version"], 2);
    let message = json!({ "channel": room, "seq": seq });
    assert_eq!(
        bob.refused("delete", message.clone()).await,
        ErrorCode::Forbidden
    );
    assert_eq!(ann.get("delete", message.clone()).await["version"], 3);
    assert_eq!(
        ann.refused("delete", message).await,
        ErrorCode::UnknownMessage
    );
    let deleted = bob.wait_for("deleted", |_| true).await;
    assert_eq!(deleted["data"].get("content"), None);
    let history = bob.get("history", json!({ "channel": room })).await;
    assert_eq!(history["messages"][0].get("content"), None);
    // What it said is for its author and moderators, page by page.
    let asked = json!({ "channel": room, "seq": seq });
    let said = ann.get("versions", asked.clone()).await;
    assert_eq!(said["versions"][0]["content"]["text"], "hello");
    assert_eq!(said["versions"][1]["content"]["text"], "helo");
    assert_eq!(said["versions"][1]["by"], "ann");
    assert_eq!(said["more"], false);
    let older = json!({ "channel": room, "seq": seq, "before": 2 });
    let older = ann.get("versions", older).await;
    assert_eq!(older["versions"].as_array().unwrap().len(), 1);
    assert_eq!(bob.refused("versions", asked).await, ErrorCode::Forbidden);
    let none = json!({ "channel": room, "seq": seq + 1000 });
    assert_eq!(
        ann.refused("versions", none).await,
        ErrorCode::UnknownMessage
    );
    // An owner deletes what others wrote.
    let seq = bob.say(&room, "rude").await;
    ann.get("delete", json!({ "channel": room, "seq": seq }))
        .await;
    let log = ann.get("audit", json!({ "channel": room })).await;
    assert_eq!(log["entries"][0]["action"], "delete");
}

async fn reactions_are_counted(database: &Database) {
    let service = start(database).await;
    let (ann, bob, room) = ann_and_bob(&service).await;
    ann.subscribe(&room).await;
    let seq = ann.say(&room, "hi").await;
    let react = |reaction: &str, on: bool| json!({ "channel": room, "seq": seq, "reaction": reaction, "on": on });
    ann.get("react", react("👍", true)).await;
    let version = bob.get("react", react("👍", true)).await["version"].clone();
    assert_eq!(
        bob.get("react", react("👍", true)).await["version"],
        version,
        "a second time changes nothing"
    );
    let push = ann
        .wait_for("reactions", |push| push["data"]["version"] == version)
        .await;
    assert_eq!(push["data"]["reactions"], json!({ "👍": 2 }));
    let message = &bob.get("history", json!({ "channel": room })).await["messages"][0];
    assert_eq!(message["mine"], json!(["👍"]));
    bob.get("react", react("👍", false)).await;
    ann.get("react", react("👍", false)).await;
    let message = &bob.get("history", json!({ "channel": room })).await["messages"][0];
    assert_eq!(message.get("reactions"), None);
    for number in 0..20 {
        bob.get("react", react(&format!("r{number}"), true)).await;
    }
    assert_eq!(
        bob.refused("react", react("one-more", true)).await,
        ErrorCode::LimitReached
    );
    assert_eq!(
        bob.refused("react", react("a b", true)).await,
        ErrorCode::BadRequest
    );
}

async fn threads_and_replies_hold_together(database: &Database) {
    let service = start(database).await;
    let (ann, bob, room) = ann_and_bob(&service).await;
    let root = ann.say(&room, "topic").await;
    let send = |id: &str, extra: serde_json::Value| {
        let mut params =
            json!({ "channel": room, "client_id": id, "content": { "type": "text", "text": id } });
        params
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        params
    };
    let inside = bob.get("send", send("in", json!({ "thread": root }))).await["seq"]
        .as_u64()
        .unwrap();
    ann.get(
        "send",
        send("in2", json!({ "thread": root, "reply_to": inside })),
    )
    .await;
    let nested = send("nested", json!({ "thread": inside }));
    assert_eq!(bob.refused("send", nested).await, ErrorCode::BadRequest);
    let dangling = send("dangling", json!({ "reply_to": 9_999 }));
    assert_eq!(
        bob.refused("send", dangling).await,
        ErrorCode::UnknownMessage
    );
    let thread = bob
        .get("history", json!({ "channel": room, "thread": root }))
        .await;
    assert_eq!(thread["messages"].as_array().unwrap().len(), 2);
    assert_eq!(thread["messages"][1]["reply_to"], inside);
    let root_message = &bob.get("history", json!({ "channel": room })).await["messages"][0];
    assert_eq!(root_message["replies"], 2);
    bob.get("delete", json!({ "channel": room, "seq": inside }))
        .await;
    let root_message = &bob.get("history", json!({ "channel": room })).await["messages"][0];
    assert_eq!(root_message["replies"], 1);
}

async fn search_finds_what_one_may_see(database: &Database) {
    let service = start(database).await;
    let (ann, bob, room) = ann_and_bob(&service).await;
    let eve = Client::new(&service, "eve");
    let private = ann
        .get("create_room", json!({ "name": "Secret", "private": true }))
        .await;
    let private = private["room"]["channel"].as_str().unwrap().to_owned();
    ann.say(&private, "the hidden treasure").await;
    let seq = ann.say(&room, "A treasure of crème brûlée").await;
    bob.say(&room, "no pirates here").await;
    let hits = async |client: &Client, params: serde_json::Value| {
        let result = client.get("search", params).await;
        let hits = result["hits"].as_array().unwrap().clone();
        hits.iter()
            .map(|hit| {
                hit["message"]["content"]["text"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(hits(&ann, json!({ "query": "treasure" })).await.len(), 2);
    assert_eq!(
        hits(&bob, json!({ "query": "TREASURE Creme" })).await,
        ["A treasure of crème brûlée"]
    );
    assert!(
        hits(&bob, json!({ "query": "treasure pirates" }))
            .await
            .is_empty()
    );
    assert!(
        hits(&eve, json!({ "query": "treasure" })).await.is_empty(),
        "eve is a member of nothing"
    );
    assert_eq!(
        hits(&eve, json!({ "query": "treasure", "channel": room }))
            .await
            .len(),
        1
    );
    let closed = json!({ "query": "treasure", "channel": private });
    assert_eq!(eve.refused("search", closed).await, ErrorCode::UnknownRoom);
    for query in [
        "\" OR 1=1 --",
        "a' & | ! <-> (b",
        "NEAR(treasure, 2)",
        "words:treasure*",
    ] {
        hits(&ann, json!({ "query": query })).await;
    }
    assert_eq!(
        ann.refused("search", json!({ "query": "!!" })).await,
        ErrorCode::BadRequest
    );
    ann.get(
        "edit",
        json!({ "channel": room, "seq": seq, "text": "a pudding" }),
    )
    .await;
    assert!(hits(&bob, json!({ "query": "treasure" })).await.is_empty());
    assert_eq!(hits(&bob, json!({ "query": "pudding" })).await.len(), 1);
    ann.get("delete", json!({ "channel": room, "seq": seq }))
        .await;
    assert!(hits(&bob, json!({ "query": "pudding" })).await.is_empty());
    for number in 0..5 {
        bob.say(&room, &format!("page {number}")).await;
    }
    let first = bob
        .get("search", json!({ "query": "page", "limit": 3 }))
        .await;
    let next = json!({ "query": "page", "limit": 3, "before": first["next"] });
    assert_eq!(hits(&bob, next).await, ["page 1", "page 0"]);
}

async fn nothing_is_lost_when_the_service_starts_again(database: &Database) {
    let (epoch, offset, room) = {
        let service = start(database).await;
        let (ann, bob, room) = ann_and_bob(&service).await;
        let subscribed = bob.subscribe(&room).await;
        ann.say(&room, "before").await;
        (subscribed.epoch.unwrap(), subscribed.offset.unwrap(), room)
    };
    let service = start(database).await;
    let bob = Client::new(&service, "bob");
    let resumed = bob
        .subscribe_at(&room, Some((&epoch, offset)))
        .await
        .unwrap();
    assert!(resumed.recovered);
    assert_eq!(resumed.events.len(), 1);
    bob.say(&room, "after").await;
    bob.wait_for("message", |push| push["offset"] == offset + 2)
        .await;
}

async fn old_things_are_forgotten(database: &Database) {
    let service = start(database).await;
    let (ann, bob, room) = ann_and_bob(&service).await;
    let start = bob.subscribe(&room).await;
    let position = (start.epoch.unwrap(), start.offset.unwrap());
    let seq = ann.say(&room, "old").await;
    ann.get(
        "react",
        json!({ "channel": room, "seq": seq, "reaction": "x", "on": true }),
    )
    .await;
    let shared = &service.shared;
    shared.clock.advance(8 * 86_400_000_000);
    ann.say(&room, "new").await;
    let now = shared.clock.now();
    assert!(
        shared
            .store
            .forget(Retention::default(), now)
            .await
            .unwrap()
            >= 3
    );
    let refused = bob
        .subscribe_at(&room, Some((&position.0, position.1)))
        .await
        .unwrap();
    assert!(
        !refused.recovered,
        "what is forgotten cannot be resumed from"
    );
    assert_eq!(state(&refused)["messages"].as_array().unwrap().len(), 2);
    let near = (&*position.0, refused.offset.unwrap() - 1);
    assert!(bob.subscribe_at(&room, Some(near)).await.unwrap().recovered);
    let short = Retention {
        messages: Some(std::time::Duration::from_secs(86_400)),
        ..Retention::default()
    };
    assert!(shared.store.forget(short, now).await.unwrap() >= 1);
    let history = bob.get("history", json!({ "channel": room })).await;
    assert_eq!(history["messages"].as_array().unwrap().len(), 1);
    // Of a deleted room nothing stays.
    ann.get("delete_room", json!({ "channel": room })).await;
    assert!(shared.store.forget(short, now).await.unwrap() >= 2);
    assert_eq!(shared.store.forget(short, now).await.unwrap(), 0);
}

async fn mentions_reach_those_who_may_read(database: &Database) {
    let service = start(database).await;
    let (ann, bob, room) = ann_and_bob(&service).await;
    bob.subscribe("inbox").await;
    let params = json!({
        "channel": room, "client_id": "m", "content": { "type": "text", "text": "hi @bob" },
        "mentions": ["bob", "bob", "nobody", "ann"],
    });
    ann.get("send", params).await;
    let push = bob.wait_for("notification", |_| true).await;
    assert_eq!(push["data"]["kind"], "mention");
    assert_eq!(push["data"]["preview"], "hi @bob");
    let history = ann.get("history", json!({ "channel": room })).await;
    assert_eq!(history["messages"][0]["mentions"], json!(["bob"]));
    let inbox = bob.get("notifications", json!({})).await;
    assert_eq!(
        (
            &inbox["unread"],
            inbox["notifications"].as_array().unwrap().len()
        ),
        (&json!(1), 1)
    );
    let seq = inbox["notifications"][0]["seq"].clone();
    assert_eq!(
        bob.get("read_notifications", json!({ "up_to": seq })).await["unread"],
        0
    );
    bob.wait_for("notifications_read", |push| push["data"]["up_to"] == seq)
        .await;
    assert!(
        bob.get("notifications", json!({ "unread": true })).await["notifications"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}
