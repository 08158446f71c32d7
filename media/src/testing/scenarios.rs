//! The networks receivers are compared on.

use std::time::Duration;

use super::lab::{Net, Scenario};
use super::{LinkConfig, Network};
use crate::encoder::Frame;

/// Loss is the same in both directions. Losses in bursts are counted in packets, so that
/// what is sent again in between helps a burst to its end; in the traces they are counted in
/// time.
#[must_use]
pub fn scenarios(time: Duration, seed: u64) -> Vec<Scenario> {
    let ms = Duration::from_millis;
    let usual = LinkConfig {
        jitter: ms(1),
        in_order: true,
        ..LinkConfig::default()
    };
    let scenario = |name, net, source_ppm| Scenario {
        name,
        net,
        time,
        source_ppm,
        frame: Frame::Ms20,
        seed,
    };
    let link = |name, config| scenario(name, Net::Link(config), 0.0);
    let mut all = vec![
        scenario(
            "clean, 1 ms jitter, clocks 100 ppm apart",
            Net::Link(LinkConfig {
                delay: ms(5),
                ..usual
            }),
            100.0,
        ),
        link(
            "5 % random loss, 40 ms round trip",
            LinkConfig {
                delay: ms(20),
                loss: 0.05,
                ..usual
            },
        ),
        link(
            "10 % random loss, 50 ms",
            LinkConfig {
                delay: ms(25),
                loss: 0.1,
                ..usual
            },
        ),
        link(
            "10 % loss in bursts of mean 4, 50 ms",
            LinkConfig {
                delay: ms(25),
                burst_enter: 0.25 / 9.0,
                burst_leave: 0.25,
                ..usual
            },
        ),
    ];
    let traces = [
        ("home Wi-Fi trace", Network::Wifi),
        ("LTE trace with handovers", Network::Lte),
        ("congested uplink trace", Network::Congested),
        ("satellite trace", Network::Satellite),
        ("quiet wired trace", Network::Clean),
    ];
    all.extend(traces.map(|(name, network)| scenario(name, Net::Trace(network), 30.0)));
    all
}
