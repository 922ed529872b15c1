//! Everything about a shard's wallets, for the audit.

use super::row::Columns;
use super::{call, credit, month, posting, spend, wallet};
use crate::Error;
use crate::ledger::ShardRows;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use units::Shard;

pub(super) async fn read(tx: &mut SqliteConnection, shard: Shard) -> Result<ShardRows, Error> {
    let mut rows = ShardRows::default();
    for row in of(tx, shard, call::OF_SHARD).await? {
        match call::call(&row) {
            Ok(call) => rows.calls.push(call),
            Err(_) => rows.broken.push(row.uuid("id")?.to_string()),
        }
    }
    rows.wallets = all(tx, shard, "SELECT * FROM wallet WHERE shard = ?1", wallet::wallet).await?;
    rows.credits = all(tx, shard, "SELECT * FROM credit WHERE shard = ?1", credit::credit).await?;
    rows.spends = all(tx, shard, "SELECT * FROM spend WHERE shard = ?1", spend::spend).await?;
    rows.months = all(tx, shard, "SELECT * FROM host_month WHERE shard = ?1", month::month).await?;
    let postings = "SELECT * FROM posting WHERE shard = ?1 ORDER BY entry, n";
    rows.postings = all(tx, shard, postings, posting::posting).await?;
    Ok(rows)
}

async fn all<T>(
    tx: &mut SqliteConnection,
    shard: Shard,
    query: &'static str,
    read: fn(&SqliteRow) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    of(tx, shard, query).await?.iter().map(read).collect()
}

async fn of(
    tx: &mut SqliteConnection,
    shard: Shard,
    query: &'static str,
) -> Result<Vec<SqliteRow>, Error> {
    Ok(sqlx::query(query).bind(shard.number()).fetch_all(tx).await?)
}
