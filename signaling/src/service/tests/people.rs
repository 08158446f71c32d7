use serde_json::{Value, json};
use wire::code::ErrorCode;

use super::harness::{Client, ann_and_bob, start, state};
use crate::presence::GRACE;
use crate::service::End;
use crate::testing::{Database, on_both};

on_both!(
    two_users_have_one_direct_conversation,
    unread_counts_agree_on_all_devices,
    watermarks_rise_and_are_told,
    groups_are_theirs_who_are_in_them,
    deleted_conversations_come_back_with_a_message,
    lists_of_conversations_say_who_and_what,
    typing_is_told_and_wears_off,
    presence_is_for_those_who_share_a_room,
    presence_forgives_a_moment,
    what_one_says_of_oneself_is_known_on_all_devices,
    followers_hear_that_a_station_is_live,
    likes_are_counted_once_each,
    announcements_reach_whom_they_are_for,
    uploads_are_for_those_who_see_them,
    uploads_that_nothing_shows_are_forgotten,
);

async fn direct(ann: &Client, other: &str) -> String {
    let made = ann
        .get("create_conversation", json!({ "users": [other] }))
        .await;
    assert_eq!(made["room"]["kind"], "direct");
    made["room"]["channel"].as_str().unwrap().to_owned()
}

async fn two_users_have_one_direct_conversation(database: &Database) {
    let service = start(database).await;
    let (ann, bob, _) = ann_and_bob(&service).await;
    let eve = Client::new(&service, "eve");
    eve.room_of_its_own("known").await;
    let channel = direct(&ann, "bob").await;
    assert!(channel.starts_with("conversation:"));
    assert_eq!(direct(&bob, "ann").await, channel);
    assert_ne!(direct(&ann, "eve").await, channel);
    let wrong = channel.replace("conversation:", "room:");
    let refused = ann.subscribe_at(&wrong, None).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::UnknownRoom);
    for (users, code) in [
        (json!([]), ErrorCode::BadRequest),
        (json!(["ann"]), ErrorCode::BadRequest),
        (json!(["bob", "eve"]), ErrorCode::BadRequest),
        (json!(["nobody"]), ErrorCode::NotFound),
        (json!([""]), ErrorCode::BadRequest),
    ] {
        assert_eq!(
            ann.refused("create_conversation", json!({ "users": users }))
                .await,
            code
        );
    }
    assert_eq!(
        eve.refused("history", json!({ "channel": channel })).await,
        ErrorCode::UnknownRoom
    );
    let admin = Client::admin(&service);
    assert_eq!(
        admin
            .refused("history", json!({ "channel": channel }))
            .await,
        ErrorCode::UnknownRoom
    );
    assert_eq!(
        ann.refused("leave_room", json!({ "channel": channel }))
            .await,
        ErrorCode::BadRequest
    );
}

fn unread(inbox: &Value, channel: &str) -> u64 {
    let rooms = inbox["conversations"].as_array().unwrap();
    let room = rooms
        .iter()
        .find(|room| room["channel"] == channel)
        .unwrap();
    room["mine"]["unread"].as_u64().unwrap()
}

async fn lists_of_conversations_say_who_and_what(database: &Database) {
    let service = start(database).await;
    let (ann, bob, _) = ann_and_bob(&service).await;
    let mut users = vec!["bob".to_owned()];
    for number in 1..=5 {
        let sub = format!("user{number}");
        Client::new(&service, &sub).room_of_its_own("known").await;
        users.push(sub);
    }
    let two = direct(&ann, "bob").await;
    let group = json!({ "users": users, "name": "Seven" });
    let group = ann.get("create_conversation", group).await["room"]["channel"].clone();
    bob.say(&two, "first").await;
    let long = bob.say(&two, &"word ".repeat(200)).await;
    let listed = ann.get("conversations", json!({})).await;
    let inbox = state(&ann.subscribe("inbox").await);
    for rooms in [&listed["rooms"], &inbox["conversations"]] {
        assert_eq!(rooms[0]["channel"], two.as_str());
        assert_eq!(rooms[0]["others"], json!([{ "sub": "bob", "name": "BOB" }]));
        assert_eq!(rooms[0]["latest"]["seq"], long);
        let text = rooms[0]["latest"]["content"]["text"].as_str().unwrap();
        assert_eq!(text.chars().count(), 140);
        assert_eq!(rooms[1]["channel"], group);
        assert_eq!(rooms[1]["others"].as_array().unwrap().len(), 4);
        assert_eq!(rooms[1].get("latest"), None);
    }
    let page = ann.get("conversations", json!({ "limit": 1 })).await;
    let rest = json!({ "after": page["next"] });
    let rest = ann.get("conversations", rest).await;
    assert_eq!(rest["rooms"].as_array().unwrap().len(), 1);
    assert_eq!(rest["rooms"][0]["others"].as_array().unwrap().len(), 4);
    // A room elsewhere says neither.
    let alone = ann.get("room", json!({ "channel": two })).await;
    assert_eq!(alone["room"].get("others"), None);
}

async fn unread_counts_agree_on_all_devices(database: &Database) {
    let service = start(database).await;
    let (ann, bob, _) = ann_and_bob(&service).await;
    let channel = direct(&ann, "bob").await;
    let phone = Client::new(&service, "bob");
    bob.subscribe("inbox").await;
    phone.subscribe("inbox").await;
    let mut seqs = Vec::new();
    for number in 0..5 {
        seqs.push(ann.say(&channel, &number.to_string()).await);
    }
    for device in [&bob, &phone] {
        let push = device
            .wait_for("conversation", |push| push["data"]["unread"] == 5)
            .await;
        assert_eq!(push["data"]["message"]["content"]["text"], "4");
        assert_eq!(
            device.pushed("notification").len(),
            1,
            "one for the run, not one each"
        );
    }
    let marked = bob
        .get("mark", json!({ "channel": channel, "read": seqs[2] }))
        .await;
    assert_eq!(
        marked,
        json!({ "delivered": seqs[2], "read": seqs[2], "unread": 2 })
    );
    phone
        .wait_for("conversation", |push| push["data"]["unread"] == 2)
        .await;
    ann.get("delete", json!({ "channel": channel, "seq": seqs[4] }))
        .await;
    let third = Client::new(&service, "bob");
    assert_eq!(unread(&state(&third.subscribe("inbox").await), &channel), 1);
    bob.get("mark", json!({ "channel": channel, "read": u64::MAX }))
        .await;
    phone
        .wait_for("conversation", |push| push["data"]["unread"] == 0)
        .await;
    phone.wait_for("notifications_read", |_| true).await;
    let fourth = Client::new(&service, "bob");
    let inbox = state(&fourth.subscribe("inbox").await);
    assert_eq!((unread(&inbox, &channel), &inbox["unread"]), (0, &json!(0)));
    bob.say(&channel, "answer").await;
    assert_eq!(
        unread(&state(&fourth.subscribe("inbox").await), &channel),
        0,
        "one's own are read"
    );
    // Rooms count when asked.
    let room = bob.room_of_its_own("Count").await;
    ann.get("join_room", json!({ "channel": room })).await;
    bob.say(&room, "one").await;
    let second = bob.say(&room, "two").await;
    let seen = ann.get("room", json!({ "channel": room })).await;
    assert_eq!(seen["room"]["mine"]["unread"], 2);
    ann.get("mark", json!({ "channel": room, "read": second }))
        .await;
    let seen = ann.get("room", json!({ "channel": room })).await;
    assert_eq!(seen["room"]["mine"]["unread"], 0);
}

async fn watermarks_rise_and_are_told(database: &Database) {
    let service = start(database).await;
    let (ann, bob, _) = ann_and_bob(&service).await;
    let channel = direct(&ann, "bob").await;
    ann.subscribe(&channel).await;
    let first = ann.say(&channel, "one").await;
    let second = ann.say(&channel, "two").await;
    let mark = |params: Value| {
        let mut all = json!({ "channel": channel });
        all.as_object_mut()
            .unwrap()
            .extend(params.as_object().unwrap().clone());
        all
    };
    bob.get("mark", mark(json!({ "delivered": second }))).await;
    ann.wait_for("receipts", |push| {
        push["data"]["marks"]["bob"] == json!({ "delivered": second, "read": 0 })
    })
    .await;
    bob.get("mark", mark(json!({ "read": first }))).await;
    ann.wait_for("receipts", |push| {
        push["data"]["marks"]["bob"] == json!({ "delivered": second, "read": first })
    })
    .await;
    let down = bob
        .get("mark", mark(json!({ "read": 0, "delivered": 1 })))
        .await;
    assert_eq!(
        down,
        json!({ "delivered": second, "read": first, "unread": 1 })
    );
    let participants = state(&ann.subscribe(&channel).await)["participants"].clone();
    assert_eq!(
        participants[1],
        json!({
            "sub": "bob", "name": "BOB", "role": "member", "delivered": second, "read": first,
        })
    );
}

async fn groups_are_theirs_who_are_in_them(database: &Database) {
    let service = start(database).await;
    let (ann, bob, _) = ann_and_bob(&service).await;
    let eve = Client::new(&service, "eve");
    eve.room_of_its_own("known").await;
    eve.subscribe("inbox").await;
    let made = ann
        .get(
            "create_conversation",
            json!({ "users": ["bob"], "name": "Trip" }),
        )
        .await;
    let channel = made["room"]["channel"].as_str().unwrap().to_owned();
    assert_eq!(made["room"]["kind"], "group");
    bob.say(&channel, "hi").await;
    bob.get("invite", json!({ "channel": channel, "user": "eve" }))
        .await;
    eve.wait_for("conversation", |push| {
        push["data"]["channel"] == channel.as_str()
    })
    .await;
    eve.subscribe(&channel).await;
    let seen = eve.get("room", json!({ "channel": channel })).await;
    assert_eq!(
        seen["room"]["mine"]["unread"], 0,
        "what was said before is not new to one"
    );
    eve.get("delete_conversation", json!({ "channel": channel }))
        .await;
    eve.wait_for("conversation_deleted", |_| true).await;
    let list = eve.get("conversations", json!({})).await;
    assert!(list["rooms"].as_array().unwrap().is_empty());
    ann.get("kick", json!({ "channel": channel, "user": "eve" }))
        .await;
    eve.wait_for("unsubscribed", |_| true).await;
    eve.wait_for("conversation_deleted", |_| {
        eve.pushed("conversation_deleted").len() == 2
    })
    .await;
    bob.subscribe("inbox").await;
    ann.get("delete_conversation", json!({ "channel": channel }))
        .await;
    bob.wait_for("conversation_deleted", |push| {
        push["data"]["channel"] == channel.as_str()
    })
    .await;
    assert_eq!(
        bob.refused("history", json!({ "channel": channel })).await,
        ErrorCode::UnknownRoom
    );
}

async fn deleted_conversations_come_back_with_a_message(database: &Database) {
    let service = start(database).await;
    let (ann, bob, _) = ann_and_bob(&service).await;
    let channel = direct(&ann, "bob").await;
    let count = async |client: &Client| {
        let list = client.get("conversations", json!({})).await;
        list["rooms"].as_array().unwrap().len()
    };
    ann.say(&channel, "hi").await;
    bob.get("delete_conversation", json!({ "channel": channel }))
        .await;
    assert_eq!((count(&ann).await, count(&bob).await), (1, 0));
    ann.say(&channel, "again").await;
    let list = bob.get("conversations", json!({})).await;
    assert_eq!(list["rooms"][0]["mine"]["unread"], 1);
    for number in 0..5 {
        ann.get(
            "create_conversation",
            json!({ "users": ["bob"], "name": number.to_string() }),
        )
        .await;
    }
    let mut names = Vec::new();
    let mut after = Value::Null;
    loop {
        let page = bob
            .get("conversations", json!({ "limit": 2, "after": after }))
            .await;
        names.extend(
            page["rooms"]
                .as_array()
                .unwrap()
                .iter()
                .map(|room| room["name"].clone()),
        );
        let Some(next) = page.get("next") else { break };
        after = next.clone();
    }
    assert_eq!(names, ["4", "3", "2", "1", "0", ""]);
    let bad = json!({ "after": "not a cursor" });
    assert_eq!(
        bob.refused("conversations", bad).await,
        ErrorCode::BadRequest
    );
}

async fn typing_is_told_and_wears_off(database: &Database) {
    let service = start(database).await;
    let (ann, bob, room) = ann_and_bob(&service).await;
    ann.subscribe(&room).await;
    bob.get("typing", json!({ "channel": room })).await;
    let push = ann.wait_for("typing", |_| true).await;
    assert_eq!(
        push["data"]["users"],
        json!([{ "sub": "bob", "name": "BOB" }])
    );
    assert_eq!(push.get("offset"), None);
    bob.say(&room, "done").await;
    ann.wait_for("typing", |push| push["data"]["users"] == json!([]))
        .await;
    bob.get("typing", json!({ "channel": room })).await;
    service.shared.clock.advance(6_000_000);
    service.shared.due.notify_one();
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while ann.pushed("typing").last().unwrap()["data"]["users"] != json!([]) {
        assert!(std::time::Instant::now() < until, "typing never wore off");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(ann.pushed("typing").len(), 4);
}

async fn presence_is_for_those_who_share_a_room(database: &Database) {
    let service = start(database).await;
    let (ann, bob, room) = ann_and_bob(&service).await;
    let eve = Client::new(&service, "eve");
    let seen = state(&ann.subscribe("presence").await);
    assert_eq!(seen["users"]["bob"]["status"], "online");
    assert_eq!(seen["users"].get("eve"), None);
    assert_eq!(seen["users"]["ann"]["status"], "online", "one sees oneself");
    eve.subscribe("presence").await;
    bob.get("set_presence", json!({ "status": "away", "text": "lunch" }))
        .await;
    let push = ann
        .wait_for("presence", |push| push["data"]["status"] == "away")
        .await;
    assert_eq!(
        (&push["data"]["user"], &push["data"]["text"]),
        (&json!("bob"), &json!("lunch"))
    );
    assert!(
        eve.pushed("presence").is_empty(),
        "eve shares nothing with bob"
    );
    let asked = eve
        .get("presence", json!({ "users": ["ann", "bob"] }))
        .await;
    assert_eq!(asked["users"], json!({}));
    eve.get("join_room", json!({ "channel": room })).await;
    ann.wait_for("presence", |push| push["data"]["user"] == "eve")
        .await;
    eve.wait_for("presence", |push| push["data"]["user"] == "bob")
        .await;
    eve.get("leave_room", json!({ "channel": room })).await;
    eve.wait_for("presence", |_| true).await;
    let asked = ann
        .get("presence", json!({ "users": ["bob", "eve"] }))
        .await;
    assert_eq!(asked["users"]["bob"]["text"], "lunch");
    assert_eq!(asked["users"].get("eve"), None);
    let refused = bob
        .refused("set_presence", json!({ "status": "offline" }))
        .await;
    assert_eq!(refused, ErrorCode::BadRequest);
}

async fn what_one_says_of_oneself_is_known_on_all_devices(database: &Database) {
    let service = start(database).await;
    let (phone, desk) = (Client::new(&service, "ann"), Client::new(&service, "ann"));
    desk.subscribe("presence").await;
    phone
        .get("set_presence", json!({ "status": "away", "text": "lunch" }))
        .await;
    let push = desk
        .wait_for("presence", |push| push["data"]["status"] == "away")
        .await;
    assert_eq!(push["data"]["user"], "ann");
    // A page that is loaded anew ends its session properly, and is back at once.
    phone.leave(End::Orderly);
    desk.leave(End::Orderly);
    let again = Client::new(&service, "ann");
    let seen = state(&again.subscribe("presence").await);
    assert_eq!(seen["users"]["ann"]["text"], "lunch");
    again.leave(End::Orderly);
    service.shared.clock.advance(GRACE + 1);
    let later = Client::new(&service, "ann");
    let seen = state(&later.subscribe("presence").await);
    assert_eq!(seen["users"]["ann"]["status"], "online");
}

async fn presence_forgives_a_moment(database: &Database) {
    let service = start(database).await;
    let (ann, bob, _room) = ann_and_bob(&service).await;
    ann.subscribe("presence").await;
    bob.leave(End::Abrupt);
    let bob = Client::new(&service, "bob");
    ann.wait_for("presence", |push| push["data"]["devices"] == 1)
        .await;
    bob.leave(End::Abrupt);
    service.shared.clock.advance(GRACE);
    service.shared.due.notify_one();
    ann.wait_for("presence", |push| push["data"]["status"] == "offline")
        .await;
    assert_eq!(
        ann.pushed("presence")
            .iter()
            .filter(|push| push["data"]["status"] == "offline")
            .count(),
        1
    );
    // Last seen is kept for those who ask later.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        service.shared.clock.advance(1_000_000);
        service.shared.due.notify_one();
        let asked = ann.get("presence", json!({ "users": ["bob"] })).await;
        assert_eq!(asked["users"]["bob"]["status"], "offline");
        if asked["users"]["bob"]["last_seen"].is_u64() {
            break;
        }
        assert!(
            std::time::Instant::now() < until,
            "last seen was never kept"
        );
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

async fn followers_hear_that_a_station_is_live(database: &Database) {
    let service = start(database).await;
    let station = "demo".parse().unwrap();
    let ann = Client::new(&service, "ann");
    let follow = json!({ "station": "demo", "kind": "follow", "on": true });
    assert_eq!(
        ann.refused("interact", follow.clone()).await,
        ErrorCode::UnknownStation
    );
    service
        .station_started(&station, "Demo", true)
        .await
        .unwrap();
    ann.subscribe("inbox").await;
    ann.get("interact", follow).await;
    service
        .station_started(&station, "Demo", true)
        .await
        .unwrap();
    let push = ann.wait_for("notification", |_| true).await;
    assert_eq!(
        (&push["data"]["kind"], &push["data"]["name"]),
        (&json!("station_live"), &json!("Demo"))
    );
    assert_eq!(
        ann.get("favourites", json!({})).await["follows"],
        json!(["demo"])
    );
}

async fn likes_are_counted_once_each(database: &Database) {
    let service = start(database).await;
    service
        .station_started(&"demo".parse().unwrap(), "Demo", false)
        .await
        .unwrap();
    let ann = Client::new(&service, "ann");
    let bob = Client::new(&service, "bob");
    let visitor = Client::anonymous(&service);
    visitor.subscribe("room:@demo").await;
    let like = |on: bool| json!({ "station": "demo", "kind": "like", "on": on });
    ann.get("interact", like(true)).await;
    ann.get("interact", like(true)).await;
    let counted = bob.get("interact", like(true)).await;
    assert_eq!(
        (&counted["likes"], &counted["version"], &counted["mine"]),
        (&json!(2), &json!(2), &json!(["like"]))
    );
    visitor
        .wait_for("interactions", |push| push["data"]["likes"] == 2)
        .await;
    assert_eq!(ann.get("interact", like(false)).await["likes"], 1);
    assert_eq!(ann.get("interact", like(false)).await["likes"], 1);
    let seen = visitor
        .get("interactions", json!({ "station": "demo" }))
        .await;
    assert_eq!((&seen["likes"], &seen["mine"]), (&json!(1), &json!([])));
    assert_eq!(
        visitor.refused("interact", like(true)).await,
        ErrorCode::Unauthorized
    );
    let unshare = json!({ "station": "demo", "kind": "share", "on": false });
    assert_eq!(
        ann.refused("interact", unshare).await,
        ErrorCode::BadRequest
    );
}

async fn announcements_reach_whom_they_are_for(database: &Database) {
    let service = start(database).await;
    service
        .station_started(&"demo".parse().unwrap(), "Demo", false)
        .await
        .unwrap();
    let admin = Client::admin(&service);
    let (ann, bob, room) = ann_and_bob(&service).await;
    ann.get(
        "interact",
        json!({ "station": "demo", "kind": "follow", "on": true }),
    )
    .await;
    ann.subscribe("inbox").await;
    bob.subscribe("inbox").await;
    bob.subscribe(&room).await;
    bob.subscribe("room:@demo").await;
    assert_eq!(
        ann.refused("announce", json!({ "text": "x" })).await,
        ErrorCode::Forbidden
    );
    admin
        .get(
            "announce",
            json!({ "text": "to the room", "channel": room }),
        )
        .await;
    bob.wait_for("message", |push| {
        push["data"]["content"] == json!({ "type": "system", "text": "to the room" })
    })
    .await;
    admin
        .get(
            "announce",
            json!({ "text": "to followers", "station": "demo" }),
        )
        .await;
    bob.wait_for("message", |push| {
        push["data"]["content"]["text"] == "to followers"
    })
    .await;
    ann.wait_for("notification", |push| {
        push["data"]["text"] == "to followers"
    })
    .await;
    admin.get("announce", json!({ "text": "to all" })).await;
    for client in [&ann, &bob] {
        client
            .wait_for("notification", |push| push["data"]["text"] == "to all")
            .await;
    }
    assert_eq!(bob.pushed("notification").len(), 1);
}

async fn uploads_are_for_those_who_see_them(database: &Database) {
    let service = start(database).await;
    let (ann, bob, _) = ann_and_bob(&service).await;
    let channel = direct(&ann, "bob").await;
    let caller = |client: &Client| service.shared.hub.caller(client.session.0).unwrap();
    let upload = crate::store::Upload {
        id: String::new(),
        owner: String::new(),
        content_type: "audio/ogg".into(),
        bytes: 1_000,
        sha256: "00".repeat(32),
        name: "voice.ogg".into(),
    };
    let upload = service.add_upload(&caller(&ann), upload).await.unwrap();
    let send = |id: &str| {
        json!({
            "channel": channel, "client_id": id,
            "content": { "type": "media", "upload": upload.id, "kind": "voice", "duration_ms": 900 },
        })
    };
    let found = async |client: &Client| service.upload(&caller(client), &upload.id).await.is_ok();
    let eve = Client::new(&service, "eve");
    assert!(found(&ann).await && !found(&bob).await);
    assert_eq!(
        bob.refused("send", send("b")).await,
        ErrorCode::NotFound,
        "it is ann's"
    );
    let seq = ann.get("send", send("a")).await["seq"].clone();
    assert!(found(&bob).await && !found(&eve).await && !found(&Client::anonymous(&service)).await);
    ann.get("delete", json!({ "channel": channel, "seq": seq }))
        .await;
    assert!(!found(&bob).await);
    let huge = crate::store::Upload {
        bytes: 1 << 30,
        ..upload.clone()
    };
    let refused = service.add_upload(&caller(&ann), huge).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::LimitReached);
}

async fn uploads_that_nothing_shows_are_forgotten(database: &Database) {
    let service = start(database).await;
    let (ann, _, room) = ann_and_bob(&service).await;
    let caller = service.shared.hub.caller(ann.session.0).unwrap();
    let add = async |hash: &str| {
        let upload = crate::store::Upload {
            id: String::new(),
            owner: String::new(),
            content_type: "image/png".into(),
            bytes: 9,
            sha256: hash.into(),
            name: String::new(),
        };
        service.add_upload(&caller, upload).await.unwrap().id
    };
    let (shown, _unused, _twice) = (add("aa").await, add("bb").await, add("cc").await);
    let send = json!({
        "channel": room, "client_id": "1",
        "content": { "type": "media", "upload": shown, "kind": "image" },
    });
    let seq = ann.get("send", send).await["seq"].clone();
    let forget = async || {
        let retention = crate::store::Retention::default();
        let now = service.shared.clock.now();
        service.shared.store.forget(retention, now).await.unwrap();
        service.unused_files().await.unwrap()
    };
    assert_eq!(forget().await, [], "they are of today");
    service.shared.clock.advance(2 * 86_400_000_000);
    let _again = add("cc").await;
    let gone = forget().await;
    assert_eq!(gone, [("bb".into(), false), ("cc".into(), true)]);
    let files = gone.into_iter().map(|(sha256, _)| sha256).collect();
    service.files_settled(files).await.unwrap();
    assert_eq!(forget().await, []);
    // Files from before: one that is shown, one that an upload has, two that nobody knows.
    let found = ["aa", "cc", "ee", "ff"].map(String::from);
    assert_eq!(service.note_stray_files(&found).await.unwrap(), 2);
    assert_eq!(
        service.note_stray_files(&found).await.unwrap(),
        0,
        "they are noted"
    );
    assert_eq!(forget().await, [], "not before a day is over");
    service.shared.clock.advance(86_400_000_000);
    let _back = add("ff").await;
    let gone = forget().await;
    assert_eq!(
        gone,
        [
            ("ee".into(), false),
            ("ff".into(), true),
            ("cc".into(), false)
        ]
    );
    let files = gone.into_iter().map(|(sha256, _)| sha256).collect();
    service.files_settled(files).await.unwrap();
    // A message that is deleted shows it no more.
    ann.get("delete", json!({ "channel": room, "seq": seq }))
        .await;
    assert_eq!(forget().await, [("aa".into(), false)]);
}
