//! Where balances and the ledger live.
//!
//! [`Ledger`] keeps everything that must survive, as rows; [`Hot`] keeps the balances that live
//! calls draw on. [`Store`] is both together and the one place that knows what the rows mean:
//! on one machine SQLite and process memory, on many PostgreSQL and Redis. Whatever is asked is a
//! cumulative fact or named by an id, so asking again is always safe: after an error the caller
//! need not know whether the first time took effect.
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]

mod audit;
mod evidence_bytes;
mod flow;
pub mod hot;
pub mod ledger;
mod month;
mod postgres;
mod redis;
mod sqlite;

pub use audit::{Audited, Difference, Rule, audit};
pub use flow::{Options, Sign, Store};
pub use hot::{Debit, Debited, Hot, HotWallet, Mode, Slot, Surplus};
pub use ledger::{
    CallRow, CreditRow, Evidence, HostMonth, Ledger, PostingRow, ShardRows, SpendRow, Transaction,
    WalletRow, posting_shard,
};
pub use postgres::{Postgres, PostgresTx};
pub use redis::Redis;
pub use sqlite::{Sqlite, SqliteTx};

use units::Shard;

/// Counts the owners of a shard from 1. A write of an earlier owner is fenced off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// A shard that is held, and under which epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lease {
    pub shard: Shard,
    pub epoch: Epoch,
}

/// What keeps a store from answering.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process, or another store of this one, has the database open.
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
    /// Somebody else owns the shard now.
    #[error("shard {0} has a later owner")]
    Fenced(Shard),
    /// Hot balances failed over again and again while they were restored: ask again.
    #[error("hot balances keep failing over")]
    Unsettled,
    /// Hot balances have lost this shard: they are restored, then asked again.
    #[error("hot balances of shard {0} are lost")]
    Forgotten(Shard),
    /// The wallet's shard is not held here.
    #[error("shard {0} is not held here")]
    NotHeld(Shard),
    /// Redis can't be reached, or answered with an error.
    #[error("redis: {0}")]
    Redis(String),
    /// A test's fault.
    #[error("unavailable: {0}")]
    Unavailable(&'static str),
}
