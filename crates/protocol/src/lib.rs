//! Everything on a wire: client messages, service messages, tokens, error codes.
//!
//! PROTOCOL.md is the contract for client developers; each JSON example in it is parsed by a test.
//! Types here carry no behaviour: services translate them to and from their core's own types.
#![forbid(unsafe_code)]

pub mod client;
mod error_code;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod service;
pub mod token;

pub use error_code::{ErrorCode, Retry};

/// The WebSocket subprotocol of [`client`] messages.
pub const SUBPROTOCOL: &str = "coinline.v1";
