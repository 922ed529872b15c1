//! What each process needs once: clock, randomness, links, telemetry, the private port, shutdown.
//!
//! The only reader of the operating system's clock and random source.
#![forbid(unsafe_code)]

mod clock;
pub mod entropy;
pub mod link;
pub mod operations;
mod shutdown;
pub mod telemetry;

pub use clock::Clock;
pub use shutdown::{Shutdown, Trigger};
