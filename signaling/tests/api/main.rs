//! The service over real sockets: a server on a free port, WebSocket and HTTP clients, and a
//! counterpart that plays the billing meter and the media relay.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bad_input;
mod calls;
mod client;
mod http;
mod sessions;
mod stage;

use std::time::Duration;

/// How long anything may take before the test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
