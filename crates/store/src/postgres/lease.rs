//! Which server may write which shards (BILLING.md, rule 52): leases on the database's clock, and
//! the fence that keeps an earlier owner's late writes out.

use super::row::{Columns, shard, shards};
use crate::{Epoch, Error, Lease};
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgPool, PgRow};
use std::collections::BTreeMap;
use units::{ElapsedMs, MeterId, Shard};

/// Takes up to `count` free shards. Two servers that claim at once pass over each other's rows, and
/// over those whose earlier owner is writing at this moment.
pub(super) async fn claim(
    pool: &PgPool,
    owner: MeterId,
    count: u16,
    ttl: ElapsedMs,
) -> Result<Vec<Lease>, Error> {
    let rows = sqlx::query(
        "WITH free AS (
             SELECT shard FROM shard
             WHERE owner IS NULL OR expires_at <= clock_timestamp()
             ORDER BY shard LIMIT $2 FOR UPDATE SKIP LOCKED
         )
         UPDATE shard SET epoch = epoch + 1, owner = $1,
             expires_at = clock_timestamp() + $3 * INTERVAL '1 millisecond'
         FROM free WHERE shard.shard = free.shard
         RETURNING shard.shard, shard.epoch",
    )
    .bind(owner.0)
    .bind(i64::from(count))
    .bind(milliseconds(ttl))
    .fetch_all(pool)
    .await?;
    leases(&rows)
}

/// Prolongs the leases that have not run out, and counts the servers that have renewed within
/// their own time, with or without shards. A lease that ran out is lost, though nobody else has
/// taken it yet.
pub(super) async fn renew(
    pool: &PgPool,
    owner: MeterId,
    ttl: ElapsedMs,
) -> Result<(Vec<Lease>, u16), Error> {
    let rows = sqlx::query(
        "WITH gone AS (
             DELETE FROM meter WHERE id IN (
                 SELECT id FROM meter WHERE expires_at <= clock_timestamp() AND id <> $1
                 FOR UPDATE SKIP LOCKED)
         ), here AS (
             INSERT INTO meter
             VALUES ($1, clock_timestamp() + $2 * INTERVAL '1 millisecond')
             ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at
         )
         UPDATE shard SET expires_at = clock_timestamp() + $2 * INTERVAL '1 millisecond'
         WHERE owner = $1 AND expires_at > clock_timestamp()
         RETURNING shard, epoch",
    )
    .bind(owner.0)
    .bind(milliseconds(ttl))
    .fetch_all(pool)
    .await?;
    let owners: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM meter WHERE id = $1 OR expires_at > clock_timestamp()",
    )
    .bind(owner.0)
    .fetch_one(pool)
    .await?;
    Ok((leases(&rows)?, u16::try_from(owners).unwrap_or(u16::MAX)))
}

/// Frees shards. Who holds none afterwards counts as gone until it renews again, so that the others
/// take all that it leaves.
pub(super) async fn release(pool: &PgPool, owner: MeterId, list: &[Shard]) -> Result<(), Error> {
    let release = "WITH freed AS (
             UPDATE shard SET owner = NULL WHERE owner = $1 AND shard = ANY($2)
         )
         DELETE FROM meter WHERE id = $1
         AND NOT EXISTS (SELECT FROM shard WHERE owner = $1 AND shard <> ALL($2))";
    sqlx::query(release).bind(owner.0).bind(shards(list)).execute(pool).await?;
    Ok(())
}

/// Locks the shards' epochs if they are these. `KEY SHARE` keeps a claim out, which takes the
/// strongest lock, but not a renewal: that changes the time alone.
pub(super) async fn fence(tx: &mut PgConnection, epochs: &[(Shard, Epoch)]) -> Result<(), Error> {
    let wanted: Vec<i16> = epochs.iter().map(|(of, _)| shard(*of)).collect();
    let rows = sqlx::query(
        "SELECT shard, epoch FROM shard WHERE shard = ANY($1) ORDER BY shard FOR KEY SHARE",
    )
    .bind(wanted)
    .fetch_all(tx)
    .await?;
    let found: BTreeMap<Shard, Epoch> =
        leases(&rows)?.into_iter().map(|lease| (lease.shard, lease.epoch)).collect();
    match epochs.iter().find(|(shard, epoch)| found.get(shard) != Some(epoch)) {
        None => Ok(()),
        Some((shard, _)) => Err(Error::Fenced(*shard)),
    }
}

fn leases(rows: &[PgRow]) -> Result<Vec<Lease>, Error> {
    let lease = |row: &PgRow| {
        let number: i16 = row.try_get("shard")?;
        let shard = u16::try_from(number).ok().and_then(Shard::new);
        let shard = shard.ok_or_else(|| super::row::corrupt("shard", number))?;
        Ok(Lease { shard, epoch: Epoch(row.number("epoch")?) })
    };
    let mut leases = rows.iter().map(lease).collect::<Result<Vec<_>, Error>>()?;
    leases.sort_unstable();
    Ok(leases)
}

/// For multiplying an interval: a span beyond a century would not be one that PostgreSQL knows.
fn milliseconds(span: ElapsedMs) -> i32 {
    i32::try_from(span.0).unwrap_or(i32::MAX)
}
