//! Calls: their terms, and whatever is read of them.

use super::row::{Columns, corrupt, hex, integer, json, micro, shards};
use crate::Error;
use crate::ledger::CallRow;
use billing_core::{Change, End, EndReason, LiveCall, Proven, Tariff, Terms};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use units::{CallId, Medium, Rates, Shard, UserId};

/// Calls with the progress of those that are open.
macro_rules! calls {
    ($from:literal) => {
        concat!(
            "SELECT c.id, c.fan, c.host, c.medium, c.voice_per_minute, c.video_per_minute,
                 c.free_ms, c.pulse_ms, c.minimum_ms, c.connect_fee, c.host_share_bps,
                 c.changes, c.opened_at_unix_ms, c.posted_paid, c.posted_promo,
                 c.settlements, c.ended_at_unix_ms, c.reason,
                 COALESCE(p.seen_at_unix_ms, c.seen_at_unix_ms) AS seen_at_unix_ms,
                 COALESCE(p.media_ms, c.media_ms) AS media_ms,
                 COALESCE(p.video_ms, c.video_ms) AS video_ms,
                 COALESCE(p.charged_paid, c.charged_paid) AS charged_paid,
                 COALESCE(p.charged_promo, c.charged_promo) AS charged_promo,
                 COALESCE(p.evidence_n, c.evidence_n) AS evidence_n ",
            $from
        )
    };
}

const CALLS: &str = calls!(
    "FROM json_each(?1) AS key CROSS JOIN call c ON c.id = unhex(key.value)
     LEFT JOIN live_call l ON l.id = c.id LEFT JOIN progress p ON p.n = l.n ORDER BY c.id"
);

const OPEN: &str = calls!(
    "FROM json_each(?1) AS key CROSS JOIN live_call l ON l.shard = key.value
     CROSS JOIN call c ON c.id = l.id LEFT JOIN progress p ON p.n = l.n ORDER BY c.id"
);

const OPEN_OF: &str = calls!(
    "FROM json_each(?1) AS key CROSS JOIN live_call l ON l.fan = key.value
     CROSS JOIN call c ON c.id = l.id LEFT JOIN progress p ON p.n = l.n ORDER BY c.id"
);

pub(super) const OF_SHARD: &str = calls!(
    "FROM call c LEFT JOIN live_call l ON l.id = c.id LEFT JOIN progress p ON p.n = l.n
     WHERE c.shard = ?1 ORDER BY c.id"
);

pub(super) async fn read(tx: &mut SqliteConnection, ids: &[CallId]) -> Result<Vec<CallRow>, Error> {
    let ids = json(ids.iter().map(|id| hex(id.0)));
    let rows = sqlx::query(CALLS).bind(ids).fetch_all(tx).await?;
    rows.iter().map(call).collect()
}

pub(super) async fn open(tx: &mut SqliteConnection, list: &[Shard]) -> Result<Vec<CallRow>, Error> {
    let rows = sqlx::query(OPEN).bind(shards(list)).fetch_all(tx).await?;
    Ok(readable(&rows))
}

pub(super) async fn open_of(
    tx: &mut SqliteConnection,
    fans: &[UserId],
) -> Result<Vec<CallRow>, Error> {
    let rows = sqlx::query(OPEN_OF).bind(json(fans)).fetch_all(tx).await?;
    Ok(readable(&rows))
}

/// One that can't be read holds up no others.
fn readable(rows: &[SqliteRow]) -> Vec<CallRow> {
    let row = |row: &SqliteRow| match call(row) {
        Ok(call) => Some(call),
        Err(error) => {
            let call = row.uuid("id").unwrap_or_default();
            tracing::error!(%call, %error, "an open call can't be read; it stays open");
            None
        }
    };
    rows.iter().filter_map(row).collect()
}

pub(super) async fn insert(tx: &mut SqliteConnection, row: &CallRow) -> Result<(), Error> {
    let CallRow { live, posted, settlements, end } = row;
    let (terms, tariff) = (&live.terms, &live.terms.tariff);
    let changes = serde_json::to_string(&live.changes).expect("changes are plain data");
    sqlx::query(
        "INSERT INTO call (id, shard, fan, host, medium, voice_per_minute, video_per_minute,
             free_ms, pulse_ms, minimum_ms, connect_fee, host_share_bps, changes,
             opened_at_unix_ms, seen_at_unix_ms, media_ms, video_ms, charged_paid, charged_promo,
             evidence_n, posted_paid, posted_promo, settlements, ended_at_unix_ms, reason)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17,
             ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25)",
    )
    .bind(live.call.0)
    .bind(Shard::of(&terms.fan).number())
    .bind(terms.fan.as_str())
    .bind(terms.host.as_str())
    .bind(terms.medium.name())
    .bind(integer(tariff.rates.voice.micro_per_minute()))
    .bind(integer(tariff.rates.video.micro_per_minute()))
    .bind(integer(tariff.free.0))
    .bind(integer(tariff.pulse.0))
    .bind(integer(tariff.minimum.0))
    .bind(micro(tariff.connect_fee))
    .bind(terms.host_share.bps())
    .bind(changes)
    .bind(integer(live.opened_at.0))
    .bind(integer(live.seen_at.0))
    .bind(integer(live.proven.media.0))
    .bind(integer(live.proven.video.0))
    .bind(micro(live.charged.paid))
    .bind(micro(live.charged.promo))
    .bind(integer(live.records.into()))
    .bind(micro(posted.paid))
    .bind(micro(posted.promo))
    .bind(integer((*settlements).into()))
    .bind(end.map(|end| integer(end.at.0)))
    .bind(end.map(|end| end.reason.name()))
    .execute(&mut *tx)
    .await?;
    if end.is_none() {
        insert_progress(tx, live).await?;
    }
    Ok(())
}

async fn insert_progress(tx: &mut SqliteConnection, live: &LiveCall) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO live_call (id, shard, fan) SELECT id, shard, fan FROM call WHERE id = ?1",
    )
    .bind(live.call.0)
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "INSERT INTO progress (n, seen_at_unix_ms, media_ms, video_ms, charged_paid, charged_promo,
             evidence_n)
         SELECT n, seen_at_unix_ms, media_ms, video_ms, charged_paid, charged_promo, evidence_n
         FROM live_call JOIN call USING (id) WHERE id = ?1",
    )
    .bind(live.call.0)
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) async fn insert_change(
    tx: &mut SqliteConnection,
    call: CallId,
    change: &Change,
) -> Result<(), Error> {
    let change_text = serde_json::to_string(change).expect("a change is plain data");
    sqlx::query(
        "UPDATE call SET changes = json_insert(changes, '$[#]', json(?2))
         WHERE id = ?1 AND reason IS NULL
             AND NOT EXISTS (SELECT 1 FROM json_each(changes) WHERE value ->> 'n' = ?3)",
    )
    .bind(call.0)
    .bind(change_text)
    .bind(integer(change.n.into()))
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) fn call(row: &SqliteRow) -> Result<CallRow, Error> {
    let medium: &str = row.try_get("medium")?;
    let changes: &str = row.try_get("changes")?;
    let terms = Terms {
        fan: row.user("fan")?,
        host: row.user("host")?,
        medium: Medium::parse(medium).ok_or_else(|| corrupt("medium", medium))?,
        tariff: Tariff {
            rates: Rates {
                voice: row.rate("voice_per_minute")?,
                video: row.rate("video_per_minute")?,
            },
            free: row.ms("free_ms")?,
            pulse: row.ms("pulse_ms")?,
            minimum: row.ms("minimum_ms")?,
            connect_fee: row.money("connect_fee")?,
        },
        host_share: row.share("host_share_bps")?,
    };
    let reason: Option<&str> = row.try_get("reason")?;
    let end = match reason {
        None => None,
        Some(name) => Some(End {
            reason: EndReason::parse(name).ok_or_else(|| corrupt("reason", name))?,
            at: row.at("ended_at_unix_ms")?,
        }),
    };
    let live = LiveCall {
        call: CallId(row.uuid("id")?),
        terms,
        changes: serde_json::from_str(changes).map_err(|_| corrupt("changes", changes))?,
        opened_at: row.at("opened_at_unix_ms")?,
        seen_at: row.at("seen_at_unix_ms")?,
        proven: Proven { media: row.ms("media_ms")?, video: row.ms("video_ms")? },
        charged: row.coins("charged_paid", "charged_promo")?,
        records: row.count("evidence_n")?,
        last: None,
    };
    Ok(CallRow {
        live,
        posted: row.coins("posted_paid", "posted_promo")?,
        settlements: row.count("settlements")?,
        end,
    })
}
