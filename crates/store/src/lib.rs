//! Where balances and the ledger live.
//!
//! [`Store`] is the contract; [`Sqlite`] keeps it on one machine, [`Memory`] is the model that the
//! conformance suite compares every back end with. Whatever is asked is a cumulative fact or named
//! by an id, so asking again is always safe: after an error the caller need not know whether the
//! first time took effect.
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]

mod audit;
mod memory;
mod sqlite;

pub use audit::{Difference, Rule};
pub use memory::Memory;
pub use sqlite::Sqlite;

use billing_core::{
    Applied, Credit, Crediting, OpenCall, Opening, Receipt, Settled, Settlement, Target, Terms,
};
use std::future::Future;
use units::{CallId, ElapsedMs, MicroCoins, UnixMs, UserId};

/// Wallets, calls, receipts and the ledger. Each operation is one transaction: it has happened as
/// a whole, durably, when it returns `Ok`, and may or may not have when it returns an error.
pub trait Store: Send + Sync + 'static {
    /// Writes a call down at its terms, before media may flow.
    fn open_call(&self, open: &OpenCall) -> impl Future<Output = Result<Opening, Error>> + Send;

    /// Raises each call's charge towards its target, in order: `max(charged, min(target, charged +
    /// funds))`. Targets of calls that are not open, or can't be read, are passed over. `at` is
    /// noted as the last time the calls were seen alive.
    fn apply(
        &self,
        at: UnixMs,
        targets: &[Target],
    ) -> impl Future<Output = Result<Applied, Error>> + Send;

    /// Ends a call: final charge, postings, receipt. The first settlement counts; later ones
    /// return its receipt. `None` if there is no such call.
    fn settle(
        &self,
        settlement: &Settlement,
    ) -> impl Future<Output = Result<Option<Settled>, Error>> + Send;

    /// Adds coins to a wallet, once per credit id.
    fn credit(&self, credit: &Credit) -> impl Future<Output = Result<Crediting, Error>> + Send;

    /// What a wallet has left; nothing if it never had a credit.
    fn funds(&self, user: &UserId) -> impl Future<Output = Result<MicroCoins, Error>> + Send;

    /// Every call that is not settled, for recovery after a crash. One that can't be read is
    /// logged and left out, so that it does not hold up the others; the audit reports it.
    fn open_calls(&self) -> impl Future<Output = Result<Vec<LiveCall>, Error>> + Send;

    /// A settled call's receipt.
    fn receipt(&self, call: CallId) -> impl Future<Output = Result<Option<Receipt>, Error>> + Send;

    /// Compares everything that must agree; empty if the books are right.
    fn audit(&self) -> impl Future<Output = Result<Vec<Difference>, Error>> + Send;
}

/// A call that is written down and not settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveCall {
    pub call: CallId,
    pub terms: Terms,
    pub opened_at: UnixMs,
    /// When it was last charged; when it was opened, if never.
    pub seen_at: UnixMs,
    pub charged: MicroCoins,
    pub media: ElapsedMs,
}

/// What keeps a store from answering.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process, or another [`Sqlite`] of this one, has the database open.
    #[error("another server is using this database")]
    InUse,
    /// The file that keeps others out can't be made.
    #[error("database lock: {0}")]
    Lock(#[source] std::io::Error),
    /// The database can't be reached, is busy, full or broken.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The database is of a newer version, or its migration failed.
    #[error("database migration: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A value in the database is none that we write.
    #[error("column {column} holds {value:?}")]
    Corrupt { column: &'static str, value: String },
}
