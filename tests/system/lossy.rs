//! A bad network: what repair makes of it, and what is heard without; and one that
//! changes everybody's address.

use std::time::Duration;

use media::testing::LinkConfig;

use crate::harness::{Heard, Server, get, until};
use crate::tone::write_wav;

const SECONDS: f64 = 12.0;

/// 5 % of the packets lost at random each way, 30 ms round trip.
const LOSSY: LinkConfig = LinkConfig {
    delay: Duration::from_millis(15),
    jitter: Duration::from_millis(1),
    loss: 0.05,
    burst_enter: 0.0,
    burst_leave: 1.0,
    duplicate: 0.0,
    reorder: 0.0,
    ..LinkConfig::CLEAN
};

fn concealed_ms(heard: &Heard) -> f64 {
    heard.number("concealed_ms")
}

#[tokio::test]
async fn what_is_lost_is_repaired_on_both_legs() {
    let server = Server::start_behind(LOSSY, 7);
    let mut observer = server.observe().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tone.wav");
    write_wav(&file, 440.0, 2.0);
    let file = file.to_str().unwrap();
    // One source on a clean way, one on the lossy one.
    let _near = server.publish("near", &["--transport", "websocket", "--loop", file]);
    let far = server.publish("far", &["--transport", "webtransport", "--loop", file]);
    observer.sees("started", "near").await;
    observer.sees("started", "far").await;
    let listen = |station: &str, transport: &str, repair: &str| {
        let args = ["--transport", transport, "--repair", repair];
        server.listen(station, SECONDS, &args)
    };
    let repaired = listen("near", "webtransport", "auto");
    let bare = listen("near", "webtransport", "off");
    let copied = listen("near", "webtransport", "robust");
    let behind = listen("far", "websocket", "auto");
    let [repaired, bare, copied, behind] = [repaired, bare, copied, behind].map(|one| one.finish());
    // Of 600 packets about 30 are lost, 20 ms each.
    assert!(concealed_ms(&bare) > 200.0, "{:#}", bare.stats);
    assert_eq!(bare.number("requested"), 0.0, "{:#}", bare.stats);
    assert_eq!(bare.number("redundancy"), 0.0, "{:#}", bare.stats);
    for heard in [&repaired, &copied] {
        let best = concealed_ms(&bare) / 4.0;
        assert!(concealed_ms(heard) < best, "{best}: {:#}", heard.stats);
        assert!(heard.number("loss") > 0.01, "{:#}", heard.stats);
    }
    assert!(
        repaired.number("retransmitted") > 5.0,
        "{:#}",
        repaired.stats
    );
    assert!(copied.number("recovered") > 3.0, "{:#}", copied.stats);
    // The source's own loss was as large, and the relay had it repaired.
    assert!(
        concealed_ms(&behind) < concealed_ms(&bare) / 2.0,
        "{:#}",
        behind.stats
    );
    let (_, metrics) = get(server.http(), "/metrics");
    let metrics = metrics.as_str().unwrap();
    let counted = |name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|value| value.trim().parse().ok())
            .unwrap_or(0.0)
    };
    assert!(
        counted("skywave_source_repairs_came_total") > 2.0,
        "{metrics}"
    );
    // The source learnt of it and sent copies along; what the relay still has to ask for is
    // what came before, and where a copy was lost too. Else it would be a packet in twenty.
    let line = until("the source tells how it fares", || far.json());
    let told = |name: &str| line[name].as_f64().unwrap_or(-1.0);
    assert!(told("copies") > 200.0, "{line:#}");
    assert!(told("resent") > 2.0, "{line:#}");
    let asked = counted("skywave_source_repairs_asked_total");
    assert!(
        asked < told("packets") / 25.0,
        "{asked} asked for: {line:#}"
    );
    assert!(
        counted("skywave_repairs_total{outcome=\"sent\"}") > 5.0,
        "{metrics}"
    );
    let reports = "skywave_listener_loss_ratio_count{station=\"near\",transport=\"webtransport\"}";
    assert!(counted(reports) >= 3.0, "{metrics}");
}

#[tokio::test]
async fn sound_goes_on_when_a_nat_changes_everybodys_port() {
    let clean = LinkConfig {
        delay: Duration::from_millis(5),
        ..LinkConfig::CLEAN
    };
    let server = Server::start_behind(clean, 11);
    let mut observer = server.observe().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tone.wav");
    write_wav(&file, 440.0, 2.0);
    let file = file.to_str().unwrap();
    let _source = server.publish("tone", &["--transport", "webtransport", "--loop", file]);
    observer.sees("started", "tone").await;
    observer.counts("tone", 0).await;
    let listener = server.listen("tone", 9.0, &["--transport", "webtransport"]);
    observer.counts("tone", 1).await;
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(2)).await;
        server.rebind();
    }
    let heard = listener.finish();
    let seconds = heard.sound.len() as f64 / 2.0 / 48_000.0;
    assert!(seconds > 8.0, "{seconds} s: {:#}", heard.stats);
    // What was on its way is lost; neither end noticed more than that.
    assert!(concealed_ms(&heard) < 400.0, "{:#}", heard.stats);
    let (_, metrics) = get(server.http(), "/metrics");
    let metrics = metrics.as_str().unwrap();
    let is_lost = |line: &&str| {
        line.starts_with("skywave_sessions_ended_total") && !line.contains("\"done\"")
    };
    assert_eq!(metrics.lines().find(is_lost), None, "{metrics}");
}
