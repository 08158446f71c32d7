//! Wire types and codecs of the Skywave session protocol.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
