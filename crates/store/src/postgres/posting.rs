//! The ledger's rows proper: written once, never changed.

use super::row::{Columns, integer, micro, shard};
use crate::Error;
use crate::ledger::{PostingRow, posting_shard};
use billing_core::Posting;
use sqlx::postgres::{PgConnection, PgRow};

pub(super) async fn insert(tx: &mut PgConnection, rows: &[Posting]) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let text = |column: fn(&Posting) -> String| rows.iter().map(column).collect::<Vec<_>>();
    sqlx::query(
        "INSERT INTO posting (entry, n, shard, from_account, to_account, amount)
         SELECT * FROM unnest($1::text[], $2::bigint[], $3::smallint[], $4::text[], $5::text[],
             $6::bigint[])",
    )
    .bind(text(|row| row.entry.to_string()))
    .bind(rows.iter().map(|row| integer(row.n.into())).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| shard(posting_shard(row))).collect::<Vec<_>>())
    .bind(text(|row| row.from.to_string()))
    .bind(text(|row| row.to.to_string()))
    .bind(rows.iter().map(|row| micro(row.amount)).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) fn posting(row: &PgRow) -> Result<PostingRow, Error> {
    Ok(PostingRow {
        entry: row.text("entry")?,
        n: row.count("n")?,
        from: row.text("from_account")?,
        to: row.text("to_account")?,
        amount: row.money("amount")?,
    })
}
