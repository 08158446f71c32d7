//! Stations.
mod local;
pub use local::{LocalSource, Publication, PublishEnded};
