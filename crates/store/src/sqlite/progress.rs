//! What calls were charged and proved so far, and how they ended. A batch is one statement.

use super::evidence;
use super::row::{hex, integer, json, micro};
use crate::Error;
use crate::ledger::CallRow;
use billing_core::Checkpoint;
use sqlx::sqlite::SqliteConnection;
use units::UnixMs;

pub(super) async fn checkpoint(
    tx: &mut SqliteConnection,
    at: UnixMs,
    rows: &[Checkpoint],
) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    if rows.iter().any(|row| !row.evidence.is_empty()) {
        evidence::insert(tx, rows).await?;
    }
    let values = json(rows.iter().map(|row| {
        let next = row.evidence.last().map_or(0, |last| i64::from(last.n) + 1);
        let (media, video) = (integer(row.proven.media.0), integer(row.proven.video.0));
        (hex(row.call.0), media, video, micro(row.charged.paid), micro(row.charged.promo), next)
    }));
    sqlx::query(
        "UPDATE live_call SET
             seen_at_unix_ms = max(seen_at_unix_ms, ?2),
             media_ms = max(media_ms, g.media),
             video_ms = max(video_ms, g.video),
             charged_paid = iif(g.paid >= charged_paid AND g.promo >= charged_promo,
                 g.paid, charged_paid),
             charged_promo = iif(g.paid >= charged_paid AND g.promo >= charged_promo,
                 g.promo, charged_promo),
             evidence_n = max(evidence_n, g.next_n)
         FROM (SELECT unhex(value ->> 0) AS id, value ->> 1 AS media, value ->> 2 AS video,
                   value ->> 3 AS paid, value ->> 4 AS promo, value ->> 5 AS next_n
               FROM json_each(?1)) AS g
         WHERE live_call.id = g.id",
    )
    .bind(values)
    .bind(integer(at.0))
    .execute(tx)
    .await?;
    Ok(())
}

/// Of a call that has ended, the progress moves into the call, where nothing changes it any more.
pub(super) async fn put(tx: &mut SqliteConnection, rows: &[CallRow]) -> Result<(), Error> {
    for row in rows {
        let live = &row.live;
        let written = sqlx::query(
            "UPDATE call SET seen_at_unix_ms = ?2, media_ms = ?3, video_ms = ?4,
                 charged_paid = ?5, charged_promo = ?6, evidence_n = ?7, posted_paid = ?8,
                 posted_promo = ?9, settlements = ?10, ended_at_unix_ms = ?11, reason = ?12
             WHERE id = ?1",
        )
        .bind(live.call.0)
        .bind(integer(live.seen_at.0))
        .bind(integer(live.proven.media.0))
        .bind(integer(live.proven.video.0))
        .bind(micro(live.charged.paid))
        .bind(micro(live.charged.promo))
        .bind(live.records)
        .bind(micro(row.posted.paid))
        .bind(micro(row.posted.promo))
        .bind(row.settlements)
        .bind(row.end.map(|end| integer(end.at.0)))
        .bind(row.end.map(|end| end.reason.name()))
        .execute(&mut *tx)
        .await?;
        if written.rows_affected() != 1 {
            return Err(sqlx::Error::RowNotFound.into());
        }
        let progress = if row.end.is_some() {
            sqlx::query("DELETE FROM live_call WHERE id = ?1").bind(live.call.0)
        } else {
            sqlx::query(
                "UPDATE live_call SET (seen_at_unix_ms, media_ms, video_ms, charged_paid,
                     charged_promo, evidence_n) =
                     (SELECT seen_at_unix_ms, media_ms, video_ms, charged_paid, charged_promo,
                          evidence_n FROM call WHERE call.id = ?1)
                 WHERE id = ?1",
            )
            .bind(live.call.0)
        };
        progress.execute(&mut *tx).await?;
    }
    Ok(())
}
