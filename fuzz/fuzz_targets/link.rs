//! See `service_kit::link::fuzzing::link`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| service_kit::link::fuzzing::link(bytes));
