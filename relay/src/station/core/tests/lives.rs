//! Random lives of stations and sessions.

use super::*;

const STATIONS: [&str; 4] = ["a", "b", "demo", "watched"];

#[test]
fn random_lives_leave_nothing_behind() {
    use rand::{Rng, SeedableRng, rngs::StdRng};
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut scene = Scene::with(|config| config.stations.push(dead_air::watched("watched")));
    for _ in 0..20_000 {
        let who = random.random_range(0..12);
        let station = STATIONS[random.random_range(0..4)];
        match random.random_range(0..9) {
            0 | 1 => {
                let _ = scene.publish(session(who), |publication| {
                    publication.station = id(station);
                    publication.takeover = random.random_bool(0.5);
                    publication.track.frame_us = if random.random_bool(0.2) {
                        10_000
                    } else {
                        20_000
                    };
                });
                if random.random_bool(0.3) {
                    let wait = random.random_bool(0.8).then_some(SECOND);
                    scene.core.set_stand_in(&id(station), wait);
                }
                if scene.core.turn(&id(station), scene.now) == Turn::Now {
                    let stand_in = scene.publish(Owner::StandIn, |publication| {
                        publication.station = id(station);
                    });
                    stand_in.expect("it is its turn");
                }
            }
            2 | 3 => {
                let rendition = ["source", "high", "low"][random.random_range(0..3)];
                let _ = scene.core.listen(
                    SessionId(who),
                    &id(station),
                    rendition,
                    Duration::ZERO,
                    scene.now,
                );
            }
            4 => {
                scene.core.unlisten(SessionId(who), scene.now);
            }
            5 => {
                if let Some(source) = scene.core.source_of(SessionId(who)) {
                    scene.core.unpublish(source, scene.now);
                }
            }
            6 => {
                if let Some(source) = scene.core.source_on(&id(station)) {
                    scene.core.dead_air(source, random.random_bool(0.7));
                }
                if let Some(stand_in) = scene.core.stand_in_on(&id(station)) {
                    scene.core.uncover(stand_in, scene.now);
                }
            }
            7 => scene.core.session_ended(SessionId(who), scene.now),
            _ => {
                scene.wait(Duration::from_millis(random.random_range(0..4_000)));
            }
        }
        check(&scene.core);
        scene.effects();
    }
    for who in 0..12 {
        scene.core.session_ended(SessionId(who), scene.now);
    }
    for station in STATIONS {
        scene.core.set_stand_in(&id(station), None);
        if let Some(source) = scene.core.stand_in_on(&id(station)) {
            scene.core.unpublish(source, scene.now);
        }
    }
    scene.wait(SECOND * 1_000);
    let core = &scene.core;
    assert_eq!(core.stations.len(), 1, "the configured one stays");
    assert!(core.sources.is_empty() && core.listening.is_empty());
    assert_eq!(core.renditions, 0);
    assert_eq!(core.poll_timeout(), None);
}

/// What always holds.
fn check(core: &Core) {
    let on_air = || {
        core.stations
            .values()
            .filter_map(|entry| entry.on_air.as_ref())
    };
    let sources = on_air().filter(|on_air| on_air.source.is_some()).count();
    let covers = on_air().filter(|on_air| on_air.cover.is_some()).count();
    assert_eq!(core.sources.len(), sources + covers);
    assert!(on_air().all(|on_air| on_air.cover.is_none() || on_air.source.is_some()));
    assert!(on_air().all(|on_air| on_air.source.is_some() != on_air.vacancy.is_some()));
    let listeners: usize = core
        .stations
        .values()
        .map(|entry| entry.listeners.len())
        .sum();
    assert_eq!(core.listening.len(), listeners);
    let made: usize = on_air().map(|on_air| on_air.ladder.len()).sum();
    assert_eq!(core.renditions, made);
}
