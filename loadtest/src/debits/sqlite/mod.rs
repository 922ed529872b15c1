//! Ticks of one machine: the meter, hot balances in memory, a SQLite file whose commits wait for
//! the disk.
//!
//! The meter is driven as its service drives it, on a clock of its own: the relay's reports go in,
//! the batch of targets goes to the store, the answer comes back. Each part is timed by itself,
//! every charge and every balance is held against an amount that is computed here, and in turn
//! with each tick a bare table in another file takes an update of as many rows.

mod calls;
mod floor;
mod report;
mod stopwatch;

pub use report::{Figure, SqliteReport};

use super::DebitsArgs;
use billing_core::{Answer, Applied, Biller, Command, Input, Output, Ownership, Proven, Settings};
use calls::Calls;
use floor::Floor;
use indicatif::ProgressBar;
use service_kit::Clock;
use std::collections::VecDeque;
use stopwatch::{Stopwatch, Taken};
use store::{Options, Sqlite, Store, hot};
use units::{ElapsedMs, MeterId, MicroCoins, MonotonicMs, Shard, UnixMs};

/// Longer than any run.
const LEASE: ElapsedMs = ElapsedMs::from_secs(100 * 3_600);

type Books = Store<hot::Memory, Sqlite>;

/// What keeps the figures from being taken.
#[derive(Debug, thiserror::Error)]
pub enum SqliteError {
    #[error("a folder for the databases: {0}")]
    Folder(#[from] std::io::Error),
    #[error("the store: {0}")]
    Store(#[from] store::Error),
    #[error("the bare table: {0}")]
    Floor(#[from] sqlx::Error),
    /// The meter did not ask for what it had to.
    #[error("tick {tick}: the meter asked for {found} debits of {expected}")]
    Unasked { tick: u32, expected: usize, found: usize },
    /// An answer was not what it had to be.
    #[error("tick {tick}: {what} of {whose} should be {expected}, not {found}")]
    Wrong { tick: u32, what: &'static str, whose: String, expected: MicroCoins, found: MicroCoins },
}

/// The times of each part, tick by tick.
#[derive(Debug, Default)]
struct Times {
    reports: Vec<Taken>,
    targets: Vec<Taken>,
    apply: Vec<Taken>,
    told: Vec<Taken>,
    evidence: Vec<Taken>,
    floor: Vec<Taken>,
}

struct Bench {
    clock: Clock,
    store: Books,
    biller: Biller,
    calls: Calls,
    times: Times,
}

/// How far [`run`] lets the progress bar go.
#[must_use]
pub fn progress_length(args: &DebitsArgs) -> u64 {
    u64::from(args.calls / calls::BATCH + args.seconds)
}

/// Takes all figures. The time between is shown on `progress`.
///
/// # Errors
/// [`SqliteError::Wrong`] if an answer was wrong; otherwise what went wrong.
pub async fn run(args: &DebitsArgs, progress: &ProgressBar) -> Result<SqliteReport, SqliteError> {
    let folder = tempfile::tempdir()?;
    let calls = Calls::new(args.calls);
    progress.set_message("opening calls");
    let ledger = Sqlite::open(folder.path().join("books")).await?;
    calls.open(&ledger, progress).await?;
    let mut floor = Floor::open(&folder.path().join("bare"), args.calls).await?;
    let options = Options { inline_checkpoint: true, ..Options::new(MeterId::ALONE) };
    let store = Store::new(hot::Memory::default(), ledger, options);
    let biller = Biller::new(settings());
    let mut bench = Bench { clock: Clock::start(), store, biller, calls, times: Times::default() };
    bench.take_over().await?;
    progress.set_message("ticks");
    for tick in 1..=args.seconds {
        bench.tick(tick).await?;
        let watch = Stopwatch::start(bench.clock);
        floor.tick(tick).await?;
        bench.times.floor.push(watch.taken());
        progress.inc(1);
    }
    bench.check(args.seconds).await?;
    Ok(SqliteReport::new(args.calls, &bench.times))
}

/// A plain tariff, a tick a second, evidence every ten.
fn settings() -> Settings {
    Settings {
        host_share: calls::host_share(),
        free: ElapsedMs::ZERO,
        pulse: ElapsedMs::ZERO,
        least_charged: ElapsedMs::ZERO,
        connect_fee: MicroCoins::ZERO,
        minimum: ElapsedMs::ZERO,
        tick: ElapsedMs::from_secs(1),
        checkpoint: ElapsedMs::from_secs(10),
        unconfirmed: ElapsedMs::from_secs(30),
        // A meter that is alone would settle what it finds open.
        ownership: Ownership::Shared { ttl: LEASE, renew: LEASE },
    }
}

/// When a tick is, on the clock of these calls.
fn now(tick: u32) -> MonotonicMs {
    MonotonicMs(u64::from(tick) * 1_000)
}

fn unix(tick: u32) -> UnixMs {
    UnixMs(calls::OPENED_AT.0 + u64::from(tick) * 1_000)
}

impl Bench {
    /// The meter takes all shards, and with them the calls.
    async fn take_over(&mut self) -> Result<(), SqliteError> {
        let asked = self.biller.handle(now(0), Input::WokeUp);
        self.carry_out(0, asked).await
    }

    async fn tick(&mut self, tick: u32) -> Result<(), SqliteError> {
        let reports = self.calls.reports(tick);
        let watch = Stopwatch::start(self.clock);
        let mut asked = Vec::new();
        // A moment before the tick is due, as reports come.
        let before = MonotonicMs(now(tick).0 - 1);
        for (call, counted) in reports {
            let report = Input::MediaCounted { call, counted, last: false };
            asked.extend(self.biller.handle(before, report));
        }
        self.times.reports.push(watch.taken());
        let watch = Stopwatch::start(self.clock);
        asked.extend(self.biller.handle(now(tick), Input::WokeUp));
        self.times.targets.push(watch.taken());
        self.carry_out(tick, asked).await
    }

    /// Does what the meter asks for, and what it asks for then.
    async fn carry_out(&mut self, tick: u32, asked: Vec<Output>) -> Result<(), SqliteError> {
        let mut applied = 0;
        let mut waiting: VecDeque<Output> = asked.into();
        while let Some(output) = waiting.pop_front() {
            let Output::Store(command) = output else { continue };
            let watch = Stopwatch::start(self.clock);
            let answer = self.store.carry_out(unix(tick), &command).await?;
            if let Command::Apply(_) = &command {
                self.times.apply.push(watch.taken());
            } else if let Command::Checkpoint(_) = &command {
                self.times.evidence.push(watch.taken());
            }
            let is_tick = if let Answer::Applied { applied: answer, .. } = &answer {
                self.check_applied(tick, answer)?;
                applied += answer.charged.len();
                true
            } else {
                false
            };
            let watch = Stopwatch::start(self.clock);
            let outputs = self.biller.handle(now(tick), Input::Answered(answer));
            if is_tick {
                self.times.told.push(watch.taken());
            }
            waiting.extend(outputs);
        }
        let expected = if tick == 0 { 0 } else { self.calls.len() };
        if applied != expected {
            return Err(SqliteError::Unasked { tick, expected, found: applied });
        }
        Ok(())
    }

    fn check_applied(&self, tick: u32, applied: &Applied) -> Result<(), SqliteError> {
        let (charge, left) = (calls::charge_at(tick), calls::left_at(tick));
        for (call, charged) in &applied.charged {
            let found = charged.total().unwrap_or(MicroCoins::MAX);
            wrong_unless(tick, "the charge", call, charge, found)?;
        }
        for (user, found) in &applied.funds {
            wrong_unless(tick, "the balance", user, left, *found)?;
        }
        Ok(())
    }

    /// Fast would be worth nothing if it were not in the file.
    async fn check(&self, tick: u32) -> Result<(), SqliteError> {
        let held: Vec<Shard> = Shard::all().collect();
        self.store.release(&held).await?;
        let adopted = self.store.hold(Shard::COUNT, LEASE).await?.adopted;
        let (expected, found) = (self.calls.len(), adopted.len());
        if found != expected {
            return Err(SqliteError::Unasked { tick, expected, found });
        }
        let proven = Proven::video(ElapsedMs::from_secs(u64::from(tick)));
        for live in adopted {
            let found = live.charged.total().unwrap_or(MicroCoins::MAX);
            let charge =
                if live.proven == proven { calls::charge_at(tick) } else { MicroCoins::MAX };
            wrong_unless(tick, "the row", &live.call, charge, found)?;
        }
        Ok(())
    }
}

fn wrong_unless(
    tick: u32,
    what: &'static str,
    whose: &impl ToString,
    expected: MicroCoins,
    found: MicroCoins,
) -> Result<(), SqliteError> {
    if found == expected {
        return Ok(());
    }
    Err(SqliteError::Wrong { tick, what, whose: whose.to_string(), expected, found })
}
