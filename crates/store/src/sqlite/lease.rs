//! Who holds which shard, by the clock of this machine.

use super::row::{Columns, integer, json, shards};
use crate::{Epoch, Error, Lease};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use units::{ElapsedMs, MeterId, Shard};

/// Unix time in milliseconds, as an expression.
macro_rules! now {
    () => {
        "CAST(unixepoch('subsec') * 1000 AS INTEGER)"
    };
}

/// Leases end within a thousand years, so that sums of times stay within 64 bits.
const TTL_MAX: u64 = 31_557_600_000_000;

fn ttl_ms(ttl: ElapsedMs) -> i64 {
    integer(ttl.0.min(TTL_MAX))
}

/// Lets go of whatever an earlier process held: the lock file says that it is gone.
pub(super) async fn forget(tx: &mut SqliteConnection) -> Result<(), Error> {
    sqlx::query("UPDATE shard SET owner = NULL WHERE owner IS NOT NULL").execute(&mut *tx).await?;
    sqlx::query("DELETE FROM meter").execute(tx).await?;
    Ok(())
}

pub(super) async fn claim(
    tx: &mut SqliteConnection,
    owner: MeterId,
    count: u16,
    ttl: ElapsedMs,
) -> Result<Vec<Lease>, Error> {
    let rows = sqlx::query(concat!(
        "UPDATE shard SET epoch = epoch + 1, owner = ?1, until_unix_ms = ",
        now!(),
        " + ?3 WHERE shard IN (
              SELECT shard FROM shard WHERE owner IS NULL OR until_unix_ms <= ",
        now!(),
        " ORDER BY shard LIMIT ?2) RETURNING shard, epoch"
    ))
    .bind(owner.0)
    .bind(count)
    .bind(ttl_ms(ttl))
    .fetch_all(tx)
    .await?;
    let mut leases: Vec<Lease> = rows.iter().map(lease).collect::<Result<_, _>>()?;
    leases.sort_by_key(|lease| lease.shard);
    Ok(leases)
}

pub(super) async fn renew(
    tx: &mut SqliteConnection,
    owner: MeterId,
    ttl: ElapsedMs,
) -> Result<(Vec<Lease>, u16), Error> {
    sqlx::query(concat!("DELETE FROM meter WHERE until_unix_ms <= ", now!()))
        .execute(&mut *tx)
        .await?;
    sqlx::query(concat!(
        "INSERT INTO meter (id, until_unix_ms) VALUES (?1, ",
        now!(),
        " + ?2) ON CONFLICT (id) DO UPDATE SET until_unix_ms = excluded.until_unix_ms"
    ))
    .bind(owner.0)
    .bind(ttl_ms(ttl))
    .execute(&mut *tx)
    .await?;
    let rows = sqlx::query(concat!(
        "UPDATE shard SET until_unix_ms = ",
        now!(),
        " + ?2 WHERE owner = ?1 AND until_unix_ms > ",
        now!(),
        " RETURNING shard, epoch"
    ))
    .bind(owner.0)
    .bind(ttl_ms(ttl))
    .fetch_all(&mut *tx)
    .await?;
    let owners: i64 = sqlx::query_scalar("SELECT count(*) FROM meter").fetch_one(tx).await?;
    let leases = rows.iter().map(lease).collect::<Result<_, _>>()?;
    Ok((leases, u16::try_from(owners).unwrap_or(u16::MAX)))
}

/// Frees shards. Who holds none afterwards counts as gone until it renews again, so that the others
/// take all that it leaves.
pub(super) async fn release(
    tx: &mut SqliteConnection,
    owner: MeterId,
    list: &[Shard],
) -> Result<(), Error> {
    sqlx::query(
        "UPDATE shard SET owner = NULL
         WHERE owner = ?1 AND shard IN (SELECT value FROM json_each(?2))",
    )
    .bind(owner.0)
    .bind(shards(list))
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "DELETE FROM meter WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM shard WHERE owner = ?1)",
    )
    .bind(owner.0)
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) async fn fence(
    tx: &mut SqliteConnection,
    epochs: &[(Shard, Epoch)],
) -> Result<(), Error> {
    let asked = json(epochs.iter().map(|(shard, epoch)| (shard.number(), epoch.0)));
    let later = sqlx::query(
        "SELECT shard.shard, shard.epoch FROM json_each(?1) AS key
         CROSS JOIN shard ON shard.shard = key.value ->> 0
         WHERE shard.epoch <> key.value ->> 1 LIMIT 1",
    )
    .bind(asked)
    .fetch_optional(tx)
    .await?;
    match later {
        Some(row) => Err(Error::Fenced(lease(&row)?.shard)),
        None => Ok(()),
    }
}

fn lease(row: &SqliteRow) -> Result<Lease, Error> {
    let number = row.number("shard")?;
    let shard = u16::try_from(number).ok().and_then(Shard::new);
    let shard = shard.ok_or_else(|| super::row::corrupt("shard", number))?;
    Ok(Lease { shard, epoch: Epoch(row.number("epoch")?) })
}
