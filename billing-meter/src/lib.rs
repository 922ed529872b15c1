//! Billing meter service: ticks, leases, settlement, recovery.
//!
//! A shell around [`billing_core::Biller`]: it passes on what signaling and the relay say, carries
//! out what the biller asks of the store, one command at a time, and decides nothing. The money
//! rules are in BILLING.md; rule 19 says why a bug ends the service rather than one call.
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]

mod bookkeeper;
mod config;
mod metrics;
mod service;
mod translate;

pub use config::{Config, ConfigError};
pub use service::{Surroundings, run};

/// What ends the service.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Metrics of these names are registered already.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// Calls that a crash left open could not be settled, so no new ones may be opened.
    #[error("recovery: the store did not take the bills of interrupted calls in time")]
    Recovery,
    /// The store did not take the last settlements in time. Nothing is lost: the next start
    /// settles from what is durable.
    #[error("stopped with {calls} calls not settled; the next start settles them")]
    NotSettled { calls: usize },
}
