use serde_json::json;
use wire::code::ErrorCode;

use super::harness::{Client, ann_and_bob, identity, start};
use crate::testing::{Database, on_both};
use crate::token::Grants;

on_both!(
    mutes_end_by_themselves,
    the_banned_are_out_and_stay_out,
    addresses_are_banned_by_range,
    slow_mode_spares_moderators,
    only_followers_write_when_so_set,
    blocked_words_are_refused,
    reports_wait_for_moderators,
    everything_staff_does_is_logged,
);

fn text(channel: &str, id: &str, text: &str) -> serde_json::Value {
    json!({ "channel": channel, "client_id": id, "content": { "type": "text", "text": text } })
}

async fn mutes_end_by_themselves(database: &Database) {
    let service = start(database).await;
    let (ann, bob, room) = ann_and_bob(&service).await;
    bob.say(&room, "before").await;
    let mute = json!({ "channel": room, "user": "bob", "duration_s": 60, "reason": "loud" });
    let sanction = ann.get("mute", mute).await;
    assert_eq!(
        bob.refused("send", text(&room, "x", "x")).await,
        ErrorCode::Muted
    );
    assert_eq!(
        bob.refused("typing", json!({ "channel": room })).await,
        ErrorCode::Muted
    );
    bob.get("history", json!({ "channel": room })).await;
    // A retry of what was stored before is answered as it was.
    bob.say(&room, "before").await;
    service.shared.clock.advance(60_000_001);
    bob.say(&room, "after").await;
    assert!(
        ann.get("sanctions", json!({ "channel": room })).await["sanctions"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    let muted = ann
        .get("mute", json!({ "channel": room, "user": "bob" }))
        .await;
    assert!(muted["id"].as_u64() > sanction["id"].as_u64());
    assert_eq!(
        bob.refused("lift", json!({ "id": muted["id"] })).await,
        ErrorCode::Forbidden
    );
    ann.get("lift", json!({ "id": muted["id"] })).await;
    bob.say(&room, "free").await;
}

async fn the_banned_are_out_and_stay_out(database: &Database) {
    let service = start(database).await;
    let (ann, bob, room) = ann_and_bob(&service).await;
    bob.subscribe(&room).await;
    ann.get("ban", json!({ "channel": room, "user": "bob" }))
        .await;
    bob.wait_for("unsubscribed", |push| {
        push["data"]["error"]["code"] == "banned"
    })
    .await;
    ann.say(&room, "without bob").await;
    assert_eq!(
        bob.refused("join_room", json!({ "channel": room })).await,
        ErrorCode::Banned
    );
    assert_eq!(
        bob.refused("history", json!({ "channel": room })).await,
        ErrorCode::Banned
    );
    assert_eq!(
        bob.subscribe_at(&room, None).await.unwrap_err().code,
        ErrorCode::Banned
    );
    assert!(bob.pushed("message").is_empty());
    let members = ann.get("members", json!({ "channel": room })).await;
    assert_eq!(members["members"].as_array().unwrap().len(), 1);
    // Everywhere, by an administrator alone.
    assert_eq!(
        ann.refused("ban", json!({ "user": "eve" })).await,
        ErrorCode::Forbidden
    );
    let eve = Client::new(&service, "eve");
    eve.subscribe(&room).await;
    let admin = Client::admin(&service);
    let ban = admin.get("ban", json!({ "user": "eve" })).await;
    eve.wait_for("unsubscribed", |_| true).await;
    assert_eq!(
        eve.refused("join_room", json!({ "channel": room })).await,
        ErrorCode::Banned
    );
    admin.get("lift", json!({ "id": ban["id"] })).await;
    eve.get("join_room", json!({ "channel": room })).await;
}

async fn addresses_are_banned_by_range(database: &Database) {
    let service = start(database).await;
    service
        .station_started(&"demo".parse().unwrap(), "Demo", false)
        .await
        .unwrap();
    let room = "room:@demo";
    let near = Client::with(&service, None, 77);
    let far = Client::with(&service, None, 200);
    let guest = Client::with(&service, Some(identity("guest", Grants::default())), 78);
    guest.get("join_room", json!({ "channel": room })).await;
    for client in [&near, &far, &guest] {
        client.subscribe(room).await;
    }
    let admin = Client::admin(&service);
    admin
        .get(
            "ban",
            json!({ "channel": room, "network": "192.0.2.64/26", "duration_s": 3_600 }),
        )
        .await;
    near.wait_for("unsubscribed", |_| true).await;
    guest.wait_for("unsubscribed", |_| true).await;
    assert_eq!(
        near.refused("history", json!({ "channel": room })).await,
        ErrorCode::Banned
    );
    assert_eq!(
        guest.refused("send", text(room, "x", "x")).await,
        ErrorCode::Banned
    );
    far.get("history", json!({ "channel": room })).await;
    service.shared.clock.advance(3_600_000_001);
    near.get("history", json!({ "channel": room })).await;
    for network in ["192.0.2.0/33", "", "x", "0.0.0.0/0 OR 1=1"] {
        let ban = json!({ "channel": room, "network": network });
        assert_eq!(admin.refused("ban", ban).await, ErrorCode::BadRequest);
    }
    let (ann, _bob, own) = ann_and_bob(&service).await;
    let ban = json!({ "channel": own, "network": "192.0.2.0/24" });
    assert_eq!(
        ann.refused("ban", ban).await,
        ErrorCode::Forbidden,
        "owners see no addresses"
    );
}

async fn slow_mode_spares_moderators(database: &Database) {
    let service = start(database).await;
    let (ann, bob, room) = ann_and_bob(&service).await;
    ann.get("update_room", json!({ "channel": room, "slow_mode_s": 10 }))
        .await;
    bob.say(&room, "one").await;
    let error = bob.ask("send", text(&room, "2", "two")).await.unwrap_err();
    assert_eq!((error.code, error.temporary), (ErrorCode::SlowMode, true));
    assert!(
        (9_000..=10_001).contains(&error.retry_after_ms.unwrap()),
        "{error:?}"
    );
    ann.say(&room, "one").await;
    ann.say(&room, "two").await;
    service.shared.clock.advance(10_000_000);
    bob.say(&room, "two").await;
}

async fn only_followers_write_when_so_set(database: &Database) {
    let service = start(database).await;
    service
        .station_started(&"demo".parse().unwrap(), "Demo", false)
        .await
        .unwrap();
    let room = "room:@demo";
    let admin = Client::admin(&service);
    admin
        .get(
            "update_room",
            json!({ "channel": room, "followers_only": true }),
        )
        .await;
    let ann = Client::new(&service, "ann");
    ann.get("join_room", json!({ "channel": room })).await;
    assert_eq!(
        ann.refused("send", text(room, "x", "x")).await,
        ErrorCode::FollowersOnly
    );
    ann.get(
        "interact",
        json!({ "station": "demo", "kind": "follow", "on": true }),
    )
    .await;
    ann.say(room, "hello").await;
    admin.say(room, "welcome").await;
}

async fn blocked_words_are_refused(database: &Database) {
    let service = start(database).await;
    let (ann, bob, room) = ann_and_bob(&service).await;
    let words = json!({ "channel": room, "words": ["Darn", "no tea"] });
    assert_eq!(
        bob.refused("set_words", words.clone()).await,
        ErrorCode::Forbidden
    );
    bob.say(&room, "darn before the rule").await;
    ann.get("set_words", words).await;
    assert_eq!(
        bob.refused("send", text(&room, "1", "DÄRN it")).await,
        ErrorCode::BlockedText
    );
    let seq = bob.say(&room, "tea").await;
    let edit = json!({ "channel": room, "seq": seq, "text": "there is NO tea" });
    assert_eq!(bob.refused("edit", edit).await, ErrorCode::BlockedText);
    let other = bob.room_of_its_own("Other").await;
    bob.say(&other, "darn").await;
    let admin = Client::admin(&service);
    admin.get("set_words", json!({ "words": ["heck"] })).await;
    assert_eq!(
        bob.refused("send", text(&other, "2", "heck")).await,
        ErrorCode::BlockedText
    );
    assert_eq!(
        ann.get("words", json!({ "channel": room })).await["words"],
        json!(["Darn", "no tea"])
    );
    assert_eq!(bob.refused("words", json!({})).await, ErrorCode::Forbidden);
}

async fn reports_wait_for_moderators(database: &Database) {
    let service = start(database).await;
    let (ann, bob, room) = ann_and_bob(&service).await;
    let eve = Client::new(&service, "eve");
    let seq = bob.say(&room, "rude").await;
    let report = json!({ "channel": room, "seq": seq, "reason": "it is rude" });
    eve.get("report", report.clone()).await;
    eve.get("report", report).await;
    assert_eq!(
        eve.refused("reports", json!({ "channel": room })).await,
        ErrorCode::Forbidden
    );
    let open = ann.get("reports", json!({ "channel": room })).await;
    assert_eq!(open["reports"].as_array().unwrap().len(), 1);
    let report = &open["reports"][0];
    assert_eq!(
        (&report["by"], &report["author"], &report["text"]),
        (&json!("eve"), &json!("bob"), &json!("rude"))
    );
    let names = json!({ "eve": "EVE", "bob": "BOB" });
    assert_eq!(open["names"], names);
    let resolve = json!({ "id": report["id"], "delete": true });
    assert_eq!(
        bob.refused("resolve_report", resolve.clone()).await,
        ErrorCode::Forbidden
    );
    ann.get("resolve_report", resolve.clone()).await;
    assert_eq!(
        ann.refused("resolve_report", resolve).await,
        ErrorCode::Forbidden
    );
    assert!(
        ann.get("reports", json!({ "channel": room })).await["reports"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    let history = eve.get("history", json!({ "channel": room })).await;
    assert_eq!(history["messages"][0].get("content"), None);
    let admin = Client::admin(&service);
    assert_eq!(
        admin
            .refused("resolve_report", json!({ "id": 9_999 }))
            .await,
        ErrorCode::NotFound
    );
}

async fn everything_staff_does_is_logged(database: &Database) {
    let service = start(database).await;
    let (ann, bob, room) = ann_and_bob(&service).await;
    let mute = ann
        .get("mute", json!({ "channel": room, "user": "bob" }))
        .await;
    ann.get("lift", json!({ "id": mute["id"] })).await;
    ann.get("set_words", json!({ "channel": room, "words": [] }))
        .await;
    ann.get("update_room", json!({ "channel": room, "topic": "x" }))
        .await;
    ann.get(
        "set_role",
        json!({ "channel": room, "user": "bob", "role": "moderator" }),
    )
    .await;
    ann.get("kick", json!({ "channel": room, "user": "bob" }))
        .await;
    ann.get("ban", json!({ "channel": room, "user": "bob" }))
        .await;
    let log = ann.get("audit", json!({ "channel": room })).await;
    let entries = log["entries"].as_array().unwrap();
    let actions: Vec<_> = entries
        .iter()
        .map(|entry| entry["action"].as_str().unwrap())
        .collect();
    assert_eq!(
        actions,
        [
            "ban",
            "kick",
            "set_role",
            "update_room",
            "set_words",
            "lift",
            "mute"
        ]
    );
    assert!(
        entries
            .iter()
            .all(|entry| entry["by"] == "ann" && entry["channel"] == room.as_str())
    );
    assert_eq!(log["names"], json!({ "ann": "ANN", "bob": "BOB" }));
    let in_force = ann.get("sanctions", json!({ "channel": room })).await;
    assert_eq!(in_force["names"], json!({ "ann": "ANN", "bob": "BOB" }));
    let page = ann
        .get(
            "audit",
            json!({ "channel": room, "before": entries[4]["id"] }),
        )
        .await;
    assert_eq!(page["entries"].as_array().unwrap().len(), 2);
    assert_eq!(bob.refused("audit", json!({})).await, ErrorCode::Forbidden);
    assert_eq!(
        bob.refused("audit", json!({ "channel": room })).await,
        ErrorCode::Banned
    );
}
