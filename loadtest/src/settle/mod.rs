//! How fast the ledger takes what calls leave behind: checkpoints and postings, in batches through
//! [`store::Postgres`], on a PostgreSQL server of its own whose commits wait for the disk.
//!
//! Each figure stands beside a floor that is measured in the same run and in turn with it: a bare
//! insert of the same columns into a table without keys, checks or triggers, sent as arrays in
//! the same way. The machine's speed cancels out in the ratio.

mod floor;
mod report;
mod rows;

pub use report::{Figure, SettleReport};

use clap::Args;
use floor::{Columns, Floor};
use indicatif::ProgressBar;
use service_kit::Clock;
use sqlx::{Connection, PgConnection};
use store::{Ledger, Postgres, Transaction};
use units::UnixMs;

/// Rows that a statement carries. The goals are set for these: fewer would measure round trips.
const ROWS_PER_STATEMENT: usize = 10_000;

/// How often each row is measured.
const ROUNDS: u64 = 5;

/// What to measure with.
#[derive(Args, Clone, Debug)]
pub struct SettleArgs {
    /// How many calls are open: each round writes one checkpoint and two postings of each.
    #[arg(long, default_value_t = 100_000, value_name = "N", value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    pub rows: u32,
    /// Prints the figures as JSON instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// What keeps the figures from being taken.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    #[error("the database server: {0}")]
    Server(#[from] test_servers::Error),
    #[error("the ledger: {0}")]
    Ledger(#[from] store::Error),
    #[error("the bare table: {0}")]
    Floor(#[from] sqlx::Error),
    /// The ledger took rows and does not have them.
    #[error("{expected} {what} were written, {found} are there")]
    Lost { what: &'static str, expected: u64, found: u64 },
}

/// Rows and the time that they took, in all rounds.
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    rows: u64,
    us: u64,
}

impl Taken {
    fn add(&mut self, rows: usize, us: u64) {
        self.rows += u64::try_from(rows).unwrap_or(u64::MAX);
        self.us += us;
    }

    fn per_second(self) -> u64 {
        self.rows * 1_000_000 / self.us.max(1)
    }
}

struct Bench<'a> {
    clock: Clock,
    ledger: Postgres,
    db: PgConnection,
    progress: &'a ProgressBar,
}

/// How far [`run`] lets the progress bar go.
#[must_use]
pub fn progress_length(args: &SettleArgs) -> u64 {
    u64::from(args.rows) * (1 + 3 * ROUNDS)
}

/// Takes all figures. The time between is shown on `progress`.
///
/// # Errors
/// [`SettleError::Server`] without PostgreSQL on this machine; otherwise what went wrong.
pub async fn run(args: &SettleArgs, progress: &ProgressBar) -> Result<SettleReport, SettleError> {
    progress.set_message("starting PostgreSQL");
    let server = test_servers::Postgres::start()?;
    let url = server.database()?;
    let ledger = Postgres::open(&url).await?;
    let db = PgConnection::connect(&url).await?;
    let mut bench = Bench { clock: Clock::start(), ledger, db, progress };
    let calls = u64::from(args.rows);
    bench.open(calls).await?;
    let (plain, plain_floor) = bench.checkpoints(calls, 0).await?;
    let (full, full_floor) = bench.checkpoints(calls, 10).await?;
    let (posted, posted_floor) = bench.postings(calls).await?;
    bench.check(calls).await?;
    bench.ledger.close().await;
    drop(server);
    let figure = |what, taken: Taken, floor: Taken, goal| Figure {
        what,
        rows: taken.rows,
        rows_per_second: taken.per_second(),
        floor_per_second: floor.per_second(),
        goal_per_second: goal,
    };
    Ok(SettleReport {
        rows_per_statement: ROWS_PER_STATEMENT,
        figures: vec![
            figure("checkpoints", plain, plain_floor, Some(150_000)),
            figure("checkpoints with 10 s of evidence", full, full_floor, None),
            figure("postings", posted, posted_floor, Some(70_000)),
        ],
    })
}

impl Bench<'_> {
    async fn open(&mut self, calls: u64) -> Result<(), SettleError> {
        self.progress.set_message("opening calls");
        let mut tx = self.ledger.begin().await?;
        for n in 0..calls {
            tx.insert_call(&rows::call(n)).await?;
            self.progress.inc(1);
        }
        Ok(tx.commit().await?)
    }

    async fn checkpoints(
        &mut self,
        calls: u64,
        records: u32,
    ) -> Result<(Taken, Taken), SettleError> {
        let with = if records == 0 { "checkpoints" } else { "checkpoints with evidence" };
        self.progress.set_message(with);
        let floor = Floor::new(&mut self.db, records > 0).await?;
        let (mut taken, mut bare) = (Taken::default(), Taken::default());
        for round in 0..ROUNDS {
            let all: Vec<_> = (0..calls).map(|n| rows::checkpoint(n, round, records)).collect();
            for batch in all.chunks(ROWS_PER_STATEMENT) {
                let start = self.clock.now_us();
                let mut tx = self.ledger.begin().await?;
                tx.checkpoint(UnixMs(round), batch).await?;
                tx.commit().await?;
                taken.add(batch.len(), self.clock.now_us().us_since(start));
                let columns = Columns::of_checkpoints(batch);
                let start = self.clock.now_us();
                floor.insert(&mut self.db, columns).await?;
                bare.add(batch.len(), self.clock.now_us().us_since(start));
                self.advance(batch.len());
            }
        }
        Ok((taken, bare))
    }

    async fn postings(&mut self, calls: u64) -> Result<(Taken, Taken), SettleError> {
        self.progress.set_message("postings");
        let floor = Floor::postings(&mut self.db).await?;
        let (mut taken, mut bare) = (Taken::default(), Taken::default());
        for round in 0..ROUNDS {
            let all: Vec<_> = (0..calls).flat_map(|n| rows::postings(n, round)).collect();
            for batch in all.chunks(ROWS_PER_STATEMENT) {
                let start = self.clock.now_us();
                let mut tx = self.ledger.begin().await?;
                tx.insert_postings(batch).await?;
                tx.commit().await?;
                taken.add(batch.len(), self.clock.now_us().us_since(start));
                let columns = Columns::of_postings(batch);
                let start = self.clock.now_us();
                floor.insert(&mut self.db, columns).await?;
                bare.add(batch.len(), self.clock.now_us().us_since(start));
                self.advance(batch.len() / 2);
            }
        }
        Ok((taken, bare))
    }

    /// Fast would be worth nothing if it were not there.
    async fn check(&mut self, calls: u64) -> Result<(), SettleError> {
        self.progress.set_message("checking");
        let last = rows::checkpoint(0, ROUNDS - 1, 0).charged.paid.micro();
        for (what, sql, expected) in [
            ("checkpoints", "SELECT count(*) FROM live_call WHERE charged_paid = $1", calls),
            ("runs of evidence", "SELECT count(*) FROM evidence WHERE $1 > 0", calls * ROUNDS),
            ("postings", "SELECT count(*) FROM posting WHERE $1 > 0", calls * ROUNDS * 2),
        ] {
            let last = i64::try_from(last).unwrap_or(i64::MAX);
            let found: i64 = sqlx::query_scalar(sql).bind(last).fetch_one(&mut self.db).await?;
            let found = u64::try_from(found).unwrap_or_default();
            if found != expected {
                return Err(SettleError::Lost { what, expected, found });
            }
        }
        Ok(())
    }

    fn advance(&self, rows: usize) {
        self.progress.inc(u64::try_from(rows).unwrap_or_default());
    }
}
