//! Measuring sound: level, and how clean a known tone is.

mod level;
mod tone;

pub use level::{Level, Meter, deinterleave};
pub use tone::{Gap, ToneFit, ToneReport, find_gaps, tone_report, tone_snr};
