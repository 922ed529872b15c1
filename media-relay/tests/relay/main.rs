//! The relay as other services and clients meet it: real sockets, and clients of another stack.
#![expect(clippy::unwrap_used, reason = "what a test can't do without has failed the test")]

mod calls;
mod loss;
mod scene;
mod strangers;
