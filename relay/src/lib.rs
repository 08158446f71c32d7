//! Sessions, ingest, fan-out, renditions and HTTP of the Skywave relay.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
