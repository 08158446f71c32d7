//! What plays while no source is there.

use super::*;

#[test]
fn a_stand_in_plays_whenever_nobody_else_does() {
    let mut scene = Scene::with(|config| {
        config.stations.push(Configured {
            id: id("demo"),
            name: Some("Demo".into()),
            description: String::new(),
            rewind_minutes: None,
            dead_air: None,
            loudness: None,
        });
    });
    let demo = id("demo");
    assert_eq!(
        scene.core.turn(&demo, scene.now),
        Turn::No,
        "nothing to play"
    );
    scene.core.set_stand_in(&demo, Some(SECOND * 2));
    assert_eq!(scene.core.turn(&demo, scene.now), Turn::Now);
    let playlist = scene
        .publish(Owner::StandIn, |publication| {
            publication.metadata = Some(Metadata {
                title: "A song".into(),
                ..Metadata::default()
            });
        })
        .unwrap();
    assert_eq!(scene.effects()[0], "open 1");
    scene.listen(9, "source");
    scene.effects();
    playlist.clock.passed(49, 48_000);

    // A live source needs no takeover, and nobody is told of a change but of the title.
    scene.now = scene.now.after(SECOND);
    let live = scene.publish(session(1), |publication| {
        publication.track.bitrate = 64_000;
    });
    let live = live.unwrap();
    assert_eq!((live.sequence, live.timestamp), (50, 48_000), "it goes on");
    assert_eq!(
        scene.effects(),
        [
            "end TakenOver",
            "tell listeners metadata",
            "tell all updated"
        ]
    );
    let title = |scene: &Scene| {
        let station = scene.core.station(&id("demo"), scene.now).unwrap();
        station.metadata.unwrap().title
    };
    assert_eq!(title(&scene), "Demo", "the song is over");
    assert_eq!(scene.core.turn(&demo, scene.now), Turn::No);
    let busy = scene.publish(Owner::StandIn, |_| {}).unwrap_err();
    assert_eq!(busy.code, ErrorCode::StationBusy);

    // It leaves: the stand-in follows at once, on the same track.
    scene.core.unpublish(live.source, scene.now);
    assert_eq!(scene.effects(), ["ring"]);
    assert_eq!(scene.state(), StationState::Live);
    assert_eq!(scene.core.turn(&demo, scene.now), Turn::Now);
    let playlist = scene
        .publish(Owner::StandIn, |publication| {
            publication.track.frame_us = 10_000;
        })
        .unwrap();
    assert_eq!(playlist.track.id.to_string(), "1");
    assert_eq!(playlist.track.params.frame_us, 20_000, "as the track is");
    assert_eq!(scene.effects(), [""; 0]);

    // Another vanishes: it is waited for, but not for long.
    let live = scene.publish(session(2), |_| {}).unwrap();
    scene.effects();
    scene.core.source_lost(live.source, scene.now);
    let told = scene.effects();
    assert_eq!(
        told,
        ["ring", "tell listeners interrupted", "tell all interrupted"]
    );
    let due = scene.now.after(SECOND * 2).instant;
    assert_eq!(scene.core.turn(&demo, scene.now), Turn::At(due));
    scene.wait(SECOND * 2);
    assert_eq!(scene.core.turn(&demo, scene.now), Turn::Now);
    let playlist = scene.publish(Owner::StandIn, |_| {}).unwrap();
    let told = scene.effects();
    assert_eq!(told, ["tell listeners resumed", "tell all resumed"]);

    // Another ends without saying whether it returns.
    let live = scene.publish(session(4), |_| {}).unwrap();
    scene.effects();
    scene.core.source_left(live.source, scene.now);
    assert_eq!(scene.effects(), ["ring"], "nobody notices");
    let playlist_again = scene.publish(Owner::StandIn, |_| {}).unwrap();
    scene.effects();
    assert!(!scene.core.has_source(playlist.source));
    let playlist = playlist_again;

    // Nothing more to play: the station stops.
    scene.core.set_stand_in(&demo, None);
    scene.core.unpublish(playlist.source, scene.now);
    assert_eq!(scene.state(), StationState::Offline);
    scene.core.set_stand_in(&demo, Some(SECOND));
    let live = scene.publish(session(3), |_| {}).unwrap();
    scene.effects();
    // A stand-in that does not come is not waited for without end.
    scene.core.unpublish(live.source, scene.now);
    scene.wait(SECOND * 10);
    assert_eq!(scene.state(), StationState::Offline);
    scene.core.set_stand_in(&demo, None);
}
