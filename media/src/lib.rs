//! Sans-IO audio: Opus, input decoding, packetizer, receiver.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
