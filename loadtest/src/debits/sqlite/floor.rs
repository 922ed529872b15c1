//! The floor: one statement that walks a bare table and rewrites the same columns of as many rows,
//! in a file of its own with the same durability. It parses nothing, looks nothing up, checks
//! nothing: SQLite can't change that many rows for less.

use super::SqliteError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, SqliteConnection};
use std::path::Path;

/// A bare table.
#[derive(Debug)]
pub(super) struct Floor(SqliteConnection);

impl Floor {
    pub(super) async fn open(path: &Path, rows: u32) -> Result<Self, SqliteError> {
        let mut db = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .connect()
            .await?;
        let table = "CREATE TABLE bare (n INTEGER PRIMARY KEY, id BLOB, shard INTEGER, fan TEXT,
             seen INTEGER, media INTEGER, video INTEGER, paid INTEGER, promo INTEGER,
             evidence INTEGER)";
        sqlx::query(table).execute(&mut db).await?;
        sqlx::query(
            "WITH RECURSIVE row (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM row WHERE n < ?1)
             INSERT INTO bare SELECT n, randomblob(16), n % 1024, printf('fan-%08d', n),
                 1800000000000, 0, 0, 0, 0, 0 FROM row",
        )
        .bind(rows)
        .execute(&mut db)
        .await?;
        Ok(Self(db))
    }

    pub(super) async fn tick(&mut self, tick: u32) -> Result<(), SqliteError> {
        sqlx::query(
            "UPDATE bare SET seen = 1800000000000 + ?1 * 1000, media = ?1 * 1000,
                 video = ?1 * 1000, paid = ?1 * 83333, promo = 0, evidence = 0",
        )
        .bind(tick)
        .execute(&mut self.0)
        .await?;
        Ok(())
    }
}
