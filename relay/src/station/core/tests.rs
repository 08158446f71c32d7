use super::*;
use crate::config::{Config, Station as Configured};
use crate::station::local::Publication;
use media::transcoder::Rendition as Made;
use std::time::Duration;
use wire::message::{Codec, PublishEndCode};

mod dead_air;
mod lives;
mod standing_in;

/// A core with its clock in the test's hand.
struct Scene {
    core: Core,
    now: Now,
}

impl Scene {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(configure: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        configure(&mut config);
        let now = Now {
            instant: Instant::now(),
            unix_us: 1_800_000_000_000_000,
        };
        Self {
            core: Core::new(&config, "epoch".into(), now),
            now,
        }
    }

    /// Lets time pass, waking the core when it asks to be; gives what came of it.
    fn wait(&mut self, time: Duration) -> Vec<String> {
        let end = self.now.after(time);
        while let Some(deadline) = self.core.poll_timeout().filter(|at| *at <= end.instant) {
            let step = deadline.saturating_duration_since(self.now.instant);
            self.now = self.now.after(step);
            self.core.handle_timeout(self.now);
        }
        self.now = end;
        self.effects()
    }

    /// What is to be done, in short words.
    fn effects(&mut self) -> Vec<String> {
        // What happened is told in these terms too; one test is about it alone.
        std::iter::from_fn(|| self.core.poll_effect())
            .filter(|effect| !matches!(effect, Effect::Happened(..)))
            .map(|effect| words(&effect))
            .collect()
    }

    fn publish(
        &mut self,
        owner: Owner,
        change: impl FnOnce(&mut Publication),
    ) -> Result<Published, Error> {
        let mut publication = Publication {
            station: id("demo"),
            track: TrackParams {
                codec: Codec::Opus,
                channels: 2,
                frame_us: 20_000,
                bitrate: 128_000,
            },
            name: None,
            description: None,
            metadata: None,
            takeover: false,
        };
        change(&mut publication);
        self.core.publish(owner, publication, self.now)
    }

    fn listen(&mut self, session: u64, rendition: &str) -> Option<Track> {
        let session = SessionId(session);
        let result = self
            .core
            .listen(session, &id("demo"), rendition, Duration::ZERO, self.now);
        result.unwrap().track
    }

    fn state(&self) -> StationState {
        self.core.station(&id("demo"), self.now).unwrap().state
    }
}

fn id(name: &str) -> StationId {
    name.parse().unwrap()
}

fn session(number: u64) -> Owner {
    Owner::Session(SessionId(number))
}

fn words(effect: &Effect) -> String {
    match effect {
        Effect::Tell(Audience::Session(who), _, push) => format!("tell {} {}", who.0, push.kind),
        Effect::Tell(Audience::Listeners(_), _, push) => format!("tell listeners {}", push.kind),
        Effect::Tell(Audience::Subscribers, _, push) => format!("tell all {}", push.kind),
        Effect::Counts(counts) => {
            let counts = counts
                .iter()
                .map(|(id, counts)| format!("{id}={}", counts.count));
            format!("counts {}", counts.collect::<Vec<_>>().join(" "))
        }
        Effect::Open(track, _) => format!("open {track}"),
        Effect::Make {
            track,
            from,
            rendition,
            ..
        } => {
            format!("make {} {track} from {from}", rendition.name())
        }
        Effect::Move(from, to) => format!("move {from} to {to}"),
        Effect::Close(track) => format!("close {track}"),
        Effect::Attach(who, track, _) => format!("attach {} to {track}", who.0),
        Effect::Detach(who) => format!("detach {}", who.0),
        Effect::End(_, code) => format!("end {code:?}"),
        Effect::Ring(_) => "ring".to_owned(),
        Effect::Cover(_, covered) => format!("cover {covered}"),
        Effect::AskAside(_) => "ask aside".to_owned(),
        Effect::EndCarried(_) => "end carried".to_owned(),
        Effect::Happened(_, what) => format!("happened {what:?}"),
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_station_starts_is_interrupted_resumes_and_stops() {
    let mut scene = Scene::new();
    let first = scene.publish(session(1), |_| {}).unwrap();
    assert_eq!((first.sequence, first.timestamp), (0, 0));
    assert_eq!(scene.effects(), ["open 1", "tell all started"]);
    assert!(scene.listen(2, "source").is_some());
    scene.effects();
    first.clock.passed(99, 96_000);

    scene.wait(SECOND * 5);
    scene.core.session_ended(SessionId(1), scene.now);
    assert_eq!(scene.state(), StationState::Interrupted);
    assert_eq!(
        scene.effects(),
        ["tell listeners interrupted", "tell all interrupted"]
    );
    assert!(scene.wait(SECOND * 9).is_empty());
    let second = scene.publish(session(3), |_| {}).unwrap();
    assert_eq!((second.track.id, second.sequence), (first.track.id, 100));
    assert_eq!(
        second.timestamp,
        14 * 48_000,
        "where the station's clock is now"
    );
    assert_eq!(
        scene.effects(),
        ["tell listeners resumed", "tell all resumed"]
    );

    scene.core.source_lost(second.source, scene.now);
    scene.effects();
    assert_eq!(
        scene.wait(SECOND * 10),
        ["close 1", "tell listeners stopped", "tell all stopped"]
    );
    assert_eq!(scene.state(), StationState::Offline);
    let third = scene.publish(session(3), |_| {}).unwrap();
    assert_eq!((third.track.id.number(), third.sequence), (2, 0));
    let effects = scene.effects();
    assert_eq!(
        effects,
        [
            "open 2",
            "attach 2 to 2",
            "tell 2 started",
            "tell all started"
        ]
    );
}

#[test]
fn a_late_goodbye_of_a_former_source_changes_nothing() {
    let mut scene = Scene::new();
    let first = scene.publish(session(1), |_| {}).unwrap();
    scene
        .publish(session(2), |publication| publication.takeover = true)
        .unwrap();
    scene.effects();
    scene.core.source_lost(first.source, scene.now);
    scene.core.unpublish(first.source, scene.now);
    scene.core.session_ended(SessionId(1), scene.now);
    assert_eq!(scene.state(), StationState::Live);
    assert!(scene.effects().is_empty());
    let error = scene
        .core
        .update_metadata(first.source, Metadata::default(), scene.now);
    assert_eq!(error.unwrap_err().code, ErrorCode::NotPublishing);
}

#[test]
fn a_second_source_is_refused_unless_it_takes_over() {
    let mut scene = Scene::new();
    scene.publish(session(1), |_| {}).unwrap();
    scene.effects();
    for owner in [session(2), Owner::Local] {
        let error = scene.publish(owner, |_| {}).unwrap_err();
        assert_eq!(error.code, ErrorCode::StationBusy);
    }
    assert!(scene.effects().is_empty());
    scene
        .publish(Owner::Local, |publication| publication.takeover = true)
        .unwrap();
    assert_eq!(scene.effects(), ["end TakenOver", "tell 1 publish_ended"]);
    let error = scene.publish(Owner::Local, |_| {}).unwrap_err();
    assert_eq!(
        error.code,
        ErrorCode::StationBusy,
        "two local sources are two"
    );

    let elsewhere = |publication: &mut Publication| publication.station = id("two");
    scene.publish(session(3), elsewhere).unwrap();
    let error = scene.publish(session(3), |_| {}).unwrap_err();
    assert_eq!(error.code, ErrorCode::BadRequest, "one station per session");
    let again = scene.publish(session(3), elsewhere).unwrap();
    assert_eq!(
        again.track.id.number(),
        2,
        "its own station may be announced anew"
    );
}

#[test]
fn revoked_rights_stop_the_station_at_once() {
    let mut scene = Scene::new();
    let published = scene.publish(session(1), |_| {}).unwrap();
    scene.effects();
    scene.core.revoke(published.source, scene.now);
    let ended = format!("end {:?}", PublishEndCode::Forbidden);
    let effects = scene.effects();
    let told = [
        "tell 1 publish_ended",
        "close 1",
        "tell listeners stopped",
        "tell all stopped",
    ];
    assert_eq!(effects, [&[&*ended], &told[..]].concat());
    assert_eq!(scene.state(), StationState::Offline);
}

#[test]
fn a_source_with_other_parameters_gets_another_track() {
    let mut scene = Scene::new();
    let first = scene.publish(session(1), |_| {}).unwrap();
    scene.listen(2, "source");
    scene.listen(3, "low");
    scene.core.source_lost(first.source, scene.now);
    scene.effects();
    scene
        .publish(session(1), |publication| {
            publication.track.frame_us = 10_000;
        })
        .unwrap();
    let expected = [
        "tell listeners resumed",
        "open 3",
        "move 1 to 3",
        "close 1",
        "tell 2 started",
        "tell all resumed",
    ];
    assert_eq!(scene.effects(), expected);
}

#[test]
fn renditions_are_made_while_somebody_takes_them() {
    let mut scene = Scene::new();
    scene.publish(session(1), |_| {}).unwrap();
    scene.effects();
    let track = scene.listen(2, "low").unwrap();
    assert_eq!(
        (
            track.id.number(),
            track.params.channels,
            track.params.bitrate
        ),
        (2, 1, 24_000)
    );
    let effects = scene.effects();
    assert_eq!(effects[0], "make low 2 from 1");
    assert!(effects.contains(&"attach 2 to 2".to_owned()));
    assert_eq!(scene.listen(3, "low").unwrap().id, track.id, "once for all");
    scene.listen(2, "high");
    scene.listen(3, "source");
    scene.effects();
    assert!(
        !scene
            .wait(SECOND * 4)
            .iter()
            .any(|effect| effect.starts_with("close"))
    );
    assert_eq!(
        scene.listen(4, "low").unwrap().id,
        track.id,
        "within the grace it goes on"
    );
    scene.core.unlisten(SessionId(4), scene.now);
    scene.effects();
    assert!(scene.wait(SECOND * 5).contains(&"close 2".to_owned()));
    assert_eq!(scene.listen(5, "low").unwrap().id.number(), 4);
    assert_eq!(scene.core.renditions, 2);
    let on_air = scene.core.source_of(SessionId(1)).unwrap();
    scene.core.unpublish(on_air, scene.now);
    assert_eq!(scene.core.renditions, 0);
}

#[test]
fn too_many_renditions_are_refused_and_change_nothing() {
    let mut scene = Scene::with(|config| config.limits.renditions = 1);
    scene.publish(session(1), |_| {}).unwrap();
    scene.listen(2, Made::Low.name());
    scene.effects();
    let refused = scene
        .core
        .listen(SessionId(2), &id("demo"), "high", Duration::ZERO, scene.now);
    assert_eq!(refused.unwrap_err().code, ErrorCode::Overloaded);
    assert!(scene.effects().is_empty());
    assert!(scene.listen(3, "source").is_some());
}

#[test]
fn counts_are_told_at_once_on_the_edges_and_else_once_a_second() {
    let mut scene = Scene::new();
    scene.publish(session(1), |_| {}).unwrap();
    scene.wait(SECOND * 2);
    scene.listen(10, "source");
    let effects = scene.effects();
    assert!(effects.contains(&"tell listeners listeners".to_owned()));
    assert!(effects.contains(&"counts demo=1".to_owned()));
    for number in 11..100 {
        scene.listen(number, "source");
    }
    let crowd = scene.effects();
    assert!(
        !crowd
            .iter()
            .any(|effect| effect.starts_with("counts") || effect == "tell listeners listeners")
    );
    assert_eq!(
        scene.wait(SECOND),
        ["tell listeners listeners", "counts demo=90"]
    );
    assert!(scene.wait(SECOND * 5).is_empty(), "nothing changed");
    for number in 10..100 {
        scene.core.session_ended(SessionId(number), scene.now);
    }
    scene.effects();
    assert_eq!(scene.wait(SECOND), ["counts demo=0"]);
    let station = scene.core.station(&id("demo"), scene.now).unwrap();
    assert_eq!((station.listeners, station.listeners_peak), (0, 90));
}

#[test]
fn a_title_announced_ahead_is_told_when_it_plays() {
    let mut scene = Scene::new();
    let source = scene.publish(session(1), |publication| {
        publication.metadata = Some(Metadata {
            title: "First".into(),
            ..Metadata::default()
        });
    });
    let source = source.unwrap().source;
    scene.effects();
    let next = Metadata {
        timestamp: Some(5 * 48_000),
        title: "Next".into(),
        ..Metadata::default()
    };
    scene.core.update_metadata(source, next, scene.now).unwrap();
    assert_eq!(scene.effects(), ["tell listeners metadata"]);
    let title = |scene: &Scene| {
        let station = scene.core.station(&id("demo"), scene.now).unwrap();
        station.metadata.unwrap().title
    };
    // Nothing was sent, so the station's clock counts from 10 s on.
    assert_eq!(scene.wait(SECOND * 9), ["tell all updated"]);
    assert_eq!(title(&scene), "First");
    assert_eq!(scene.wait(SECOND * 3), ["tell all updated"]);
    assert_eq!(title(&scene), "Next");
}

#[test]
fn subscribers_are_told_of_updates_at_most_once_a_second() {
    let mut scene = Scene::new();
    let source = scene.publish(session(1), |_| {}).unwrap().source;
    scene.wait(SECOND * 2);
    let mut told = Vec::new();
    for number in 0..100 {
        let title = Metadata {
            title: number.to_string(),
            ..Metadata::default()
        };
        scene
            .core
            .update_metadata(source, title, scene.now)
            .unwrap();
        told.extend(scene.wait(Duration::from_millis(50)));
    }
    let count = |what: &str| told.iter().filter(|effect| *effect == what).count();
    assert_eq!(count("tell listeners metadata"), 100);
    assert!(
        (5..=6).contains(&count("tell all updated")),
        "{}",
        count("tell all updated")
    );
}

#[test]
fn unconfigured_stations_are_forgotten_and_bounded() {
    let mut scene = Scene::with(|config| {
        config.limits.stations = 3;
        config.stations = vec![Configured {
            id: id("fixed"),
            name: Some("Fixed".into()),
            description: "always there".into(),
            rewind_minutes: None,
            dead_air: None,
            loudness: None,
        }];
    });
    let on =
        |name: &'static str| move |publication: &mut Publication| publication.station = id(name);
    let one = scene.publish(session(1), on("one")).unwrap();
    scene.publish(session(2), on("two")).unwrap();
    let error = scene.publish(session(3), on("three")).unwrap_err();
    assert_eq!(error.code, ErrorCode::Overloaded);
    scene.core.unpublish(one.source, scene.now);
    scene.publish(session(3), on("three")).unwrap();
    let names = |scene: &Scene| {
        scene
            .core
            .stations(scene.now)
            .map(|station| station.id.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&scene), ["fixed", "three", "two"], "one gave way");
    let two = scene.core.source_of(SessionId(2)).unwrap();
    scene.core.unpublish(two, scene.now);
    scene.wait(SECOND * 599);
    assert_eq!(names(&scene).len(), 3);
    scene.wait(SECOND * 2);
    assert_eq!(names(&scene), ["fixed", "three"]);
}

#[test]
fn the_state_told_fits_a_frame_with_the_most_heard_first() {
    let mut scene = Scene::new();
    for number in 0..400 {
        scene
            .publish(session(number), |publication| {
                publication.station = id(&format!("s{number}"));
                publication.description = Some("x".repeat(512));
            })
            .unwrap();
    }
    scene
        .core
        .listen(
            SessionId(1000),
            &id("s399"),
            "source",
            Duration::ZERO,
            scene.now,
        )
        .unwrap();
    let subscribed = scene
        .core
        .subscribe(SessionId(1000), None, 44 * 1024, scene.now);
    let state = subscribed.state.unwrap();
    assert!(state.get().len() <= 44 * 1024 + 10);
    let state: wire::message::StationsState = wire::frame::read(&state).unwrap();
    assert!(state.stations.len() > 40);
    assert_eq!(state.stations[0].id, id("s399"));
    let position = Some(("epoch", 0));
    assert!(
        !scene
            .core
            .subscribe(SessionId(1000), position, 44 * 1024, scene.now)
            .recovered
    );
}

#[test]
fn a_publish_that_is_over_is_forgotten() {
    let mut scene = Scene::new();
    let first = scene.publish(session(1), |_| {}).unwrap();
    assert!(scene.core.has_source(first.source));
    let taken = scene.publish(session(2), |publication| publication.takeover = true);
    let second = taken.unwrap();
    scene.core.source_lost(second.source, scene.now);
    let third = scene.publish(session(3), |_| {}).unwrap();
    scene.core.unpublish(third.source, scene.now);
    for over in [first, second, third] {
        assert!(!scene.core.has_source(over.source));
    }
}

#[test]
fn who_goes_back_is_told_what_held_then_and_all_that_came_since() {
    let mut scene = Scene::with(|config| config.rewind.minutes = 2);
    let published = scene.publish(session(1), |_| {}).unwrap();
    for title in ["first", "second", "third"] {
        let metadata = Metadata {
            title: title.into(),
            ..Metadata::default()
        };
        let told = scene
            .core
            .update_metadata(published.source, metadata, scene.now);
        told.unwrap();
        scene.wait(60 * SECOND);
    }
    let mut told = |who: u64, seconds: u32| {
        let (listener, back) = (SessionId(who), seconds * SECOND);
        let result = scene
            .core
            .listen(listener, &id("demo"), "source", back, scene.now);
        assert_eq!(result.unwrap().station.rewind_ms, 120_000);
        let mut titles = Vec::new();
        let mut begun = None;
        while let Some(effect) = scene.core.poll_effect() {
            match effect {
                Effect::Tell(Audience::Session(to), Lane::Metadata, push) if to == listener => {
                    let metadata: Metadata = wire::frame::read(&push.data).unwrap();
                    titles.push(metadata.title);
                }
                Effect::Attach(_, _, back) => begun = Some(back.map(|back| back.time)),
                _ => {}
            }
        }
        (titles, begun.unwrap())
    };
    // Three minutes on air, a title a minute.
    assert_eq!(told(2, 0), (vec!["third".to_owned()], None));
    let (titles, begun) = told(3, 90);
    assert_eq!(titles, ["second", "third"]);
    assert_eq!(begun, Some(90 * SECOND));
    let (titles, begun) = told(4, 3_600);
    assert_eq!(
        begun,
        Some(120 * SECOND),
        "no further than the station lets one"
    );
    assert_eq!(titles.len(), 2, "{titles:?}");
}
