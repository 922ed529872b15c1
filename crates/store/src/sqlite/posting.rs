//! The ledger's rows proper: written once, never changed.

use super::row::{Columns, json, micro};
use crate::Error;
use crate::ledger::{PostingRow, posting_shard};
use billing_core::Posting;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

pub(super) async fn insert(tx: &mut SqliteConnection, rows: &[Posting]) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let values = json(rows.iter().map(|row| {
        let (from, to) = (row.from.to_string(), row.to.to_string());
        (row.entry.to_string(), row.n, posting_shard(row).number(), from, to, micro(row.amount))
    }));
    sqlx::query(
        "INSERT INTO posting (entry, n, shard, from_account, to_account, amount)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5
         FROM json_each(?1)",
    )
    .bind(values)
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) fn posting(row: &SqliteRow) -> Result<PostingRow, Error> {
    Ok(PostingRow {
        entry: row.text("entry")?,
        n: row.count("n")?,
        from: row.text("from_account")?,
        to: row.text("to_account")?,
        amount: row.money("amount")?,
    })
}
