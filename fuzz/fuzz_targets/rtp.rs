//! See `media_core::fuzzing::rtp`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| media_core::fuzzing::rtp(bytes));
