//! Hosts' months, for share tiers.

use super::row::{Columns, json, micro};
use crate::Error;
use crate::ledger::HostMonth;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use units::{Shard, UserId};

pub(super) async fn read(
    tx: &mut SqliteConnection,
    months: &[(UserId, String)],
) -> Result<Vec<HostMonth>, Error> {
    let keys = json(months.iter().map(|(host, month)| (host.as_str(), month)));
    let rows = sqlx::query(
        "SELECT host_month.* FROM json_each(?1) AS key
         CROSS JOIN host_month ON host = key.value ->> 0 AND month = key.value ->> 1",
    )
    .bind(keys)
    .fetch_all(tx)
    .await?;
    rows.iter().map(month).collect()
}

pub(super) async fn put(tx: &mut SqliteConnection, rows: &[HostMonth]) -> Result<(), Error> {
    let values = json(rows.iter().map(|row| {
        let shard = Shard::of(&row.host).number();
        (row.host.as_str(), &row.month, shard, micro(row.gross), micro(row.earned), row.adjustments)
    }));
    sqlx::query(
        "INSERT INTO host_month (host, month, shard, gross, earned, adjustments)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5
         FROM json_each(?1) WHERE true
         ON CONFLICT (host, month) DO UPDATE SET gross = excluded.gross,
             earned = excluded.earned, adjustments = excluded.adjustments",
    )
    .bind(values)
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) fn month(row: &SqliteRow) -> Result<HostMonth, Error> {
    Ok(HostMonth {
        host: row.user("host")?,
        month: row.text("month")?,
        gross: row.money("gross")?,
        earned: row.money("earned")?,
        adjustments: row.count("adjustments")?,
    })
}
