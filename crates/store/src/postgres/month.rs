//! Hosts' months. Servers of different fans write to the same one, so it is locked whether it is
//! there or not.

use super::row::{Columns, integer, micro, shard};
use super::transaction::Lock;
use super::wallet::hold_absent;
use crate::Error;
use crate::ledger::HostMonth;
use sqlx::postgres::{PgConnection, PgRow};
use std::collections::BTreeSet;
use units::{Shard, UserId};

macro_rules! months {
    ($lock:literal) => {
        concat!(
            "SELECT * FROM host_month
             WHERE (host, month) IN (SELECT * FROM unnest($1::text[], $2::text[]))
             ORDER BY host, month",
            $lock
        )
    };
}

pub(super) async fn read(
    tx: &mut PgConnection,
    lock: Lock,
    months: &[(UserId, String)],
) -> Result<Vec<HostMonth>, Error> {
    let mut found = rows(tx, lock, months).await?;
    if lock == Lock::Hold && found.len() < months.len() {
        let known: BTreeSet<_> = found.iter().map(|row| (&row.host, &row.month)).collect();
        let missing = months.iter().filter(|(host, month)| !known.contains(&(host, month)));
        let missing: Vec<_> = missing.cloned().collect();
        let keys: Vec<_> = missing.iter().map(|(host, month)| format!("{month}:{host}")).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        hold_absent(tx, "host_month", &keys).await?;
        found.extend(rows(tx, lock, &missing).await?);
    }
    Ok(found)
}

async fn rows(
    tx: &mut PgConnection,
    lock: Lock,
    months: &[(UserId, String)],
) -> Result<Vec<HostMonth>, Error> {
    let sql = if lock == Lock::Hold { months!(" FOR UPDATE") } else { months!("") };
    let rows = sqlx::query(sql)
        .bind(months.iter().map(|(host, _)| host.as_str()).collect::<Vec<_>>())
        .bind(months.iter().map(|(_, month)| month.as_str()).collect::<Vec<_>>())
        .fetch_all(tx)
        .await?;
    rows.iter().map(month).collect()
}

pub(super) async fn put(tx: &mut PgConnection, rows: &[HostMonth]) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO host_month (host, month, shard, gross, earned, adjustments)
         SELECT * FROM unnest($1::text[], $2::text[], $3::smallint[], $4::bigint[], $5::bigint[],
             $6::bigint[])
         ON CONFLICT (host, month) DO UPDATE SET gross = excluded.gross,
             earned = excluded.earned, adjustments = excluded.adjustments",
    )
    .bind(rows.iter().map(|row| row.host.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.month.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| shard(Shard::of(&row.host))).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| micro(row.gross)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| micro(row.earned)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| integer(row.adjustments.into())).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) fn month(row: &PgRow) -> Result<HostMonth, Error> {
    Ok(HostMonth {
        host: row.user("host")?,
        month: row.text("month")?,
        gross: row.money("gross")?,
        earned: row.money("earned")?,
        adjustments: row.count("adjustments")?,
    })
}
