use super::*;
use crate::gate::{Rights, Stations};
use serde_json::json;

const START_S: u64 = 1_800_000_000;

fn start() -> Now {
    Now {
        instant: Instant::now(),
        unix_us: START_S * 1_000_000,
    }
}

fn core(now: Now) -> Core {
    Core::new(Arc::default(), now)
}

fn greeted(now: Now, identity: Option<Identity>) -> Core {
    let mut core = core(now);
    core.greeted(identity);
    core
}

fn identity(sub: &str, station: &str, lasts: u64) -> Identity {
    let stations = [station.parse().unwrap()];
    Identity {
        sub: sub.into(),
        name: None,
        token_id: None,
        expires_at: START_S + lasts,
        rights: Rights {
            publish: Stations::Only(stations.into()),
            ..Rights::default()
        },
    }
}

fn frame(method: &str, params: serde_json::Value) -> Vec<u8> {
    json!({ "id": 1, "method": method, "params": params })
        .to_string()
        .into()
}

fn ping(core: &mut Core, now: Now) -> Verdict {
    core.handle_frame(&frame("ping", json!({})), now)
}

fn error_of(verdict: Verdict) -> ErrorCode {
    match verdict {
        Verdict::Reply(reply) => reply.result.unwrap_err().code,
        other => panic!("{other:?}"),
    }
}

fn end_of(due: Option<Due>) -> CloseCode {
    match due {
        Some(Due::End(end)) => end.code,
        other => panic!("{other:?}"),
    }
}

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn hello_has_ten_seconds() {
    let now = start();
    let mut core = core(now);
    assert_eq!(core.poll_timeout(now), now.instant + ms(10_000));
    assert_eq!(core.handle_timeout(now.after(ms(9_999))), None);
    assert_eq!(
        error_of(ping(&mut core, now.after(ms(9_999)))),
        ErrorCode::HelloRequired
    );
    let end = core.handle_timeout(now.after(ms(10_000)));
    assert_eq!(end_of(end), CloseCode::HelloTimeout);
}

#[test]
fn silence_ends_after_three_ping_intervals() {
    let now = start();
    let mut core = greeted(now, None);
    assert!(matches!(
        ping(&mut core, now.after(ms(20_000))),
        Verdict::Reply(_)
    ));
    assert_eq!(core.handle_timeout(now.after(ms(49_999))), None);
    assert_eq!(core.poll_timeout(now), now.instant + ms(50_000));
    assert_eq!(
        end_of(core.handle_timeout(now.after(ms(50_000)))),
        CloseCode::IdleTimeout
    );
}

#[test]
fn a_token_ends_the_session_with_its_second() {
    let now = start();
    let mut core = greeted(now, Some(identity("ann", "demo", 15)));
    assert_eq!(core.poll_timeout(now), now.instant + ms(15_000));
    assert_eq!(core.handle_timeout(now.after(ms(14_999))), None);
    assert_eq!(
        end_of(core.handle_timeout(now.after(ms(15_000)))),
        CloseCode::TokenExpired
    );
    match ping(&mut core, now.after(ms(15_000))) {
        Verdict::End(end) => assert_eq!(end.code, CloseCode::TokenExpired),
        other => panic!("no request outlives the token: {other:?}"),
    }

    let mut core = greeted(now, Some(identity("ann", "demo", 15)));
    assert_eq!(core.authenticated(identity("ann", "demo", 60)), Ok(false));
    assert_eq!(core.handle_timeout(now.after(ms(15_000))), None);
    let ages = Identity {
        expires_at: u64::MAX,
        ..identity("ann", "demo", 0)
    };
    core.authenticated(ages).unwrap();
    assert_eq!(core.poll_timeout(now), now.instant + ms(30_000));
}

#[test]
fn a_token_of_another_user_is_refused_and_rights_may_be_lost() {
    let now = start();
    let mut core = greeted(now, Some(identity("ann", "demo", 60)));
    core.publishing(Some("demo".parse().unwrap()), now);
    let error = core.authenticated(identity("bob", "demo", 60)).unwrap_err();
    assert_eq!(error.code, ErrorCode::Forbidden);
    assert_eq!(core.authenticated(identity("ann", "other", 60)), Ok(true));
    let publish = json!({
        "station": "demo",
        "track": { "codec": "opus", "channels": 2, "frame_us": 20_000, "bitrate": 64_000 },
    });
    let verdict = core.handle_frame(&frame("publish", publish.clone()), now);
    assert_eq!(error_of(verdict), ErrorCode::Forbidden);
    let error = greeted(now, None)
        .authenticated(identity("ann", "demo", 60))
        .unwrap_err();
    assert_eq!(
        error.code,
        ErrorCode::Forbidden,
        "nobody does not become somebody"
    );
    let verdict = greeted(now, None).handle_frame(&frame("publish", publish), now);
    assert_eq!(error_of(verdict), ErrorCode::Unauthorized);
}

#[test]
fn a_source_is_reported_to_every_two_seconds_until_it_stops() {
    let now = start();
    let mut core = greeted(now, Some(identity("ann", "demo", 600)));
    core.publishing(Some("demo".parse().unwrap()), now);
    assert_eq!(core.poll_timeout(now), now.instant + ms(2_000));
    assert_eq!(core.handle_timeout(now.after(ms(2_000))), Some(Due::Report));
    assert_eq!(core.handle_timeout(now.after(ms(2_000))), None);
    assert_eq!(core.handle_timeout(now.after(ms(4_000))), Some(Due::Report));
    core.publishing(None, now);
    assert_eq!(core.handle_timeout(now.after(ms(6_000))), None);
}

#[test]
fn fifty_requests_a_second_for_ever_and_a_hundred_at_once() {
    let now = start();
    let mut core = greeted(now, None);
    let answered = |core: &mut Core, now| match ping(core, now) {
        Verdict::Reply(reply) => reply.result.is_ok(),
        other => panic!("{other:?}"),
    };
    assert_eq!((0..150).filter(|_| answered(&mut core, now)).count(), 100);
    let mut steady = greeted(now, None);
    assert!((0..10_000).all(|n| answered(&mut steady, now.after(ms(n * 20)))));
    let mut twice = greeted(now, None);
    let refused = (0..6_000)
        .filter(|n| !answered(&mut twice, now.after(ms(n * 10))))
        .count();
    assert!(
        (2_800..3_000).contains(&refused),
        "limited, never ended: {refused}"
    );
}

#[test]
fn far_too_many_requests_end_it() {
    let now = start();
    let mut core = greeted(now, None);
    let ends = |n: &u64| matches!(ping(&mut core, now.after(ms(*n))), Verdict::End(_));
    let ended_after = (0..1_000).find(ends);
    assert!(
        ended_after.is_some_and(|millis| millis < 500),
        "{ended_after:?}"
    );
}

#[test]
fn metadata_is_limited_more_tightly() {
    let now = start();
    let mut core = greeted(now, Some(identity("ann", "demo", 600)));
    let title = frame("update_metadata", json!({ "metadata": { "title": "x" } }));
    let mut asked = 0;
    while let Verdict::Ask(1, Ask::UpdateMetadata(_)) = core.handle_frame(&title, now) {
        asked += 1;
    }
    assert_eq!(asked, 20);
    assert_eq!(
        error_of(core.handle_frame(&title, now)),
        ErrorCode::RateLimited
    );
    assert!(matches!(ping(&mut core, now), Verdict::Reply(reply) if reply.result.is_ok()));
}

#[test]
fn any_bytes_have_a_verdict() {
    use rand::{Rng, SeedableRng, rngs::StdRng};
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let now = start();
    let whole = frame("listen", json!({ "station": "demo", "rendition": "low" }));
    for step in 0..20_000 {
        let mut bytes = whole.clone();
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(0..bytes.len());
            bytes[at] ^= 1 << random.random_range(0..8);
        }
        bytes.truncate(random.random_range(0..=bytes.len()));
        // Whatever it is, it is judged; a fresh core each time keeps rates out of it.
        greeted(now, None).handle_frame(&bytes, now.after(ms(step)));
    }
}

#[test]
fn errors_do_not_echo_what_they_are_about_at_length() {
    let now = start();
    let mut core = greeted(now, Some(identity("ann", "demo", 600)));
    let noise = "\u{1}<".repeat(8_000);
    for (method, params) in [
        (
            "publish",
            json!({ "station": "demo", "track": { "codec": noise } }),
        ),
        (&*noise, json!({})),
    ] {
        match core.handle_frame(&frame(method, params), now) {
            Verdict::Reply(reply) => assert!(reply.encode().len() < 1_000),
            Verdict::Ask(_, Ask::Other(request)) => {
                assert!(unknown_method(&request).encode().len() < 1_000);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn more_subscriptions_than_allowed_are_refused_as_a_whole() {
    let now = start();
    let hello = |count| {
        let subscriptions = vec![json!({ "channel": "stations" }); count];
        frame(
            "hello",
            json!({ "protocol": 1, "subscriptions": subscriptions }),
        )
    };
    let verdict = core(now).handle_frame(&hello(65), now);
    assert_eq!(error_of(verdict), ErrorCode::TooManySubscriptions);
    assert!(matches!(
        core(now).handle_frame(&hello(64), now),
        Verdict::Ask(1, Ask::Hello(_))
    ));
}
