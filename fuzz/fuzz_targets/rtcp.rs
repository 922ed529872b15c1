//! See `media_core::fuzzing::rtcp`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| media_core::fuzzing::rtcp(bytes));
