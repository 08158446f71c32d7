//! An engine that serves one listener and meets whatever the bytes say, in virtual time.
#![no_main]

use engine::testing::hostile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| hostile(bytes));
