//! See `protocol::fuzzing::messages`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| protocol::fuzzing::messages(bytes));
