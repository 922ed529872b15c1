//! What a tick costs on SQLite that waits for the disk: debits per second, beside a floor measured
//! in the same run. Run by hand: `cargo bench -p store`.
//!
//! The floor is as many bare updates by primary key, in one transaction, of a table without
//! wallets, clamp or triggers.
#![expect(clippy::unwrap_used, reason = "a measurement that can't go on should stop")]
#![expect(clippy::print_stdout, reason = "the figures are for a person")]
#![expect(clippy::disallowed_methods, reason = "it measures this machine, not the product's time")]

use billing_core::Target;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqliteSynchronous};
use std::path::Path;
use std::time::{Duration, Instant};
use store::{Sqlite, Store};
use tempfile::TempDir;
use units::{CallId, ElapsedMs, MicroCoins, Rate, UnixMs};
use uuid::Uuid;

/// Ticks measured of each kind, alternately; the median counts.
const ROUNDS: u64 = 11;

#[tokio::main]
async fn main() {
    for calls in [1_000, 10_000] {
        let dir = TempDir::new().unwrap();
        let store = store_with(&dir.path().join("books"), calls).await;
        let bare = bare_table(&dir.path().join("bare"), calls).await;
        let (mut ticks, mut floors) = (Vec::new(), Vec::new());
        for round in 1..=ROUNDS {
            ticks.push(tick(&store, calls, round).await);
            floors.push(update_each(&bare, calls, round).await);
        }
        assert_eq!(store.audit().await.unwrap(), []);
        let (tick, floor) = (median(ticks), median(floors));
        println!(
            "{calls} calls: tick {tick:?}, {} debits/s; bare updates {floor:?}, {}/s; \
             the tick takes {} % of the floor",
            per_second(calls, tick),
            per_second(calls, floor),
            tick.as_micros() * 100 / floor.as_micros(),
        );
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn per_second(calls: u64, time: Duration) -> u128 {
    u128::from(calls) * 1_000_000 / time.as_micros()
}

fn id(n: u64) -> CallId {
    CallId(Uuid::from_u128(n.into()))
}

async fn file(path: &Path) -> SqlitePool {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    SqlitePool::connect_with(options).await.unwrap()
}

/// Books with that many fans of 9,000 coins, each in a call at 6.00 a minute.
async fn store_with(path: &Path, calls: u64) -> Sqlite {
    let store = Sqlite::open(path).await.unwrap();
    let file = file(path).await;
    let mut tx = file.begin().await.unwrap();
    for n in 1..=calls {
        let fan = format!("fan{n}");
        for statement in [
            "INSERT INTO wallet VALUES (?1, 9000000000, 0)",
            "INSERT INTO credit VALUES (?1, ?1, 9000000000, 1)",
            "INSERT INTO posting VALUES ('credit:' || ?1, 0, 'psp:clearing', 'fan:paid:' || ?1,
                                         9000000000)",
            "INSERT INTO call VALUES (?2, ?1, 'host', 'voice', 6000000, 0, 7000, 1, 1, 0, 0, NULL,
                                      NULL)",
        ] {
            let insert = sqlx::query(statement).bind(&fan).bind(id(n).to_string());
            insert.execute(&mut *tx).await.unwrap();
        }
    }
    tx.commit().await.unwrap();
    file.close().await;
    store
}

/// One second of every call.
async fn tick(store: &Sqlite, calls: u64, second: u64) -> Duration {
    let media = ElapsedMs::from_secs(second);
    let charge = billing_core::charge(Rate::per_minute(6_000_000).unwrap(), media);
    let targets: Vec<Target> = (1..=calls).map(|n| Target { call: id(n), charge, media }).collect();
    let start = Instant::now();
    let applied = store.apply(UnixMs(second), &targets).await.unwrap();
    let took = start.elapsed();
    assert_eq!(applied.charged.len(), targets.len());
    assert!(applied.charged.iter().all(|(_, charged)| *charged == charge));
    assert!(charge > MicroCoins::ZERO);
    took
}

async fn bare_table(path: &Path, rows: u64) -> SqlitePool {
    let file = file(path).await;
    let mut tx = file.begin().await.unwrap();
    let table = "CREATE TABLE bare (id TEXT NOT NULL PRIMARY KEY, charged INTEGER NOT NULL) \
                 STRICT, WITHOUT ROWID";
    sqlx::query(table).execute(&mut *tx).await.unwrap();
    for n in 1..=rows {
        let insert = sqlx::query("INSERT INTO bare VALUES (?, 0)").bind(id(n).to_string());
        insert.execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
    file
}

async fn update_each(file: &SqlitePool, rows: u64, round: u64) -> Duration {
    let charged = i64::try_from(round).unwrap();
    let start = Instant::now();
    let mut tx = file.begin().await.unwrap();
    for n in 1..=rows {
        let update = sqlx::query("UPDATE bare SET charged = ? WHERE id = ?");
        update.bind(charged).bind(id(n).to_string()).execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
    start.elapsed()
}
