//! The receiver core as a WebAssembly module for the AudioWorklet.
#![warn(missing_docs)]
