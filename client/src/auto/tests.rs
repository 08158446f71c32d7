use super::*;
use serde_json::{Value, json};

/// A path in virtual time: how many bits a second it carries, and what it loses by itself.
#[derive(Clone, Copy)]
struct Path {
    bits: f64,
    loss: f64,
}

fn path(kilobits: f64, loss: f64) -> Path {
    Path {
        bits: kilobits * 1000.0,
        loss,
    }
}

fn ladder() -> Vec<Rung> {
    let rung = |name: &str, bitrate| Rung {
        name: name.to_owned(),
        bitrate,
    };
    vec![
        rung("source", 128_000),
        rung("high", 128_000),
        rung("medium", 64_000),
        rung("low", 24_000),
    ]
}

/// What a second over that path looks like: 50 packets, each with 60 bytes of headers.
fn second(path: Path, bitrate: u32) -> Second {
    let wanted = f64::from(bitrate) + 50.0 * 60.0 * 8.0;
    let carried = (path.bits / wanted).min(1.0) * (1.0 - path.loss);
    let missing = (50.0 * (1.0 - carried)).round() as u64;
    Second {
        received: 50 - missing,
        missing,
        // Repair brings back what little is lost.
        concealed_ms: if missing > 5 {
            missing as f64 * 10.0
        } else {
            0.0
        },
        played_ms: 1000.0,
    }
}

/// Runs a listener over paths that change at times in seconds; answers every second's
/// numbers and what was decided.
fn run(changes: &[(u64, Path)], seconds: u64) -> Vec<Value> {
    let mut auto = Auto::new(ladder());
    (1..=seconds)
        .map(|at| {
            let (_, path) = changes.iter().rfind(|(from, _)| *from < at).unwrap();
            let seen = second(*path, auto.current().unwrap().bitrate);
            let chosen = auto.handle(at * 1000, seen).map(|rung| rung.name.clone());
            json!({
                "at_ms": at * 1000,
                "received": seen.received,
                "missing": seen.missing,
                "concealed_ms": seen.concealed_ms,
                "played_ms": seen.played_ms,
                "chosen": chosen,
            })
        })
        .collect()
}

fn moves(steps: &[Value]) -> Vec<(u64, &str)> {
    let moved = steps.iter().filter(|step| !step["chosen"].is_null());
    let told = moved.map(|step| {
        (
            step["at_ms"].as_u64().unwrap() / 1000,
            step["chosen"].as_str().unwrap(),
        )
    });
    told.collect()
}

fn scenarios() -> Vec<(&'static str, Vec<Value>)> {
    let good = path(1000.0, 0.0);
    vec![
        ("a good path", run(&[(0, good)], 60)),
        (
            "too little for the source for a while",
            run(&[(0, good), (20, path(110.0, 0.0)), (60, good)], 120),
        ),
        (
            "hardly anything",
            run(&[(0, good), (10, path(50.0, 0.0)), (20, good)], 90),
        ),
        (
            "a little too little for ever",
            run(&[(0, path(120.0, 0.0))], 600),
        ),
        (
            "loss that is the path's own",
            run(&[(0, path(1000.0, 0.15))], 120),
        ),
        (
            "loss within what repair cures",
            run(&[(0, path(1000.0, 0.04))], 60),
        ),
        (
            "an interruption",
            [
                run(&[(0, good)], 10),
                silence(11..20),
                run(&[(0, good)], 40).split_off(19),
            ]
            .concat(),
        ),
    ]
}

/// Seconds in which nothing comes, as the source is away.
fn silence(seconds: std::ops::Range<u64>) -> Vec<Value> {
    let nothing = |at: u64| {
        json!({
            "at_ms": at * 1000, "received": 0, "missing": 0,
            "concealed_ms": 120.0, "played_ms": 120.0, "chosen": null,
        })
    };
    seconds.map(nothing).collect()
}

#[test]
fn a_narrow_path_leads_down_at_once_and_up_again_later() {
    let scenarios = scenarios();
    let moves = |name: &str| {
        let found = scenarios.iter().find(|(other, _)| *other == name);
        moves(&found.unwrap().1)
    };
    assert!(moves("a good path").is_empty());
    assert!(moves("loss within what repair cures").is_empty());
    assert!(moves("an interruption").is_empty());

    let down_and_up = moves("too little for the source for a while");
    let (down, name) = down_and_up[0];
    assert!(
        (21..=24).contains(&down) && name == "medium",
        "{down_and_up:?}"
    );
    let (up, name) = *down_and_up.last().unwrap();
    assert!(
        (60..=85).contains(&up) && name == "source",
        "{down_and_up:?}"
    );

    let far = moves("hardly anything");
    assert_eq!(far[0].1, "low", "past what would not fit: {far:?}");
    let names: Vec<_> = far.iter().map(|(_, name)| *name).collect();
    assert_eq!(names, ["low", "medium", "source"], "one step up at a time");
}

#[test]
fn tries_that_fail_become_rare() {
    let scenarios = scenarios();
    let (_, steps) = &scenarios[3];
    let ups: Vec<_> = moves(steps)
        .into_iter()
        .filter(|(_, name)| *name == "source")
        .map(|(at, _)| at)
        .collect();
    assert!((2..=6).contains(&ups.len()), "in ten minutes: {ups:?}");
    let waits: Vec<_> = ups.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits.windows(2).all(|pair| pair[1] > pair[0]), "{waits:?}");
}

#[test]
fn loss_that_fewer_bytes_do_not_cure_keeps_nobody_down() {
    let scenarios = scenarios();
    let (_, steps) = &scenarios[4];
    let moves = moves(steps);
    assert!(moves.len() <= 3, "{moves:?}");
    assert_eq!(moves.last().unwrap().1, "source", "{moves:?}");
    assert!(moves.last().unwrap().0 < 40, "{moves:?}");
}

#[test]
fn what_would_hardly_take_less_is_left_out() {
    let auto = Auto::new(ladder());
    let names: Vec<_> = auto.rungs.iter().map(|rung| &*rung.name).collect();
    assert_eq!(names, ["source", "medium", "low"]);
    let mut auto = Auto::new(vec![]);
    assert!(auto.current().is_none());
    let lost = Second {
        received: 1,
        missing: 99,
        ..Second::default()
    };
    for at in 0..100 {
        assert!(auto.handle(at * 1000, lost).is_none());
    }
}

#[test]
fn what_the_relay_refuses_is_tried_again_later() {
    let mut auto = Auto::new(ladder());
    let mut asked = Vec::new();
    for at in 0..200_u64 {
        let seen = second(path(110.0, 0.0), 128_000);
        if auto.handle(at * 1000, seen).is_some() {
            asked.push(at);
            auto.refused("source", at * 1000);
            assert_eq!(auto.current().unwrap().name, "source");
        }
    }
    assert!(asked.len() > 5, "{asked:?}");
    assert!(
        asked.windows(2).all(|pair| pair[1] - pair[0] >= 4),
        "{asked:?}"
    );
}

/// Both clients decide alike. With `UPDATE_VECTORS` set the file is written anew.
#[test]
fn the_vectors_hold() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../wire/vectors/auto.json");
    let rungs = ladder()
        .into_iter()
        .map(|rung| json!({ "name": rung.name, "bitrate": rung.bitrate }));
    let rungs: Vec<_> = rungs.collect();
    let cases = scenarios()
        .into_iter()
        .map(|(name, steps)| json!({ "name": name, "rungs": rungs, "steps": steps }));
    let made = json!({ "cases": cases.collect::<Vec<_>>() });
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        let text = serde_json::to_string(&made).unwrap();
        std::fs::write(file, text.replace("{\"at_ms\"", "\n{\"at_ms\"") + "\n").unwrap();
    }
    let text = std::fs::read_to_string(file).unwrap();
    let kept: Value = serde_json::from_str(&text).unwrap();
    for case in kept["cases"].as_array().unwrap() {
        let rungs = case["rungs"].as_array().unwrap().iter();
        let mut auto = Auto::new(
            rungs
                .map(|rung| Rung {
                    name: rung["name"].as_str().unwrap().to_owned(),
                    bitrate: rung["bitrate"].as_u64().unwrap() as u32,
                })
                .collect(),
        );
        for step in case["steps"].as_array().unwrap() {
            let seen = Second {
                received: step["received"].as_u64().unwrap(),
                missing: step["missing"].as_u64().unwrap(),
                concealed_ms: step["concealed_ms"].as_f64().unwrap(),
                played_ms: step["played_ms"].as_f64().unwrap(),
            };
            let chosen = auto.handle(step["at_ms"].as_u64().unwrap(), seen);
            let chosen = chosen.map(|rung| &*rung.name);
            assert_eq!(
                chosen,
                step["chosen"].as_str(),
                "{} at {step}",
                case["name"]
            );
        }
    }
    assert_eq!(kept, made, "the file is what the scenarios make");
}
