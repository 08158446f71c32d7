use serde_json::json;
use wire::code::ErrorCode;
use wire::message::room::Role;

use super::harness::{Client, admin_grants, ann_and_bob, identity, start, state};
use crate::service::End;
use crate::testing::{Database, on_both};
use crate::token::Grants;

on_both!(
    rooms_are_made_found_joined_and_left,
    private_rooms_are_entered_by_invitation,
    transient_rooms_go_with_their_last_member,
    a_room_that_loses_its_owner_finds_another,
    roles_are_given_and_respected,
    a_station_has_a_room_that_anybody_reads,
    changes_of_a_room_are_told,
    the_kicked_get_nothing_more,
    crowded_rooms_tell_counts,
);

async fn rooms_are_made_found_joined_and_left(database: &Database) {
    let service = start(database).await;
    let (ann, bob, room) = ann_and_bob(&service).await;
    let eve = Client::new(&service, "eve");
    for number in 0..3 {
        ann.room_of_its_own(&format!("100% Jazz_{number}")).await;
    }
    let found = eve.get("rooms", json!({ "query": "tea" })).await;
    assert_eq!(found["rooms"][0]["channel"], room);
    assert_eq!(found["rooms"][0]["members"], 2);
    assert_eq!(found["rooms"][0].get("mine"), None);
    let wild = eve.get("rooms", json!({ "query": "%_" })).await;
    assert!(
        wild["rooms"].as_array().unwrap().is_empty(),
        "% and _ are letters like others"
    );
    let first = eve.get("rooms", json!({ "limit": 3 })).await;
    let rest = eve
        .get("rooms", json!({ "limit": 3, "after": first["next"] }))
        .await;
    assert_eq!(
        first["rooms"].as_array().unwrap().len() + rest["rooms"].as_array().unwrap().len(),
        4
    );
    assert_eq!(rest.get("next"), None);
    let mine = bob.get("rooms", json!({ "joined": true })).await;
    assert_eq!(mine["rooms"].as_array().unwrap().len(), 1);
    assert_eq!(mine["rooms"][0]["mine"]["role"], "member");
    ann.subscribe(&room).await;
    eve.get("join_room", json!({ "channel": room })).await;
    eve.get("join_room", json!({ "channel": room })).await;
    ann.wait_for("member_joined", |push| push["data"]["sub"] == "eve")
        .await;
    let members = ann.get("members", json!({ "channel": room })).await;
    let subs: Vec<_> = members["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| member["sub"].clone())
        .collect();
    assert_eq!(subs, ["ann", "bob", "eve"]);
    eve.get("leave_room", json!({ "channel": room })).await;
    ann.wait_for("member_left", |push| push["data"]["user"] == "eve")
        .await;
    assert_eq!(
        eve.refused("leave_room", json!({ "channel": room })).await,
        ErrorCode::NotMember
    );
    assert_eq!(ann.pushed("member_joined").len(), 1);
}

async fn private_rooms_are_entered_by_invitation(database: &Database) {
    let service = start(database).await;
    let (ann, bob, _) = ann_and_bob(&service).await;
    bob.subscribe("inbox").await;
    let made = ann
        .get("create_room", json!({ "name": "Secret", "private": true }))
        .await;
    let room = made["room"]["channel"].as_str().unwrap().to_owned();
    assert_eq!(
        bob.refused("join_room", json!({ "channel": room })).await,
        ErrorCode::UnknownRoom
    );
    assert_eq!(
        bob.refused("room", json!({ "channel": room })).await,
        ErrorCode::UnknownRoom
    );
    let found = bob.get("rooms", json!({ "query": "secret" })).await;
    assert!(found["rooms"].as_array().unwrap().is_empty());
    let invite = json!({ "channel": room, "user": "bob" });
    ann.get("invite", invite.clone()).await;
    ann.get("invite", invite).await;
    let push = bob.wait_for("notification", |_| true).await;
    assert_eq!(
        (&push["data"]["kind"], &push["data"]["channel"]),
        (&json!("invitation"), &json!(room))
    );
    assert_eq!(
        bob.refused("history", json!({ "channel": room })).await,
        ErrorCode::UnknownRoom
    );
    bob.get("join_room", json!({ "channel": room })).await;
    assert_eq!(
        bob.pushed("notification").len(),
        1,
        "a second invitation is not told"
    );
    let other = json!({ "channel": room, "user": "ann" });
    assert_eq!(bob.refused("invite", other).await, ErrorCode::Forbidden);
    bob.get("leave_room", json!({ "channel": room })).await;
    assert_eq!(
        bob.refused("join_room", json!({ "channel": room })).await,
        ErrorCode::UnknownRoom
    );
    ann.get("invite", json!({ "channel": room, "user": "bob" }))
        .await;
    bob.get("decline", json!({ "channel": room })).await;
    assert_eq!(
        bob.refused("join_room", json!({ "channel": room })).await,
        ErrorCode::UnknownRoom
    );
    let stranger = json!({ "channel": room, "user": "stranger" });
    assert_eq!(ann.refused("invite", stranger).await, ErrorCode::NotFound);
}

async fn transient_rooms_go_with_their_last_member(database: &Database) {
    let service = start(database).await;
    let ann = Client::new(&service, "ann");
    let made = ann
        .get("create_room", json!({ "name": "Party", "transient": true }))
        .await;
    let room = made["room"]["channel"].as_str().unwrap().to_owned();
    let eve = Client::new(&service, "eve");
    eve.subscribe(&room).await;
    ann.get("leave_room", json!({ "channel": room })).await;
    eve.wait_for("room_deleted", |_| true).await;
    assert_eq!(
        eve.refused("room", json!({ "channel": room })).await,
        ErrorCode::UnknownRoom
    );
    assert_eq!(service.subscribers(&room), 0);
    let lasting = ann.room_of_its_own("Lasting").await;
    ann.get("leave_room", json!({ "channel": lasting })).await;
    let back = ann.get("join_room", json!({ "channel": lasting })).await;
    assert_eq!(back["room"]["mine"]["role"], "owner");
}

async fn a_room_that_loses_its_owner_finds_another(database: &Database) {
    let service = start(database).await;
    let (ann, bob, room) = ann_and_bob(&service).await;
    let eve = Client::new(&service, "eve");
    eve.get("join_room", json!({ "channel": room })).await;
    let give = json!({ "channel": room, "user": "eve", "role": "moderator" });
    ann.get("set_role", give).await;
    ann.get("leave_room", json!({ "channel": room })).await;
    let seen = eve.get("room", json!({ "channel": room })).await;
    assert_eq!(
        (&seen["room"]["owner"], &seen["room"]["mine"]["role"]),
        (&json!("eve"), &json!("owner"))
    );
    let seen = bob.get("room", json!({ "channel": room })).await;
    assert_eq!(seen["room"]["mine"]["role"], "member");
}

async fn roles_are_given_and_respected(database: &Database) {
    let service = start(database).await;
    let (ann, bob, room) = ann_and_bob(&service).await;
    let eve = Client::new(&service, "eve");
    eve.get("join_room", json!({ "channel": room })).await;
    let role = |user: &str, role: Role| json!({ "channel": room, "user": user, "role": role });
    assert_eq!(
        bob.refused("set_role", role("eve", Role::Moderator)).await,
        ErrorCode::Forbidden
    );
    ann.get("set_role", role("bob", Role::Moderator)).await;
    ann.get("set_role", role("eve", Role::Moderator)).await;
    let kick = |user: &str| json!({ "channel": room, "user": user });
    assert_eq!(
        bob.refused("kick", kick("eve")).await,
        ErrorCode::Forbidden,
        "an equal"
    );
    assert_eq!(
        bob.refused("kick", kick("ann")).await,
        ErrorCode::Forbidden,
        "a better"
    );
    let ban = json!({ "channel": room, "user": "ann" });
    assert_eq!(bob.refused("ban", ban).await, ErrorCode::Forbidden);
    ann.get("set_role", role("bob", Role::Owner)).await;
    let seen = bob.get("room", json!({ "channel": room })).await;
    assert_eq!(
        (&seen["room"]["owner"], &seen["room"]["mine"]["role"]),
        (&json!("bob"), &json!("owner"))
    );
    let seen = ann.get("room", json!({ "channel": room })).await;
    assert_eq!(seen["room"]["mine"]["role"], "moderator");
    assert_eq!(
        ann.refused("set_role", role("bob", Role::Member)).await,
        ErrorCode::Forbidden
    );
    assert_eq!(
        bob.refused("set_role", role("nobody", Role::Member)).await,
        ErrorCode::NotFound
    );
    bob.get("kick", kick("eve")).await;
}

async fn a_station_has_a_room_that_anybody_reads(database: &Database) {
    let service = start(database).await;
    let station = "demo.fm".parse().unwrap();
    service
        .station_started(&station, "Demo FM", false)
        .await
        .unwrap();
    service
        .station_started(&station, "Demo FM 2", false)
        .await
        .unwrap();
    let room = "room:@demo.fm";
    let visitor = Client::anonymous(&service);
    let seen = state(&visitor.subscribe(room).await);
    assert_eq!(
        (&seen["room"]["kind"], &seen["room"]["name"]),
        (&json!("station"), &json!("Demo FM 2"))
    );
    let ann = Client::new(&service, "ann");
    ann.get("join_room", json!({ "channel": room })).await;
    ann.say(room, "hello").await;
    visitor
        .wait_for("message", |push| push["data"]["content"]["text"] == "hello")
        .await;
    let send =
        json!({ "channel": room, "client_id": "x", "content": { "type": "text", "text": "x" } });
    assert_eq!(visitor.refused("send", send).await, ErrorCode::Unauthorized);
    // Whoever runs the station needs no membership.
    let grants = Grants {
        publish: vec!["demo.fm".into()],
        ..Grants::default()
    };
    let dj = Client::with(&service, Some(identity("dj", grants)), 1);
    dj.say(room, "welcome").await;
    dj.get("update_room", json!({ "channel": room, "slow_mode_s": 5 }))
        .await;
    let grants = Grants {
        moderate: vec!["other".into()],
        ..Grants::default()
    };
    let other = Client::with(&service, Some(identity("other", grants)), 1);
    let mute = json!({ "channel": room, "user": "ann" });
    assert_eq!(other.refused("mute", mute).await, ErrorCode::Forbidden);
    assert_eq!(
        dj.refused("delete_room", json!({ "channel": room })).await,
        ErrorCode::BadRequest
    );
}

async fn changes_of_a_room_are_told(database: &Database) {
    let service = start(database).await;
    let (ann, bob, room) = ann_and_bob(&service).await;
    bob.subscribe(&room).await;
    let change = json!({ "channel": room, "name": " Coffee\n", "topic": "beans" });
    let after = ann.get("update_room", change).await;
    assert_eq!(after["room"]["name"], "Coffee");
    let push = bob.wait_for("room_updated", |_| true).await;
    assert_eq!(
        (&push["data"]["topic"], &push["data"]["version"]),
        (&json!("beans"), &json!(2))
    );
    assert_eq!(
        push["data"].get("mine"),
        None,
        "nobody's own part is told to all"
    );
    let follow = json!({ "channel": room, "followers_only": true });
    assert_eq!(
        ann.refused("update_room", follow).await,
        ErrorCode::BadRequest
    );
    assert_eq!(
        ann.refused("update_room", json!({ "channel": room, "name": "" }))
            .await,
        ErrorCode::BadRequest
    );
    let slow = json!({ "channel": room, "slow_mode_s": 3_601 });
    assert_eq!(
        ann.refused("update_room", slow).await,
        ErrorCode::BadRequest
    );
    bob.subscribe("inbox").await;
    ann.get("delete_room", json!({ "channel": room })).await;
    bob.wait_for("room_deleted", |push| push["channel"] == room.as_str())
        .await;
    bob.wait_for("room_deleted", |push| push["channel"] == "inbox")
        .await;
}

async fn the_kicked_get_nothing_more(database: &Database) {
    let service = start(database).await;
    let ann = Client::new(&service, "ann");
    let made = ann
        .get("create_room", json!({ "name": "Secret", "private": true }))
        .await;
    let room = made["room"]["channel"].as_str().unwrap().to_owned();
    let bob = Client::new(&service, "bob");
    bob.room_of_its_own("known").await;
    ann.get("invite", json!({ "channel": room, "user": "bob" }))
        .await;
    bob.get("join_room", json!({ "channel": room })).await;
    let phone = Client::new(&service, "bob");
    let position = bob.subscribe(&room).await;
    phone.subscribe(&room).await;
    ann.say(&room, "with bob").await;
    ann.get("kick", json!({ "channel": room, "user": "bob" }))
        .await;
    let seq = ann.say(&room, "without bob").await;
    for device in [&bob, &phone] {
        device
            .wait_for("unsubscribed", |push| {
                push["data"]["error"]["code"] == "not_member"
            })
            .await;
        assert_eq!(device.pushed("message").len(), 1);
    }
    let position = (position.epoch.as_deref().unwrap(), position.offset.unwrap());
    let refused = bob.subscribe_at(&room, Some(position)).await.unwrap_err();
    assert_eq!(
        refused.code,
        ErrorCode::UnknownRoom,
        "every resume is judged again"
    );
    let one = json!({ "channel": room, "seq": seq, "reaction": "x", "on": true });
    assert_eq!(bob.refused("react", one).await, ErrorCode::UnknownRoom);
    // A token that loses its rights loses what they gave.
    let boss = Client::with(&service, Some(identity("boss", admin_grants())), 1);
    boss.subscribe(&room).await;
    boss.service
        .identity_changed(boss.session, Some(&identity("boss", Grants::default())))
        .await;
    boss.wait_for("unsubscribed", |push| {
        push["data"]["error"]["code"] == "unknown_room"
    })
    .await;
    boss.leave(End::Orderly);
}

async fn crowded_rooms_tell_counts(database: &Database) {
    let service = start(database).await;
    let (ann, _bob, room) = ann_and_bob(&service).await;
    ann.subscribe(&room).await;
    let mut crowd = Vec::new();
    for number in 0..205 {
        let client = Client::new(&service, &format!("u{number:03}"));
        crowd.push(client);
    }
    let joins = crowd
        .iter()
        .map(|client| client.get("join_room", json!({ "channel": room })));
    futures_util::future::join_all(joins).await;
    ann.wait_for("members", |push| push["data"]["members"] == 207)
        .await;
    assert_eq!(
        ann.pushed("member_joined").len(),
        198,
        "up to 200 members each is told"
    );
    let page = ann.get("members", json!({ "channel": room })).await;
    assert_eq!(page["members"].as_array().unwrap().len(), 100);
    assert!(page["next"].is_string());
}
