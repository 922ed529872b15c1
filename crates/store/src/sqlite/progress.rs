//! What calls were charged and proved so far, and how they ended. Progress is written
//! every second of every open call: what this costs is what bounds a machine's calls.

use super::batch::{batches, values};
use super::evidence;
use super::live_rows::LiveRows;
use super::row::{integer, micro};
use crate::Error;
use crate::ledger::CallRow;
use billing_core::Checkpoint;
use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;
use units::{CallId, UnixMs};

/// What a row binds.
const VALUES: &str = "(?,?,?,?,?,?)";

pub(super) async fn checkpoint(
    tx: &mut SqliteConnection,
    known: &LiveRows,
    learned: &mut Vec<(CallId, i64)>,
    at: UnixMs,
    rows: &[Checkpoint],
) -> Result<(), Error> {
    if rows.iter().any(|row| !row.evidence.is_empty()) {
        evidence::insert(tx, rows).await?;
    }
    let mut places = known.places(tx, learned, rows).await?;
    // In the order of the table, a page is found once for all its rows.
    places.sort_unstable_by_key(|(n, _)| *n);
    for batch in batches(&places) {
        raise(tx, at, batch).await?;
    }
    Ok(())
}

async fn raise(
    tx: &mut SqliteConnection,
    at: UnixMs,
    rows: &[(i64, &Checkpoint)],
) -> Result<(), Error> {
    let values = values(VALUES, rows.len());
    let sql = format!(
        "UPDATE live_call SET
             seen_at_unix_ms = max(seen_at_unix_ms, ?),
             media_ms = max(media_ms, g.column2),
             video_ms = max(video_ms, g.column3),
             charged_paid = iif(g.column4 >= charged_paid AND g.column5 >= charged_promo,
                 g.column4, charged_paid),
             charged_promo = iif(g.column4 >= charged_paid AND g.column5 >= charged_promo,
                 g.column5, charged_promo),
             evidence_n = max(evidence_n, g.column6)
         FROM (VALUES {values}) AS g
         WHERE live_call.n = g.column1"
    );
    let mut query = sqlx::query(AssertSqlSafe(sql)).bind(integer(at.0));
    for (n, row) in rows {
        let next = row.evidence.last().map_or(0, |last| i64::from(last.n) + 1);
        query = query
            .bind(*n)
            .bind(integer(row.proven.media.0))
            .bind(integer(row.proven.video.0))
            .bind(micro(row.charged.paid))
            .bind(micro(row.charged.promo))
            .bind(next);
    }
    query.execute(tx).await?;
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
