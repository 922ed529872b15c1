//! Gifts and chargebacks.

use super::row::{Columns, bps, corrupt, integer, micro, shard, shards};
use super::transaction::Lock;
use crate::Error;
use crate::ledger::SpendRow;
use billing_core::{Spend, SpendKind, Spending};
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};
use units::{Coins, MicroCoins, Shard, SpendId};

pub(super) async fn read(
    tx: &mut PgConnection,
    lock: Lock,
    id: SpendId,
) -> Result<Option<SpendRow>, Error> {
    let sql = match lock {
        Lock::Hold => "SELECT * FROM spend WHERE id = $1 FOR UPDATE",
        Lock::None => "SELECT * FROM spend WHERE id = $1",
    };
    let row = sqlx::query(sql).bind(id.0).fetch_optional(tx).await?;
    row.as_ref().map(spend).transpose()
}

pub(super) async fn pending(tx: &mut PgConnection, list: &[Shard]) -> Result<Vec<SpendRow>, Error> {
    let rows =
        sqlx::query("SELECT * FROM spend WHERE outcome IS NULL AND shard = ANY($1) ORDER BY id")
            .bind(shards(list))
            .fetch_all(tx)
            .await?;
    rows.iter().map(spend).collect()
}

pub(super) async fn put(tx: &mut PgConnection, row: &SpendRow) -> Result<(), Error> {
    let spend = &row.spend;
    let (kind, gift) = match &spend.kind {
        SpendKind::Gift { host, host_share } => ("gift", Some((host.as_str(), bps(*host_share)))),
        SpendKind::Chargeback => ("chargeback", None),
    };
    let (outcome, taken) = match row.outcome {
        None => (None, None),
        Some(Spending::Taken { coins, .. }) => (Some("taken"), Some(coins)),
        Some(Spending::NoFunds) => (Some("no_funds"), None),
        // The answer to another spending of that id; it has no row of its own.
        Some(Spending::OtherSpend) => return Err(corrupt("outcome", "other_spend")),
    };
    sqlx::query(
        "INSERT INTO spend (id, fan, shard, amount, kind, host, host_share_bps, at_unix_ms,
             outcome, taken_paid, taken_promo)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT (id) DO UPDATE SET fan = excluded.fan, amount = excluded.amount,
             kind = excluded.kind, host = excluded.host, outcome = excluded.outcome,
             taken_paid = excluded.taken_paid, taken_promo = excluded.taken_promo",
    )
    .bind(spend.id.0)
    .bind(spend.fan.as_str())
    .bind(shard(Shard::of(&spend.fan)))
    .bind(micro(spend.amount))
    .bind(kind)
    .bind(gift.map(|(host, _)| host))
    .bind(gift.map(|(_, share)| share))
    .bind(integer(spend.at.0))
    .bind(outcome)
    .bind(taken.map(|coins| micro(coins.paid)))
    .bind(taken.map(|coins| micro(coins.promo)))
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) fn spend(row: &PgRow) -> Result<SpendRow, Error> {
    let kind = match row.try_get("kind")? {
        "gift" => {
            SpendKind::Gift { host: row.user("host")?, host_share: row.share("host_share_bps")? }
        }
        "chargeback" => SpendKind::Chargeback,
        other => return Err(corrupt("kind", other)),
    };
    let outcome = match row.try_get("outcome")? {
        None => None,
        Some("taken") => {
            let coins: Coins = row.coins("taken_paid", "taken_promo")?;
            Some(Spending::Taken { coins, funds: MicroCoins::ZERO })
        }
        Some("no_funds") => Some(Spending::NoFunds),
        Some(other) => return Err(corrupt("outcome", other)),
    };
    let spend = Spend {
        id: SpendId(row.uuid("id")?),
        fan: row.user("fan")?,
        amount: row.money("amount")?,
        kind,
        at: row.at("at_unix_ms")?,
    };
    Ok(SpendRow { spend, outcome })
}
