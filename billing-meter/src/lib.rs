//! Billing meter service: ticks, settlement, recovery.
//!
//! A shell around [`billing_core::Biller`]: it passes on what signaling and the relay say, carries
//! out what the biller asks of the store, one command at a time, and decides nothing. The money
//! rules are in BILLING.md; rule 19 says why a bug ends the service rather than one call.
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]

mod bookkeeper;
mod config;
mod recovery;
mod service;
mod translate;

pub use config::{Config, ConfigError};
pub use service::run;

/// What ends the service.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Calls that a crash left open could not be settled, so no new ones may be opened.
    #[error("recovery: {0}")]
    Recovery(store::Error),
    /// The store did not take the last settlements in time. Nothing is lost: the next start
    /// settles from what is durable.
    #[error("stopped with {calls} calls not settled; the next start settles them")]
    NotSettled { calls: usize },
}
