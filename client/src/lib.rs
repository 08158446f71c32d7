//! Native Skywave client: publish and listen.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
