//! What calls were charged and proved so far, and how they ended. Progress is written
//! every second of every open call: what this costs is what bounds a machine's calls.

use super::batch::{batches, values};
use super::evidence;
use super::live_rows::HeldRows;
use super::row::{integer, micro};
use crate::Error;
use crate::ledger::CallRow;
use billing_core::Checkpoint;
use futures::future::join;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Arguments, AssertSqlSafe};
use units::UnixMs;

/// What a row binds.
const VALUES: &str = "(?,?,?,?,?,?,?)";
const COLUMNS: usize = 7;

pub(super) async fn checkpoint(
    tx: &mut SqliteConnection,
    live: &mut HeldRows,
    at: UnixMs,
    rows: &[Checkpoint],
) -> Result<(), Error> {
    if rows.iter().any(|row| !row.evidence.is_empty()) {
        evidence::insert(tx, rows).await?;
    }
    let mut places = live.places(tx, rows).await?;
    // In the order of the table, a page is found once for all its rows.
    places.sort_unstable_by_key(|(n, _)| *n);
    raise(tx, at, &places).await
}

/// Each row is there: a number is known only while its call is open. So this updates, by a statement
/// that costs half of what `UPDATE` does for as many rows.
async fn raise(
    tx: &mut SqliteConnection,
    at: UnixMs,
    places: &[(i64, &Checkpoint)],
) -> Result<(), Error> {
    let mut statements = batches(places).map(|rows| (raising(rows.len()), bound(at, rows)));
    let mut next = statements.next();
    while let Some((sql, values)) = next {
        let executed = sqlx::query_with(AssertSqlSafe(sql), values).execute(&mut *tx);
        // The database works in a thread of its own, so the next rows are put together meanwhile.
        let (done, following) = join(executed, async { statements.next() }).await;
        done?;
        next = following;
    }
    Ok(())
}

/// The statement that raises so many rows.
fn raising(rows: usize) -> String {
    let values = values(VALUES, rows);
    format!(
        "INSERT INTO progress (n, seen_at_unix_ms, media_ms, video_ms, charged_paid,
             charged_promo, evidence_n)
         VALUES {values}
         ON CONFLICT (n) DO UPDATE SET
             seen_at_unix_ms = max(seen_at_unix_ms, excluded.seen_at_unix_ms),
             media_ms = max(media_ms, excluded.media_ms),
             video_ms = max(video_ms, excluded.video_ms),
             charged_paid = iif(excluded.charged_paid >= charged_paid
                 AND excluded.charged_promo >= charged_promo, excluded.charged_paid, charged_paid),
             charged_promo = iif(excluded.charged_paid >= charged_paid
                 AND excluded.charged_promo >= charged_promo, excluded.charged_promo,
                 charged_promo),
             evidence_n = max(evidence_n, excluded.evidence_n)"
    )
}

/// What it binds.
fn bound(at: UnixMs, rows: &[(i64, &Checkpoint)]) -> SqliteArguments {
    let mut bound = SqliteArguments::default();
    bound.reserve(rows.len() * COLUMNS, 0);
    for (n, row) in rows {
        let next = row.evidence.last().map_or(0, |last| i64::from(last.n) + 1);
        let columns: [i64; COLUMNS] = [
            *n,
            integer(at.0),
            integer(row.proven.media.0),
            integer(row.proven.video.0),
            micro(row.charged.paid),
            micro(row.charged.promo),
            next,
        ];
        for value in columns {
            bound.add(value).expect("an integer is never refused");
        }
    }
    bound
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
            // Its progress goes with it.
            sqlx::query("DELETE FROM live_call WHERE id = ?1").bind(live.call.0)
        } else {
            sqlx::query(
                "UPDATE progress SET (seen_at_unix_ms, media_ms, video_ms, charged_paid,
                     charged_promo, evidence_n) =
                     (SELECT seen_at_unix_ms, media_ms, video_ms, charged_paid, charged_promo,
                          evidence_n FROM call WHERE call.id = ?1)
                 WHERE n = (SELECT n FROM live_call WHERE id = ?1)",
            )
            .bind(live.call.0)
        };
        progress.execute(&mut *tx).await?;
    }
    Ok(())
}
