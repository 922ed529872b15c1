//! The embedded store: one SQLite file, one writer.
//!
//! WAL with `synchronous=FULL`: what was answered survives a power failure. Every write is one
//! `BEGIN IMMEDIATE` transaction on the one writing connection, so what it reads is what it
//! changes. Batches travel as one JSON array per statement: a tick is three statements, however
//! many calls it carries.

mod audit;
mod calls;
mod lock;
mod row;
mod wallets;

use crate::{Difference, Error, LiveCall, Store};
use billing_core::{
    Applied, Credit, Crediting, OpenCall, Opening, Receipt, Settled, Settlement, Target,
};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Sqlite as Driver, Transaction};
use std::fs::File;
use std::path::Path;
use std::time::Duration;
use units::{CallId, MicroCoins, UnixMs, UserId};

/// How long to wait for a lock that another process holds (a backup, a report). Less
/// would fail ticks for it; more would hold up openers that are better told to try again.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections for quotes, receipts and audits, beside the writer. More would let more long reads
/// go on at once, each holding back the WAL's checkpoint.
const READERS: u32 = 4;

/// A store in one file, which no other server may use meanwhile.
#[derive(Debug)]
pub struct Sqlite {
    writer: SqlitePool,
    readers: SqlitePool,
    /// Last, so that it is released last.
    _lock: File,
}

impl Sqlite {
    /// Opens the file at `path`, creating or migrating it as needed.
    ///
    /// # Errors
    /// [`Error::InUse`] if another server has it open, [`Error::Lock`] or [`Error::Database`] if
    /// it can't be opened, [`Error::Migration`] if it was written by a newer version.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let lock = lock::take(path.as_ref())?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let writer =
            SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
        sqlx::migrate!().run(&writer).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options.read_only(true))
            .await?;
        Ok(Self { writer, readers, _lock: lock })
    }

    /// Waits for what is under way, then closes the file and leaves it to others.
    pub async fn close(self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    async fn begin(&self) -> Result<Transaction<'static, Driver>, Error> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }
}

impl Store for Sqlite {
    async fn open_call(&self, open: &OpenCall) -> Result<Opening, Error> {
        let mut tx = self.begin().await?;
        let opening = calls::open(&mut tx, open).await?;
        tx.commit().await?;
        Ok(opening)
    }

    async fn apply(&self, at: UnixMs, targets: &[Target]) -> Result<Applied, Error> {
        let mut tx = self.begin().await?;
        let applied = calls::raise(&mut tx, Some(at), targets).await?;
        tx.commit().await?;
        Ok(applied)
    }

    async fn settle(&self, settlement: &Settlement) -> Result<Option<Settled>, Error> {
        let mut tx = self.begin().await?;
        let settled = calls::settle(&mut tx, settlement).await?;
        tx.commit().await?;
        Ok(settled)
    }

    async fn credit(&self, credit: &Credit) -> Result<Crediting, Error> {
        let mut tx = self.begin().await?;
        let crediting = wallets::credit(&mut tx, credit).await?;
        tx.commit().await?;
        Ok(crediting)
    }

    async fn funds(&self, user: &UserId) -> Result<MicroCoins, Error> {
        let mut reader = self.readers.acquire().await?;
        Ok(wallets::read(&mut reader, user).await?.funds())
    }

    async fn open_calls(&self) -> Result<Vec<LiveCall>, Error> {
        let (live, broken) = calls::open_calls(&mut *self.readers.acquire().await?).await?;
        for calls::Broken { call, error } in broken {
            tracing::error!(call, %error, "an open call can't be read; it stays open");
        }
        Ok(live)
    }

    async fn receipt(&self, call: CallId) -> Result<Option<Receipt>, Error> {
        let mut reader = self.readers.acquire().await?;
        Ok(calls::read(&mut reader, call).await?.and_then(row::CallRow::receipt))
    }

    async fn audit(&self) -> Result<Vec<Difference>, Error> {
        // One transaction, so that all rules see the same moment.
        let mut tx = self.readers.begin().await?;
        audit::differences(&mut tx).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn writes_wait_for_the_disk() {
        let dir = tempfile::TempDir::new().unwrap();
        let store = Sqlite::open(dir.path().join("books")).await.unwrap();
        let journal: String =
            sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&store.writer).await.unwrap();
        let synchronous: i64 =
            sqlx::query_scalar("PRAGMA synchronous").fetch_one(&store.writer).await.unwrap();
        assert_eq!((journal.as_str(), synchronous), ("wal", 2), "2 is FULL");
    }
}
