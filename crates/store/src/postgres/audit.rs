//! Everything about a shard, as rows. Read within a [snapshot](crate::Ledger::snapshot), it is all
//! of one moment.

use super::row::{Columns, shard};
use super::{call, credit, month, posting, spend, wallet};
use crate::Error;
use crate::ledger::ShardRows;
use sqlx::postgres::{PgConnection, PgRow};
use units::Shard;

pub(super) async fn shard_rows(tx: &mut PgConnection, of: Shard) -> Result<ShardRows, Error> {
    let mut rows = ShardRows::default();
    for row in read(tx, call::OF_SHARD, of).await? {
        match call::call(&row) {
            Ok(call) => rows.calls.push(call),
            Err(_) => rows.broken.push(row.uuid("id")?.to_string()),
        }
    }
    let wallets = read(tx, "SELECT * FROM wallet WHERE shard = $1 ORDER BY user_id", of).await?;
    rows.wallets = wallets.iter().map(wallet::wallet).collect::<Result<_, _>>()?;
    let credits = read(tx, "SELECT * FROM credit WHERE shard = $1 ORDER BY id", of).await?;
    rows.credits = credits.iter().map(credit::credit).collect::<Result<_, _>>()?;
    let spends = read(tx, "SELECT * FROM spend WHERE shard = $1 ORDER BY id", of).await?;
    rows.spends = spends.iter().map(spend::spend).collect::<Result<_, _>>()?;
    let sql = "SELECT * FROM host_month WHERE shard = $1 ORDER BY host, month";
    rows.months = read(tx, sql, of).await?.iter().map(month::month).collect::<Result<_, _>>()?;
    let sql = "SELECT * FROM posting WHERE shard = $1 ORDER BY entry, n";
    let postings = read(tx, sql, of).await?;
    rows.postings = postings.iter().map(posting::posting).collect::<Result<_, _>>()?;
    Ok(rows)
}

async fn read(tx: &mut PgConnection, sql: &'static str, of: Shard) -> Result<Vec<PgRow>, Error> {
    Ok(sqlx::query(sql).bind(shard(of)).fetch_all(tx).await?)
}
