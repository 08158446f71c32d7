//! A plot of delay against concealment.

use std::fmt::Write as _;

use skywave_media::testing::lab::Scenario;

use crate::setups::{Kind, Row};

/// Delay across, from 0; concealment upwards on a logarithmic scale from 0.001 to 100 %.
pub(crate) fn svg(scenario: &Scenario, rows: &[Row]) -> String {
    let (width, height, left, bottom) = (720.0, 400.0, 60.0, 40.0);
    let most = rows
        .iter()
        .map(|row| row.outcome.delay_p95_ms)
        .fold(100.0, f64::max)
        * 1.3;
    let x = |ms: f64| left + ms / most * (width - left - 20.0);
    let y = |share: f64| {
        let decades = (share.max(1e-5) / 1e-5).log10() / 5.0;
        height - bottom - decades * (height - bottom - 40.0)
    };
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"{left}\" y=\"20\" font-size=\"14\">{}: concealed time against median delay (bar: to 95 %)</text>\n",
        scenario.name
    );
    for decade in 0..=5 {
        let share = 1e-5 * 10f64.powi(decade);
        let label = format!("{} %", share * 100.0);
        let at = y(share);
        writeln!(text, "<line x1=\"{left}\" y1=\"{at:.1}\" x2=\"{width}\" y2=\"{at:.1}\" stroke=\"#ddd\"/><text x=\"4\" y=\"{:.1}\">{label:.9}</text>", at + 4.0).expect("a string takes it");
    }
    for n in 0..=5 {
        let ms = most / 5.0 * f64::from(n);
        writeln!(
            text,
            "<text x=\"{:.1}\" y=\"{:.1}\">{ms:.0} ms</text>",
            x(ms),
            height - 12.0
        )
        .expect("a string takes it");
    }
    for Row {
        name,
        kind,
        outcome,
    } in rows
    {
        let colour = match kind {
            Kind::Ours => "#0a7",
            Kind::Baseline => "#c40",
            Kind::Mutation => "#999",
        };
        let (from, to, at) = (
            x(outcome.delay_p50_ms),
            x(outcome.delay_p95_ms),
            y(outcome.concealed),
        );
        writeln!(
            text,
            "<line x1=\"{from:.1}\" y1=\"{at:.1}\" x2=\"{to:.1}\" y2=\"{at:.1}\" stroke=\"{colour}\"/>\
             <circle cx=\"{from:.1}\" cy=\"{at:.1}\" r=\"4\" fill=\"{colour}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\">{name}</text>",
            to + 5.0,
            at + 4.0
        )
        .expect("a string takes it");
    }
    text.push_str("</svg>\n");
    text
}
