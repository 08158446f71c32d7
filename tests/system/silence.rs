//! What becomes of silence and of loudness.

use crate::airing::{Hook, assert_unbroken, course, heard_freqs, station, tones};
use crate::harness::{Server, ask, until};

#[tokio::test]
async fn dead_air_is_told_and_played_over() {
    let folder = tones(&[("a.wav", 440.0)], 4.0);
    let hook = Hook::start();
    let dead_air = "[stations.dead_air]\nafter = '500ms'\nfallback = true";
    let more = format!("crossfade = '0s'\nfade = '100ms'\n{dead_air}");
    let settings = hook.settings() + &station(folder.path(), &more);
    let server = Server::start_within(&[], &settings, &[]);
    server.observe().await.is_live("tone").await;
    let listener = server.listen("tone", 12.0, &[]);
    listener.hears();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    // A tone of 0 Hz is silence.
    let live = tones(&[("1.wav", 880.0), ("2.wav", 0.0), ("3.wav", 880.0)], 2.5);
    let files = ["1.wav", "2.wav", "3.wav"].map(|name| live.path().join(name));
    let files = files.each_ref().map(|file| file.to_str().unwrap());
    let mut source = server.publish("tone", &files);
    until("silence is known", || {
        let (_, about) = ask(server.http(), "GET", "/api/v1/stations/tone", b"", None);
        (about["dead_air"] == true).then_some(())
    });
    let (_, metrics) = ask(server.http(), "GET", "/metrics", b"", None);
    let metrics = metrics.as_str().unwrap().to_owned();
    for line in [
        "skywave_dead_air_total 1",
        "skywave_silent{station=\"tone\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    assert_eq!(source.code(), 0, "{:?}", source.lines());
    let heard = listener.finish();
    let freqs = heard_freqs(&heard.sound, &[440.0, 880.0]);
    let expected = [440.0, 880.0, 440.0, 880.0, 440.0];
    assert_eq!(course(&heard.sound, &[440.0, 880.0]), expected, "{freqs:?}");
    assert_unbroken(&heard);
    until("it was told", || {
        let counts = ["dead_air", "dead_air_ended"].map(|event| hook.told(event).len());
        (counts == [1, 1]).then_some(())
    });
}

#[tokio::test]
async fn loudness_is_measured_and_renditions_are_levelled() {
    let folder = tones(&[("a.wav", 1_000.0)], 4.0);
    let loudness = "[stations.loudness]\ntarget_lufs = -23";
    let settings = station(folder.path(), &format!("crossfade = '0s'\n{loudness}"));
    let server = Server::start_within(&[], &settings, &[]);
    server.observe().await.is_live("tone").await;
    let listener = server.listen("tone", 8.0, &["--rendition", "high"]);
    let about = until("it is measured", || {
        let (_, about) = ask(server.http(), "GET", "/api/v1/stations/tone", b"", None);
        about["loudness"]["short_term_lufs"].as_f64()?;
        about["loudness"]["gain_db"].as_f64()?;
        Some(about["loudness"].clone())
    });
    let value = |name: &str| about[name].as_f64().unwrap();
    // Tones of half and a quarter of full scale at 1 kHz; two alike read their level in dBFS.
    let expected = 10.0 * f64::log10((0.5 * 0.5 + 0.25 * 0.25) / 2.0);
    for name in ["momentary_lufs", "short_term_lufs", "integrated_lufs"] {
        assert!((value(name) - expected).abs() < 0.5, "{name}: {about}");
    }
    assert!((value("true_peak_dbtp") + 6.0).abs() < 0.5, "{about}");
    let heard = listener.finish();
    let settled = &heard.sound[2 * 48_000 * 4..];
    let mut meter = media::loudness::Meter::new();
    meter.push(settled);
    let levelled = meter.reading().integrated_lufs.unwrap();
    assert!((levelled + 23.0).abs() < 1.0, "{levelled} LUFS of -23");
    let (_, metrics) = ask(server.http(), "GET", "/metrics", b"", None);
    let metrics = metrics.as_str().unwrap();
    assert!(
        metrics.contains("skywave_loudness_lufs{station=\"tone\"}"),
        "{metrics}"
    );
}

#[tokio::test]
async fn silence_may_stand_in_for_dead_air() {
    let folder = tempfile::tempdir().unwrap();
    let dead_air = "[stations.dead_air]\nafter = '500ms'\nfallback = true";
    let more = format!("fade = '100ms'\nthen = 'silence'\n{dead_air}");
    let server = Server::start_within(&[], &station(folder.path(), &more), &[]);
    server.observe().await.is_live("tone").await;
    let listener = server.listen("tone", 10.0, &[]);
    listener.hears();
    let live = tones(&[("1.wav", 440.0), ("2.wav", 0.0), ("3.wav", 880.0)], 2.5);
    let files = ["1.wav", "2.wav", "3.wav"].map(|name| live.path().join(name));
    let files = files.each_ref().map(|file| file.to_str().unwrap());
    let mut source = server.publish("tone", &files);
    assert_eq!(source.code(), 0, "{:?}", source.lines());
    let heard = listener.finish();
    let freqs = heard_freqs(&heard.sound, &[440.0, 880.0]);
    assert_eq!(course(&heard.sound, &[440.0, 880.0]), [440.0, 880.0]);
    let first = freqs.iter().rposition(|&freq| freq == 440.0).unwrap();
    let second = freqs.iter().position(|&freq| freq == 880.0).unwrap();
    assert!(second - first >= 20, "{freqs:?}");
    // Of the last file all but what it took to hear that there is sound again.
    let back = freqs.iter().filter(|&&freq| freq == 880.0).count();
    assert!(back >= 15, "{freqs:?}");
    assert_unbroken(&heard);
}
