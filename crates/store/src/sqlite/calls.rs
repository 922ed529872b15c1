//! Calls: opened, raised, settled.

use super::row::{CallRow, integer, money, number, parsed};
use super::wallets::{self, Wallet};
use crate::{Error, LiveCall};
use billing_core::{
    Applied, OpenCall, Opening, Settled, Settlement, Target, advance, call_postings,
};
use serde_json::json;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use std::collections::BTreeMap;
use units::{CallId, ElapsedMs, MicroCoins, UnixMs, UserId};

pub(super) async fn read(
    db: &mut SqliteConnection,
    call: CallId,
) -> Result<Option<CallRow>, Error> {
    let row = sqlx::query("SELECT * FROM call WHERE id = ?")
        .bind(call.to_string())
        .fetch_optional(db)
        .await?;
    row.map(CallRow::try_from).transpose()
}

/// A row of `call` that can't be read.
#[derive(Debug)]
pub(super) struct Broken {
    /// Its id, as it stands there.
    pub(super) call: String,
    pub(super) error: Error,
}

/// Every open call; apart from them, those that can't be read.
pub(super) async fn open_calls(
    db: &mut SqliteConnection,
) -> Result<(Vec<LiveCall>, Vec<Broken>), Error> {
    let rows =
        sqlx::query("SELECT * FROM call WHERE reason IS NULL ORDER BY id").fetch_all(db).await?;
    let (mut live, mut broken) = (Vec::new(), Vec::new());
    for row in rows {
        let call = row.try_get("id")?;
        match CallRow::try_from(row) {
            Ok(row) => live.push(row.live),
            Err(error) => broken.push(Broken { call, error }),
        }
    }
    Ok((live, broken))
}

pub(super) async fn open(db: &mut SqliteConnection, open: &OpenCall) -> Result<Opening, Error> {
    let terms = &open.terms;
    let funds = wallets::read(db, &terms.fan).await?.funds();
    if let Some(known) = read(db, open.call).await? {
        if known.live.terms != *terms {
            return Ok(Opening::OtherTerms);
        }
        let (charged, media) = (known.live.charged, known.live.media);
        return Ok(match known.receipt() {
            Some(receipt) => Opening::Settled(receipt),
            None => Opening::Open { charged, media, funds },
        });
    }
    if funds < open.minimum {
        return Ok(Opening::NoFunds);
    }
    wallets::ensure(db, &terms.fan).await?;
    sqlx::query(
        "INSERT INTO call (id, fan, host, medium, rate_per_minute, free_ms, host_share_bps,
                           opened_at_unix_ms, seen_at_unix_ms, media_ms, charged)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, 0, 0)",
    )
    .bind(open.call.to_string())
    .bind(terms.fan.as_str())
    .bind(terms.host.as_str())
    .bind(terms.medium.name())
    .bind(integer(terms.tariff.rate.micro_per_minute()))
    .bind(integer(terms.tariff.free.0))
    .bind(terms.host_share.bps())
    .bind(integer(open.at.0))
    .execute(db)
    .await?;
    Ok(Opening::Open { charged: MicroCoins::ZERO, media: ElapsedMs::ZERO, funds })
}

/// Open calls and the wallets they draw on, as they are at the start of a transaction.
#[derive(Default)]
struct Drawn {
    calls: BTreeMap<CallId, (UserId, MicroCoins, ElapsedMs)>,
    wallets: BTreeMap<UserId, Wallet>,
}

impl Drawn {
    async fn read(db: &mut SqliteConnection, targets: &[Target]) -> Result<Self, Error> {
        let ids: Vec<String> = targets.iter().map(|target| target.call.to_string()).collect();
        let rows = sqlx::query(
            "SELECT call.id, call.fan, call.charged, call.media_ms, wallet.credited, wallet.spent
             FROM json_each(?) AS target
             CROSS JOIN call ON call.id = target.value AND call.reason IS NULL
             JOIN wallet ON wallet.user = call.fan",
        )
        .bind(json!(ids).to_string())
        .fetch_all(db)
        .await?;
        let mut drawn = Self::default();
        for row in &rows {
            // One broken row must not stop the others' charges: its call counts as not there.
            if let Err(error) = drawn.add(row) {
                let call: String = row.try_get("id")?;
                tracing::error!(call, %error, "an open call can't be charged");
            }
        }
        Ok(drawn)
    }

    fn add(&mut self, row: &SqliteRow) -> Result<(), Error> {
        let fan: UserId = parsed(row, "fan")?;
        let wallet = Wallet { credited: money(row, "credited")?, spent: money(row, "spent")? };
        let media = ElapsedMs(number(row, "media_ms")?);
        self.calls.insert(parsed(row, "id")?, (fan.clone(), money(row, "charged")?, media));
        self.wallets.insert(fan, wallet);
        Ok(())
    }

    fn raise(&mut self, target: &Target) {
        let Some((fan, charged, media)) = self.calls.get_mut(&target.call) else { return };
        let Some(wallet) = self.wallets.get_mut(fan) else { return };
        let raised = advance(*charged, target.charge, wallet.funds());
        let debit = raised.saturating_sub(*charged);
        wallet.spent = wallet.spent.checked_add(debit).expect("a debit is at most the funds");
        *charged = raised;
        *media = (*media).max(target.media);
    }

    async fn write(&self, db: &mut SqliteConnection, at: Option<UnixMs>) -> Result<(), Error> {
        let calls: Vec<_> = self
            .calls
            .iter()
            .map(|(call, (_, charged, media))| json!([call, charged, integer(media.0)]))
            .collect();
        sqlx::query(
            "UPDATE call SET charged = new.value ->> 1, media_ms = new.value ->> 2,
                             seen_at_unix_ms = coalesce(?2, seen_at_unix_ms)
             FROM json_each(?1) AS new WHERE call.id = new.value ->> 0",
        )
        .bind(json!(calls).to_string())
        .bind(at.map(|at| integer(at.0)))
        .execute(&mut *db)
        .await?;
        let wallets: Vec<_> =
            self.wallets.iter().map(|(user, wallet)| json!([user, wallet.spent])).collect();
        sqlx::query(
            "UPDATE wallet SET spent = new.value ->> 1
             FROM json_each(?) AS new WHERE wallet.user = new.value ->> 0",
        )
        .bind(json!(wallets).to_string())
        .execute(&mut *db)
        .await?;
        Ok(())
    }
}

/// Raises open calls towards their targets; notes `at` as when they were seen.
pub(super) async fn raise(
    db: &mut SqliteConnection,
    at: Option<UnixMs>,
    targets: &[Target],
) -> Result<Applied, Error> {
    let mut drawn = Drawn::read(db, targets).await?;
    targets.iter().for_each(|target| drawn.raise(target));
    drawn.write(db, at).await?;
    let charged = drawn.calls.into_iter().map(|(call, (_, charged, _))| (call, charged)).collect();
    let funds = drawn.wallets.into_iter().map(|(user, wallet)| (user, wallet.funds())).collect();
    Ok(Applied { charged, funds })
}

pub(super) async fn settle(
    db: &mut SqliteConnection,
    settlement: &Settlement,
) -> Result<Option<Settled>, Error> {
    let call = settlement.target.call;
    let Some(known) = read(db, call).await? else { return Ok(None) };
    if !known.is_settled() {
        raise(db, None, &[settlement.target]).await?;
        sqlx::query("UPDATE call SET reason = ?, ended_at_unix_ms = ? WHERE id = ?")
            .bind(settlement.reason.name())
            .bind(integer(settlement.ended_at.0))
            .bind(call.to_string())
            .execute(&mut *db)
            .await?;
    }
    let Some(receipt) = read(db, call).await?.and_then(CallRow::receipt) else { return Ok(None) };
    if !known.is_settled() {
        wallets::post(db, call_postings(&receipt)).await?;
    }
    let funds = wallets::read(db, &receipt.terms.fan).await?.funds();
    Ok(Some(Settled { receipt, funds }))
}
