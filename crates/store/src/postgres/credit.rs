//! Credits: coins that came into a wallet, once per id.

use super::row::{Columns, corrupt, micro, shard};
use crate::{CreditRow, Error};
use billing_core::{Credit, CreditKind};
use serde_json::{Map, Value};
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};
use units::{CallId, Coins, Shard};
use uuid::Uuid;

/// The columns that make up a [`CreditKind`]; null where the kind has none such.
const KIND: [&str; 4] = ["kind", "call", "payer", "reason"];

pub(super) async fn read(tx: &mut PgConnection, id: &str) -> Result<Option<CreditRow>, Error> {
    let row = sqlx::query("SELECT * FROM credit WHERE id = $1").bind(id).fetch_optional(tx).await?;
    row.as_ref().map(credit).transpose()
}

pub(super) async fn insert(tx: &mut PgConnection, row: &CreditRow) -> Result<(), Error> {
    let CreditRow { credit, coins } = row;
    let kind = serde_json::to_value(&credit.kind).expect("a kind of credit is plain data");
    let [name, _, payer, reason] = KIND.map(|column| kind[column].as_str());
    let call = match &credit.kind {
        CreditKind::Purchase | CreditKind::Promo => None,
        CreditKind::Refund { call, .. } => Some(call.0),
    };
    sqlx::query(
        "INSERT INTO credit
             (id, user_id, shard, amount, paid, promo, kind, call_id, payer, reason, at_unix_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(&credit.id)
    .bind(credit.user.as_str())
    .bind(shard(Shard::of(&credit.user)))
    .bind(micro(credit.amount))
    .bind(micro(coins.paid))
    .bind(micro(coins.promo))
    .bind(name)
    .bind(call)
    .bind(payer)
    .bind(reason)
    .bind(super::row::integer(credit.at.0))
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) async fn refunded(tx: &mut PgConnection, call: CallId) -> Result<Coins, Error> {
    let row = sqlx::query(
        "SELECT COALESCE(sum(paid), 0)::bigint AS paid, COALESCE(sum(promo), 0)::bigint AS promo
         FROM credit WHERE call_id = $1",
    )
    .bind(call.0)
    .fetch_one(tx)
    .await?;
    coins(&row)
}

fn coins(row: &PgRow) -> Result<Coins, Error> {
    Ok(Coins { paid: row.money("paid")?, promo: row.money("promo")? })
}

pub(super) fn credit(row: &PgRow) -> Result<CreditRow, Error> {
    let call: Option<Uuid> = row.try_get("call_id")?;
    let mut fields = Map::new();
    for column in KIND {
        let value = match column {
            "call" => call.map(|call| call.to_string()),
            column => row.try_get(column)?,
        };
        fields.extend(value.map(|value| (column.to_owned(), Value::String(value))));
    }
    let written = Value::Object(fields);
    let credit = Credit {
        id: row.text("id")?,
        user: row.user("user_id")?,
        amount: row.money("amount")?,
        kind: serde_json::from_value(written.clone()).map_err(|_| corrupt("kind", written))?,
        at: row.at("at_unix_ms")?,
    };
    Ok(CreditRow { credit, coins: coins(row)? })
}
