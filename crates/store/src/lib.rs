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

impl Error {
    /// Whether it says no more than that a server is not there, so that the same may succeed later
    /// without anybody's help.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Database(error)
            | Self::Migration(
                sqlx::migrate::MigrateError::Execute(error)
                | sqlx::migrate::MigrateError::ExecuteMigration(error, _),
            ) => is_away(error),
            Self::Redis(_) | Self::Unsettled | Self::Unavailable(_) => true,
            Self::Migration(_)
            | Self::InUse
            | Self::Lock(_)
            | Self::Corrupt { .. }
            | Self::Fenced(_)
            | Self::Forgotten(_)
            | Self::NotHeld(_) => false,
        }
    }
}

/// Whether a database can't be reached, or is starting, stopping or full of connections (the codes
/// are PostgreSQL's, appendix A).
fn is_away(error: &sqlx::Error) -> bool {
    use sqlx::Error::{Database, Io, PoolTimedOut, WorkerCrashed};
    if let Database(error) = error {
        let is_of = |class: &&str| error.code().is_some_and(|code| code.starts_with(class));
        return ["08", "53", "57P"].iter().any(is_of);
    }
    matches!(error, Io(_) | PoolTimedOut | WorkerCrashed)
}
