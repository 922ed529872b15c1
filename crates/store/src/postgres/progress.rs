//! What calls were charged and proved so far, and how they ended. A batch is one statement.

use super::evidence;
use super::row::{integer, micro};
use crate::Error;
use crate::ledger::CallRow;
use billing_core::Checkpoint;
use sqlx::postgres::PgConnection;
use units::UnixMs;

pub(super) async fn checkpoint(
    tx: &mut PgConnection,
    at: UnixMs,
    rows: &[Checkpoint],
) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    evidence::insert(tx, rows).await?;
    let column = |value: fn(&Checkpoint) -> i64| rows.iter().map(value).collect::<Vec<_>>();
    sqlx::query(
        "UPDATE live_call l SET
             seen_at_unix_ms = GREATEST(l.seen_at_unix_ms, $7),
             media_ms = GREATEST(l.media_ms, g.media),
             video_ms = GREATEST(l.video_ms, g.video),
             charged_paid = CASE WHEN g.paid >= l.charged_paid AND g.promo >= l.charged_promo
                 THEN g.paid ELSE l.charged_paid END,
             charged_promo = CASE WHEN g.paid >= l.charged_paid AND g.promo >= l.charged_promo
                 THEN g.promo ELSE l.charged_promo END,
             evidence_n = GREATEST(l.evidence_n, g.next_n)
         FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],
             $6::bigint[]) AS g (id, media, video, paid, promo, next_n)
         WHERE l.id = g.id",
    )
    .bind(rows.iter().map(|row| row.call.0).collect::<Vec<_>>())
    .bind(column(|row| integer(row.proven.media.0)))
    .bind(column(|row| integer(row.proven.video.0)))
    .bind(column(|row| micro(row.charged.paid)))
    .bind(column(|row| micro(row.charged.promo)))
    .bind(column(|row| row.evidence.last().map_or(0, |last| i64::from(last.n) + 1)))
    .bind(integer(at.0))
    .execute(tx)
    .await?;
    Ok(())
}

/// Of a call that has ended, the progress moves into the call, where nothing changes it any more.
pub(super) async fn put(tx: &mut PgConnection, rows: &[CallRow]) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let column = |value: fn(&CallRow) -> i64| rows.iter().map(value).collect::<Vec<_>>();
    let written = sqlx::query(
        "WITH given AS (
             SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[],
                 $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[],
                 $10::bigint[], $11::bigint[], $12::text[])
             AS g (id, seen_at, media, video, paid, promo, evidence_n, posted_paid, posted_promo,
                 settlements, ended_at, reason)
         ), raised AS (
             UPDATE live_call l SET seen_at_unix_ms = g.seen_at, media_ms = g.media,
                 video_ms = g.video, charged_paid = g.paid, charged_promo = g.promo,
                 evidence_n = GREATEST(l.evidence_n, g.evidence_n)
             FROM given g WHERE l.id = g.id AND g.reason IS NULL
         ), closed AS (
             DELETE FROM live_call l USING given g WHERE l.id = g.id AND g.reason IS NOT NULL
             RETURNING l.id, l.evidence_n
         )
         UPDATE call c SET seen_at_unix_ms = g.seen_at, media_ms = g.media, video_ms = g.video,
             charged_paid = g.paid, charged_promo = g.promo,
             evidence_n = GREATEST(closed.evidence_n, g.evidence_n),
             posted_paid = g.posted_paid, posted_promo = g.posted_promo,
             settlements = g.settlements, ended_at_unix_ms = g.ended_at, reason = g.reason
         FROM given g LEFT JOIN closed ON closed.id = g.id WHERE c.id = g.id",
    )
    .bind(rows.iter().map(|row| row.live.call.0).collect::<Vec<_>>())
    .bind(column(|row| integer(row.live.seen_at.0)))
    .bind(column(|row| integer(row.live.proven.media.0)))
    .bind(column(|row| integer(row.live.proven.video.0)))
    .bind(column(|row| micro(row.live.charged.paid)))
    .bind(column(|row| micro(row.live.charged.promo)))
    .bind(column(|row| i64::from(row.live.records)))
    .bind(column(|row| micro(row.posted.paid)))
    .bind(column(|row| micro(row.posted.promo)))
    .bind(column(|row| i64::from(row.settlements)))
    .bind(rows.iter().map(|row| row.end.map(|end| integer(end.at.0))).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.end.map(|end| end.reason.name())).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    let expected = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    if written.rows_affected() == expected { Ok(()) } else { Err(sqlx::Error::RowNotFound.into()) }
}
