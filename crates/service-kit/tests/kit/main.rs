//! Service kit over real sockets on loopback.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod flaky;
mod links;
mod operations;
