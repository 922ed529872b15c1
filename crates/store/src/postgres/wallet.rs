//! Wallets, and how to lock a row that is not there yet.

use super::row::{Columns, micro, shard};
use super::transaction::Lock;
use crate::Error;
use crate::ledger::WalletRow;
use sqlx::postgres::{PgConnection, PgRow};
use std::collections::BTreeSet;
use units::{Shard, UserId};

const WALLETS: &str = "SELECT * FROM wallet WHERE user_id = ANY($1) ORDER BY user_id";
const WALLETS_HELD: &str =
    "SELECT * FROM wallet WHERE user_id = ANY($1) ORDER BY user_id FOR UPDATE";

pub(super) async fn read(
    tx: &mut PgConnection,
    lock: Lock,
    users: &[UserId],
) -> Result<Vec<WalletRow>, Error> {
    let sql = if lock == Lock::Hold { WALLETS_HELD } else { WALLETS };
    let names: Vec<&str> = users.iter().map(UserId::as_str).collect();
    let rows = sqlx::query(sql).bind(&names).fetch_all(&mut *tx).await?;
    let mut found = rows.iter().map(wallet).collect::<Result<Vec<_>, Error>>()?;
    if lock == Lock::Hold && found.len() < users.len() {
        let known: BTreeSet<&str> = found.iter().map(|row| row.user.as_str()).collect();
        let missing: Vec<&str> = names.into_iter().filter(|name| !known.contains(name)).collect();
        hold_absent(tx, "wallet", &missing).await?;
        let rows = sqlx::query(sql).bind(&missing).fetch_all(tx).await?;
        found.extend(rows.iter().map(wallet).collect::<Result<Vec<_>, Error>>()?);
    }
    Ok(found)
}

/// Holds keys of `table` that have no row which could be locked: of two transactions that would
/// make the same one, the second waits here, and must look again afterwards.
pub(super) async fn hold_absent(
    tx: &mut PgConnection,
    table: &str,
    keys: &[&str],
) -> Result<(), Error> {
    sqlx::query(
        "SELECT pg_advisory_xact_lock(key) FROM (
             SELECT hashtextextended($1 || ':' || key, 0) AS key
             FROM unnest($2::text[]) AS key ORDER BY 1
         ) AS keys",
    )
    .bind(table)
    .bind(keys)
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) async fn put(tx: &mut PgConnection, rows: &[WalletRow]) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let column = |value: fn(&WalletRow) -> i64| rows.iter().map(value).collect::<Vec<_>>();
    sqlx::query(
        "INSERT INTO wallet (user_id, shard, credited_paid, credited_promo, settled_paid,
             settled_promo, owed)
         SELECT * FROM unnest($1::text[], $2::smallint[], $3::bigint[], $4::bigint[],
             $5::bigint[], $6::bigint[], $7::bigint[])
         ON CONFLICT (user_id) DO UPDATE SET
             credited_paid = excluded.credited_paid, credited_promo = excluded.credited_promo,
             settled_paid = excluded.settled_paid, settled_promo = excluded.settled_promo,
             owed = excluded.owed",
    )
    .bind(rows.iter().map(|row| row.user.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| shard(Shard::of(&row.user))).collect::<Vec<_>>())
    .bind(column(|row| micro(row.credited.paid)))
    .bind(column(|row| micro(row.credited.promo)))
    .bind(column(|row| micro(row.settled.paid)))
    .bind(column(|row| micro(row.settled.promo)))
    .bind(column(|row| micro(row.owed)))
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) fn wallet(row: &PgRow) -> Result<WalletRow, Error> {
    Ok(WalletRow {
        user: row.user("user_id")?,
        credited: row.coins("credited_paid", "credited_promo")?,
        settled: row.coins("settled_paid", "settled_promo")?,
        owed: row.money("owed")?,
    })
}
