//! The ledger of one machine: one SQLite file, one writer.
//!
//! WAL with `synchronous=FULL`: what was answered survives a power failure. Every write is one
//! `BEGIN IMMEDIATE` transaction on the one writing connection, so what it reads is what it
//! changes. Batches travel as one JSON array per statement. `migrations/sqlite/` has the tables,
//! with checks and triggers that refuse what would break the books.

mod batch;
mod call;
mod credit;
mod evidence;
mod lease;
mod live_rows;
mod lock;
mod month;
mod posting;
mod progress;
mod row;
mod shard_rows;
mod spend;
mod transaction;
mod wallet;

pub use transaction::SqliteTx;

use crate::{Error, Lease, Ledger};
use live_rows::LiveRows;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Sqlite as Driver, Transaction};
use std::fs::File;
use std::path::Path;
use std::time::Duration;
use units::{ElapsedMs, MeterId, Shard};

/// How long to wait for a lock that another process holds (a backup, a report). Less
/// would fail ticks for it; more would hold up openers that are better told to try again.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections for quotes, receipts and audits, beside the writer. More would let more long reads
/// go on at once, each holding back the WAL's checkpoint.
const READERS: u32 = 4;

/// Memory of the writing connection, in KiB (SQLite's sign for that unit): the rows of 100,000 open
/// calls take 10 MiB. Less would write pages to the WAL twice in a tick; memory is only taken as it
/// is needed.
const WRITER_CACHE: &str = "-65536";

/// Pages in the WAL before they are moved into the database: 64 MiB, about seven ticks of 100,000
/// calls, whose pages are then moved once for all of them. More would take a longer recovery after
/// a crash and more disk; less would write every page twice in every tick.
const WAL_PAGES: &str = "16384";

/// A ledger in one file, which no other server may use meanwhile.
#[derive(Debug)]
pub struct Sqlite {
    writer: SqlitePool,
    readers: SqlitePool,
    live_rows: LiveRows,
    /// Last, so that it is released last; none for one that only reads.
    _lock: Option<File>,
}

impl Sqlite {
    /// Opens the file at `path`, creating or migrating it as needed. Leases of an earlier process
    /// are over.
    ///
    /// # Errors
    /// [`Error::InUse`] if another server has it open, [`Error::Lock`] or [`Error::Database`] if
    /// it can't be opened, [`Error::Migration`] if it was written by a newer version.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let lock = lock::take(path.as_ref())?;
        let options = options(path.as_ref())
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true);
        let writing = options
            .clone()
            .pragma("cache_size", WRITER_CACHE)
            .pragma("wal_autocheckpoint", WAL_PAGES);
        let writer = SqlitePoolOptions::new().max_connections(1).connect_with(writing).await?;
        sqlx::migrate!("migrations/sqlite").run(&writer).await?;
        lease::forget(&mut *writer.acquire().await?).await?;
        let readers = readers(options.read_only(true)).await?;
        Ok(Self { writer, readers, live_rows: LiveRows::default(), _lock: Some(lock) })
    }

    /// Opens the file at `path` to read it, beside a server that uses it or without one.
    ///
    /// # Errors
    /// [`Error::Database`] if it is not there or can't be read.
    pub async fn open_to_read(path: impl AsRef<Path>) -> Result<Self, Error> {
        let readers = readers(options(path.as_ref()).read_only(true)).await?;
        Ok(Self { writer: readers.clone(), readers, live_rows: LiveRows::default(), _lock: None })
    }

    /// Waits for what is under way, then closes the file and leaves it to others.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    async fn write(&self) -> Result<Transaction<'static, Driver>, Error> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).busy_timeout(BUSY_TIMEOUT)
}

async fn readers(options: SqliteConnectOptions) -> Result<SqlitePool, Error> {
    Ok(SqlitePoolOptions::new().max_connections(READERS).connect_with(options).await?)
}

impl Ledger for Sqlite {
    type Tx = SqliteTx;

    async fn begin(&self) -> Result<SqliteTx, Error> {
        let live_rows = self.live_rows.hold().await;
        Ok(SqliteTx::new(self.write().await?, live_rows))
    }

    async fn snapshot(&self) -> Result<SqliteTx, Error> {
        // Which writes nothing, and so waits for no writer.
        let live_rows = LiveRows::default().hold().await;
        Ok(SqliteTx::new(self.readers.begin().await?, live_rows))
    }

    async fn claim(&self, owner: MeterId, count: u16, ttl: ElapsedMs) -> Result<Vec<Lease>, Error> {
        let mut tx = self.write().await?;
        let leases = lease::claim(&mut tx, owner, count, ttl).await?;
        tx.commit().await?;
        Ok(leases)
    }

    async fn renew(&self, owner: MeterId, ttl: ElapsedMs) -> Result<(Vec<Lease>, u16), Error> {
        let mut tx = self.write().await?;
        let renewed = lease::renew(&mut tx, owner, ttl).await?;
        tx.commit().await?;
        Ok(renewed)
    }

    async fn release(&self, owner: MeterId, shards: &[Shard]) -> Result<(), Error> {
        let mut tx = self.write().await?;
        lease::release(&mut tx, owner, shards).await?;
        tx.commit().await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn writes_wait_for_the_disk() {
        let dir = tempfile::TempDir::new().unwrap();
        let ledger = Sqlite::open(dir.path().join("books")).await.unwrap();
        let journal: String =
            sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&ledger.writer).await.unwrap();
        let synchronous: i64 =
            sqlx::query_scalar("PRAGMA synchronous").fetch_one(&ledger.writer).await.unwrap();
        assert_eq!((journal.as_str(), synchronous), ("wal", 2), "2 is FULL");
    }
}
