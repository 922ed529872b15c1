//! The ledger of many servers: a PostgreSQL database.
//!
//! Transactions are `READ COMMITTED`: what one reads by id it locks, in the order of ids, so that
//! nothing it decided on changes before it commits. A batch is one statement, however many rows it
//! carries: each column travels as an array. `migrations/postgres/` has the tables, with checks and
//! triggers that refuse what would break the books.

mod audit;
mod call;
mod credit;
mod evidence;
mod lease;
mod month;
mod posting;
mod progress;
mod row;
mod spend;
mod transaction;
mod wallet;

pub use transaction::PostgresTx;

use crate::{Error, Lease, Ledger};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use std::str::FromStr;
use std::time::Duration;
use units::{ElapsedMs, MeterId, Shard};

/// Connections of one server. A meter's commands come one at a time, so that one writes while the
/// others read; more would only be more for the database to keep.
const CONNECTIONS: u32 = 8;

/// How long to wait for a connection, and for the database to come back. Less would fail what a
/// quick restart would have answered; more would let a tick wait for another.
const ACQUIRE_WITHIN: Duration = Duration::from_secs(5);

/// What holds for each session; milliseconds.
///
/// * A statement: the longest, an audit's of one shard, takes seconds; without a bound a blocked
///   one would hold its rows for as long as it is blocked.
/// * A lock: the longest wait behind another server's batch is a fraction of this.
/// * Idle within a transaction: a server that stops in the middle of one holds a fence, and so
///   keeps the shards' next owner waiting.
const SESSION: [(&str, &str); 3] = [
    ("statement_timeout", "30000"),
    ("lock_timeout", "5000"),
    ("idle_in_transaction_session_timeout", "10000"),
];

/// A ledger in a PostgreSQL database, which many servers may use at once.
///
/// Lost connections are replaced by themselves: what was under way fails with
/// [`Error::Database`], and what comes later finds the database again once it is there.
#[derive(Clone, Debug)]
pub struct Postgres {
    pool: PgPool,
}

impl Postgres {
    /// Connects to the database at `url` (`postgres://user:password@host/database`, with TLS by
    /// `?sslmode=verify-full`), and migrates it as needed; of several servers that start at once,
    /// one does.
    ///
    /// # Errors
    /// [`Error::Database`] if it can't be reached within 5 s, [`Error::Migration`] if it was
    /// written by a newer version.
    pub async fn open(url: &str) -> Result<Self, Error> {
        let pool = connect(options(url)?).await?;
        sqlx::migrate!("migrations/postgres").run(&pool).await?;
        let fsync: String = sqlx::query_scalar("SHOW fsync").fetch_one(&pool).await?;
        if fsync != "on" {
            tracing::warn!("the database runs with fsync={fsync}: a power failure loses money");
        }
        Ok(Self { pool })
    }

    /// Connects to read, beside servers that use the database; what would write is refused.
    ///
    /// # Errors
    /// [`Error::Database`] if it can't be reached within 5 s.
    pub async fn open_to_read(url: &str) -> Result<Self, Error> {
        let options = options(url)?.options([("default_transaction_read_only", "on")]);
        Ok(Self { pool: connect(options).await? })
    }

    /// Waits for what is under way, then closes all connections.
    pub async fn close(self) {
        self.pool.close().await;
    }
}

fn options(url: &str) -> Result<PgConnectOptions, Error> {
    Ok(PgConnectOptions::from_str(url)?.application_name("coinline").options(SESSION))
}

async fn connect(options: PgConnectOptions) -> Result<PgPool, Error> {
    Ok(PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(ACQUIRE_WITHIN)
        .after_connect(|connection, _| Box::pin(wait_for_the_disk(connection)))
        .connect_with(options)
        .await?)
}

impl Ledger for Postgres {
    type Tx = PostgresTx;

    async fn begin(&self) -> Result<PostgresTx, Error> {
        Ok(PostgresTx::new(self.pool.begin().await?))
    }

    async fn snapshot(&self) -> Result<PostgresTx, Error> {
        const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";
        Ok(PostgresTx::reading(self.pool.begin_with(BEGIN).await?))
    }

    async fn claim(&self, owner: MeterId, count: u16, ttl: ElapsedMs) -> Result<Vec<Lease>, Error> {
        lease::claim(&self.pool, owner, count, ttl).await
    }

    async fn renew(&self, owner: MeterId, ttl: ElapsedMs) -> Result<(Vec<Lease>, u16), Error> {
        lease::renew(&self.pool, owner, ttl).await
    }

    async fn release(&self, owner: MeterId, shards: &[Shard]) -> Result<(), Error> {
        lease::release(&self.pool, owner, shards).await
    }
}

/// Commits wait for the disk, whatever the server's default is; an operator's choice to wait for
/// replicas as well stays.
async fn wait_for_the_disk(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query(
        "SELECT set_config('synchronous_commit', 'on', false)
         WHERE current_setting('synchronous_commit') = 'off'",
    )
    .execute(connection)
    .await?;
    Ok(())
}
