use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config as RunnerConfig, TestRunner};
use serde_json::{Value, json};
use wire::code::ErrorCode;
use wire::frame::Request;

use super::harness::{Client, ann_and_bob, identity, start};
use crate::service::dispatch::METHODS;
use crate::service::{Config, Service};
use crate::testing::{Database, on_both};
use crate::token::Grants;

on_both!(
    no_parameters_make_it_panic,
    rates_end_a_flood,
    strange_texts_are_stored_or_refused
);

fn scalar(channel: String) -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0..5_u64).prop_map(Value::from),
        "(?s:.{0,20})".prop_map(Value::from),
        Just(Value::from("\0")),
        Just(Value::from("x".repeat(5_000))),
        Just(Value::from(channel)),
        prop::sample::select(vec![
            "ann",
            "bob",
            "room:@demo",
            "like",
            "owner",
            "inbox",
            "online",
            "demo"
        ])
        .prop_map(Value::from),
        prop::collection::vec("[a-z\\x00]{0,4}", 0..4).prop_map(Value::from),
        Just(json!({ "type": "text", "text": "hello" })),
        Just(json!({ "type": "location", "latitude": 1.5, "longitude": 1e308 })),
    ]
}

/// Parameters with the names that there are, and anything as values.
fn params(channel: &str) -> impl Strategy<Value = Value> + use<> {
    let names = vec![
        "channel",
        "user",
        "users",
        "seq",
        "text",
        "name",
        "topic",
        "client_id",
        "content",
        "reply_to",
        "thread",
        "mentions",
        "reaction",
        "on",
        "before",
        "after",
        "limit",
        "query",
        "read",
        "delivered",
        "status",
        "station",
        "kind",
        "id",
        "network",
        "duration_s",
        "reason",
        "words",
        "delete",
        "up_to",
        "seqs",
        "role",
        "private",
        "transient",
        "slow_mode_s",
        "version",
    ];
    let field = (prop::sample::select(names), scalar(channel.to_owned()));
    let channel = channel.to_owned();
    (prop::collection::vec(field, 0..10), any::<bool>()).prop_map(move |(fields, aimed)| {
        let mut params = json!({});
        if aimed {
            params["channel"] = json!(channel);
            params["seq"] = json!(2);
        }
        for (name, value) in fields {
            params[name] = value;
        }
        params
    })
}

async fn no_parameters_make_it_panic(database: &Database) {
    let service = start(database).await;
    service
        .station_started(&"demo".parse().unwrap(), "Demo", false)
        .await
        .unwrap();
    let (ann, bob, room) = ann_and_bob(&service).await;
    let admin = Client::admin(&service);
    let visitor = Client::anonymous(&service);
    ann.say(&room, "hello").await;
    let mut runner = TestRunner::new(RunnerConfig::default());
    eprintln!("seed: {:?}", runner.rng());
    for round in 0..1_500 {
        let params = params(&room).new_tree(&mut runner).unwrap().current();
        let method = METHODS[round % METHODS.len()];
        let client = [&bob, &admin, &visitor, &ann][round / METHODS.len() % 4];
        if let Err(error) = client.ask(method, params.clone()).await {
            let is_fault = matches!(
                error.code,
                ErrorCode::Internal | ErrorCode::Unavailable | ErrorCode::Unknown
            );
            assert!(!is_fault, "{method} {params}: {error:?}");
        }
        let strange = params["channel"].as_str().unwrap_or_default().to_owned();
        let request = wire::message::SubscribeParams {
            channel: strange,
            epoch: params["text"]
                .as_str()
                .map(str::to_owned)
                .filter(|text| !text.contains('\0')),
            offset: params["seq"].as_u64(),
        };
        let _ = client
            .service
            .subscribe(client.session, &request, 1_000)
            .await;
        client.service.release(client.session);
    }
    // It still works.
    let last = admin.room_of_its_own("After").await;
    admin.say(&last, "still here").await;
    assert!(
        ann.service
            .request(&ann.session, &Request::new(1, "listen", &json!({})))
            .await
            .is_none()
    );
    assert!(
        METHODS
            .iter()
            .all(|method| Service::method(method) == Some(method))
    );
}

async fn rates_end_a_flood(database: &Database) {
    let mut config = Config::new(&database.url);
    config.rates.write.burst = 10;
    config.rates.write.per_minute = 60;
    let service = std::sync::Arc::new(Service::start(&config).await.unwrap());
    let ann = Client::new(&service, "ann");
    let room = ann.room_of_its_own("Flood").await;
    let mut refused = 0;
    for number in 0..1_000 {
        let send = json!({
            "channel": room, "client_id": number.to_string(),
            "content": { "type": "text", "text": "flood" },
        });
        if let Err(error) = ann.ask("send", send).await {
            assert_eq!(
                (error.code, error.temporary),
                (ErrorCode::RateLimited, true)
            );
            assert!(error.retry_after_ms.unwrap() <= 1_000);
            refused += 1;
        }
    }
    assert!(refused >= 950, "{refused}");
    let other = Client::with(&service, Some(identity("bob", Grants::default())), 9);
    other.get("join_room", json!({ "channel": room })).await;
    other.say(&room, "unaffected").await;
}

async fn strange_texts_are_stored_or_refused(database: &Database) {
    let service = start(database).await;
    let (ann, bob, room) = ann_and_bob(&service).await;
    for (index, text) in [
        "'; DROP TABLE messages; --",
        "\\",
        "👩‍👩‍👧‍👦",
        "\u{10ffff}",
        "a\u{0}b",
        "$1",
        "%s{}",
    ]
    .iter()
    .enumerate()
    {
        ann.get(
            "send",
            json!({
                "channel": room, "client_id": format!("'{index}\""),
                "content": { "type": "text", "text": text },
            }),
        )
        .await;
    }
    let history = bob.get("history", json!({ "channel": room })).await;
    let texts: Vec<_> = history["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["content"]["text"].clone())
        .collect();
    assert_eq!(
        texts,
        [
            "'; DROP TABLE messages; --",
            "\\",
            "👩‍👩‍👧‍👦",
            "\u{10ffff}",
            "ab",
            "$1",
            "%s{}"
        ]
    );
    let too_long = json!({
        "channel": room, "client_id": "long", "content": { "type": "text", "text": "x".repeat(4_001) },
    });
    assert_eq!(ann.refused("send", too_long).await, ErrorCode::BadRequest);
}
