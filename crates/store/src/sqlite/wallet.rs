//! Wallets' totals.

use super::row::{Columns, json, micro};
use crate::Error;
use crate::ledger::WalletRow;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use units::{Shard, UserId};

pub(super) async fn read(
    tx: &mut SqliteConnection,
    users: &[UserId],
) -> Result<Vec<WalletRow>, Error> {
    let rows = sqlx::query(
        "SELECT wallet.* FROM json_each(?1) AS key CROSS JOIN wallet ON user_id = key.value",
    )
    .bind(json(users))
    .fetch_all(tx)
    .await?;
    rows.iter().map(wallet).collect()
}

pub(super) async fn put(tx: &mut SqliteConnection, rows: &[WalletRow]) -> Result<(), Error> {
    let values = json(rows.iter().map(|row| {
        let shard = Shard::of(&row.user).number();
        let credited = (micro(row.credited.paid), micro(row.credited.promo));
        let settled = (micro(row.settled.paid), micro(row.settled.promo));
        let owed = micro(row.owed);
        (row.user.as_str(), shard, credited.0, credited.1, settled.0, settled.1, owed)
    }));
    sqlx::query(
        "INSERT INTO wallet (user_id, shard, credited_paid, credited_promo, settled_paid,
             settled_promo, owed)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
             value ->> 6
         FROM json_each(?1) WHERE true
         ON CONFLICT (user_id) DO UPDATE SET credited_paid = excluded.credited_paid,
             credited_promo = excluded.credited_promo, settled_paid = excluded.settled_paid,
             settled_promo = excluded.settled_promo, owed = excluded.owed",
    )
    .bind(values)
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) fn wallet(row: &SqliteRow) -> Result<WalletRow, Error> {
    Ok(WalletRow {
        user: row.user("user_id")?,
        credited: row.coins("credited_paid", "credited_promo")?,
        settled: row.coins("settled_paid", "settled_promo")?,
        owed: row.money("owed")?,
    })
}
