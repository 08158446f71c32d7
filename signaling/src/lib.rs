//! Who may do what, and everything that is said beside the sound.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
