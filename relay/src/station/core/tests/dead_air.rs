//! Silence of a live source.

use super::*;
use crate::config::DeadAir;

/// A station whose stand-in plays over silence.
pub(super) fn watched(name: &str) -> Configured {
    Configured {
        id: id(name),
        name: Some("Demo".into()),
        description: String::new(),
        rewind_minutes: None,
        loudness: None,
        dead_air: Some(DeadAir {
            below_dbfs: -50.0,
            after: SECOND,
            fallback: true,
        }),
    }
}

fn titled(title: &str) -> Metadata {
    Metadata {
        title: title.into(),
        ..Metadata::default()
    }
}

impl Scene {
    fn title(&self) -> String {
        let station = self.core.station(&id("demo"), self.now).unwrap();
        station.metadata.unwrap().title
    }
}

#[test]
fn a_stand_in_plays_over_a_source_that_is_silent() {
    let mut scene = Scene::with(|config| config.stations.push(watched("demo")));
    let demo = id("demo");
    scene.core.set_stand_in(&demo, Some(SECOND));
    let live = scene
        .publish(session(1), |publication| {
            publication.metadata = Some(titled("Live"));
        })
        .unwrap();
    scene.effects();
    scene.core.dead_air(live.source, true);
    assert_eq!(scene.effects(), ["tell listeners dead_air", "ring"]);
    assert_eq!(scene.core.is_silent(&demo), Some(true));
    scene.core.dead_air(live.source, true);
    assert_eq!(scene.effects(), [""; 0], "told once");
    assert_eq!(scene.core.turn(&demo, scene.now), Turn::Now);
    let cover = scene
        .publish(Owner::StandIn, |publication| {
            publication.metadata = Some(titled("A song"));
        })
        .unwrap();
    assert_eq!(cover.track.id, live.track.id);
    assert_eq!(scene.effects()[0], "cover true");
    assert_eq!(scene.core.turn(&demo, scene.now), Turn::No);
    assert_eq!(scene.core.source_of(SessionId(1)), Some(live.source));
    assert_eq!(scene.title(), "A song");
    // What nobody hears is not shown before it is heard.
    let said = scene
        .core
        .update_metadata(live.source, titled("Next"), scene.now);
    said.unwrap();
    assert_eq!(scene.title(), "A song");
    scene.effects();

    // Sound returns: the stand-in fades out first.
    scene.core.dead_air(live.source, false);
    let told = scene.effects();
    assert_eq!(told, ["tell listeners dead_air_ended", "ask aside"]);
    assert!(scene.core.uncover(cover.source, scene.now));
    let told = scene.effects();
    assert_eq!(told[..2], ["end TakenOver", "cover false"]);
    assert_eq!(scene.title(), "Next");
    assert!(
        !scene.core.uncover(live.source, scene.now),
        "it covers none"
    );
}

#[test]
fn what_plays_over_a_silent_source_goes_on_without_it() {
    let mut scene = Scene::with(|config| config.stations.push(watched("demo")));
    let demo = id("demo");
    scene.core.set_stand_in(&demo, Some(SECOND));
    let live = scene.publish(session(1), |_| {}).unwrap();
    scene.core.dead_air(live.source, true);
    let cover = scene.publish(Owner::StandIn, |_| {}).unwrap();
    scene.effects();
    scene.core.unpublish(live.source, scene.now);
    assert_eq!(scene.effects(), ["end carried"]);
    assert_eq!(scene.core.source_on(&demo), Some(cover.source));
    assert_eq!(scene.state(), StationState::Live);
    assert_eq!(scene.core.is_silent(&demo), Some(false));

    // Another source takes over from a silent one and from what plays over it.
    let live = scene.publish(session(2), |_| {}).unwrap();
    scene.core.dead_air(live.source, true);
    scene.publish(Owner::StandIn, |_| {}).unwrap();
    scene.effects();
    let taken = scene.publish(session(3), |publication| publication.takeover = true);
    taken.unwrap();
    let told = scene.effects();
    let ended = told.iter().filter(|effect| effect.starts_with("end "));
    assert_eq!(ended.count(), 2, "{told:?}");
    assert_eq!(scene.core.sources.len(), 1);
}

#[test]
fn silence_is_told_but_not_played_over_unless_that_is_wanted() {
    let mut scene = Scene::with(|config| {
        let mut station = watched("demo");
        station.dead_air.as_mut().unwrap().fallback = false;
        config.stations.push(station);
    });
    scene.core.set_stand_in(&id("demo"), Some(SECOND));
    let live = scene.publish(session(1), |_| {}).unwrap();
    scene.effects();
    scene.core.dead_air(live.source, true);
    assert_eq!(scene.effects(), ["tell listeners dead_air"]);
    assert_eq!(scene.core.turn(&id("demo"), scene.now), Turn::No);
    let busy = scene.publish(Owner::StandIn, |_| {}).unwrap_err();
    assert_eq!(busy.code, ErrorCode::StationBusy);
}
