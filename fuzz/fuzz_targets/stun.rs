//! See `media_relay::fuzzing::stun`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| media_relay::fuzzing::stun(bytes));
