//! What every load process has, whatever it speaks: packets with the time inside, what
//! listeners heard of them, a processor of its own, and lines to be asked and answer by.
#![forbid(unsafe_code)]

pub mod ears;
pub mod histogram;
pub mod packet;
pub mod process;
