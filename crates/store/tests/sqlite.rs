//! What only SQLite's ledger promises: a schema that guards itself, one server at a time, and that
//! the audit finds what was tampered with.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "conformance/books.rs"]
#[expect(dead_code, reason = "the suite uses the rest")]
mod books;

use billing_core::{Checkpoint, End, EndReason, LiveCall, Proven, Target};
use books::*;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::{CallRow, Error, Ledger, Rule, Sqlite, Store, Transaction, hot};
use tempfile::TempDir;
use units::{Coins, ElapsedMs, MicroCoins, UnixMs};

type Books = Store<Arc<hot::Memory>, Arc<Sqlite>>;

/// One ended call of 2.00 and an open one of 0.50, of 10.00 credited; another fan's open call.
async fn books(dir: &TempDir) -> (Books, PathBuf) {
    let (store, _, path) = books_and_ledger(dir).await;
    (store, path)
}

async fn books_and_ledger(dir: &TempDir) -> (Books, Arc<Sqlite>, PathBuf) {
    let path = dir.path().join("books");
    let ledger = Arc::new(Sqlite::open(&path).await.unwrap());
    let store = Pair { hot: Arc::default(), ledger: Arc::clone(&ledger) }.holding().await;
    for n in 0..2 {
        store.credit(&credit(&n.to_string(), n, "10")).await.unwrap();
    }
    for n in 0..3 {
        store.open_call(&open(n, "0")).await.unwrap();
    }
    checkpoint(&store, 2, 10_200, Vec::new()).await;
    settle(&store, settlement(0, 120_000)).await;
    store.spend(&gift(1, 0, "1")).await.unwrap();
    agree(&store).await;
    (store, ledger, path)
}

/// A way into the file past the store, with constraints and triggers out of the way.
async fn burglar(path: &Path) -> SqlitePool {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(false)
        .pragma("ignore_check_constraints", "on");
    let pool = SqlitePool::connect_with(options).await.unwrap();
    let triggers: Vec<String> =
        sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
            .fetch_all(&pool)
            .await
            .unwrap();
    for trigger in triggers {
        let drop = sqlx::AssertSqlSafe(format!("DROP TRIGGER {trigger}"));
        sqlx::query(drop).execute(&pool).await.unwrap();
    }
    pool
}

#[tokio::test]
async fn the_audit_names_the_rule_that_was_broken() {
    for (tampering, rule) in [
        ("UPDATE wallet SET credited_paid = 20000000", Rule::CreditsCounted),
        ("UPDATE wallet SET settled_paid = 1 WHERE user_id = 'user:0'", Rule::SpendingCounted),
        ("UPDATE wallet SET owed = 1", Rule::DebtCounted),
        ("UPDATE progress SET charged_paid = 99000000", Rule::NeverNegative),
        ("UPDATE progress SET charged_paid = 600000", Rule::ChargeWithinPlan),
        ("UPDATE progress SET evidence_n = 1", Rule::EvidenceAgrees),
        ("UPDATE call SET charged_paid = 1 WHERE reason IS NOT NULL", Rule::ChargePosted),
        ("UPDATE call SET media_ms = 1 WHERE reason IS NOT NULL", Rule::ChargeWithinPlan),
        ("UPDATE call SET host_share_bps = 1", Rule::HostShare),
        ("UPDATE credit SET amount = 1", Rule::CreditPosted),
        ("UPDATE credit SET paid = 1", Rule::CreditsCounted),
        ("UPDATE credit SET kind = 'promo'", Rule::CreditCoins),
        ("UPDATE credit SET paid = promo, promo = paid WHERE call_id IS NULL", Rule::CreditCoins),
        ("UPDATE credit SET paid = 0, promo = amount WHERE call_id > 0", Rule::RefundCoins),
        ("UPDATE posting SET amount = amount + 1", Rule::BooksBalance),
        ("DELETE FROM posting WHERE entry LIKE 'credit:%'", Rule::CreditPosted),
        ("DELETE FROM posting WHERE entry LIKE 'spend:%'", Rule::ChargePosted),
        ("UPDATE posting SET entry = 'call:x' WHERE entry LIKE 'call:%'", Rule::PostingKnown),
        ("DELETE FROM credit", Rule::PostingKnown),
        ("UPDATE host_month SET gross = 1", Rule::MonthCounted),
        ("UPDATE host_month SET earned = 1", Rule::MonthCounted),
        ("UPDATE spend SET taken_paid = 1", Rule::ChargePosted),
    ] {
        let dir = TempDir::new().unwrap();
        let (store, path) = books(&dir).await;
        store.credit(&refund("back", 0, 0, "0.5", billing_core::Payer::Both)).await.unwrap();
        sqlx::query(tampering).execute(&burglar(&path).await).await.unwrap();
        let found = store.audit().await.unwrap();
        assert!(found.iter().any(|difference| difference.rule == rule), "{tampering}: {found:?}");
    }
}

#[tokio::test]
async fn the_schema_refuses_what_would_break_the_books() {
    let dir = TempDir::new().unwrap();
    let (_store, path) = books(&dir).await;
    let options = SqliteConnectOptions::new().filename(&path);
    let file = SqlitePool::connect_with(options).await.unwrap();
    for statement in [
        "UPDATE wallet SET settled_paid = credited_paid + 1",
        "UPDATE wallet SET credited_paid = credited_paid - 1",
        "UPDATE wallet SET credited_paid = 9007199254740993",
        "UPDATE progress SET charged_paid = 0, charged_promo = 0 WHERE charged_paid > 0",
        "UPDATE progress SET media_ms = media_ms - 1 WHERE media_ms > 0",
        "INSERT INTO progress VALUES (99, 1, 2, 3, 4, 5, 6)",
        "UPDATE progress SET n = n + 99",
        "UPDATE call SET charged_paid = charged_paid + 1 WHERE reason IS NOT NULL",
        "UPDATE call SET host = 'thief' WHERE reason IS NULL",
        "UPDATE call SET reason = 'declined' WHERE reason IS NULL",
        "DELETE FROM call",
        "UPDATE posting SET amount = 1",
        "DELETE FROM posting",
        "INSERT INTO posting VALUES ('x', 0, 0, 'a', 'b', 0)",
        "INSERT INTO posting VALUES ('x', 0, 0, 'a', 'a', 1)",
        "INSERT INTO posting SELECT * FROM posting",
        "INSERT INTO credit SELECT * FROM credit",
        "UPDATE credit SET amount = 1",
        "DELETE FROM credit",
        "UPDATE spend SET outcome = NULL, taken_paid = NULL, taken_promo = NULL",
        "UPDATE shard SET epoch = 0",
    ] {
        assert!(sqlx::query(statement).execute(&file).await.is_err(), "{statement}");
    }
}

fn progress(n: u8, media_ms: u64) -> Checkpoint {
    let Target { call, fan, proven, charge } = target(n, media_ms);
    let charged = Coins { paid: charge, promo: MicroCoins::ZERO };
    Checkpoint { call, fan, proven, charged, evidence: Vec::new() }
}

/// A new call as the ledger is given it.
fn row(n: u8) -> CallRow {
    CallRow::new(LiveCall {
        call: call(n),
        terms: terms(n),
        changes: Vec::new(),
        opened_at: UnixMs(1),
        seen_at: UnixMs(1),
        proven: Proven::ZERO,
        charged: Coins::ZERO,
        records: 0,
        last: None,
    })
}

/// The rows of calls 0 to 9, and how many there are of progress.
async fn rows(ledger: &Sqlite, path: &Path) -> (Vec<CallRow>, u32) {
    let mut tx = ledger.snapshot().await.unwrap();
    let calls = tx.calls(&(0..10).map(call).collect::<Vec<_>>()).await.unwrap();
    let file = SqlitePool::connect_with(SqliteConnectOptions::new().filename(path)).await.unwrap();
    let count = "SELECT count(*) FROM progress";
    (calls, sqlx::query_scalar(count).fetch_one(&file).await.unwrap())
}

#[tokio::test]
async fn a_late_checkpoint_of_an_ended_call_changes_nothing_and_leaves_no_row() {
    let dir = TempDir::new().unwrap();
    let (store, ledger, path) = books_and_ledger(&dir).await;
    checkpoint(&store, 1, 30_000, Vec::new()).await;
    settle(&store, settlement(1, 60_000)).await;
    let before = rows(&ledger, &path).await;
    assert_eq!((before.0.len(), before.1), (3, 1), "one call is open");
    // Of calls that this process knew before they ended, or never, or that are nobody's.
    let late = [progress(0, 600_000), progress(1, 600_000), progress(7, 600_000)];
    store.checkpoint(UnixMs(90_000), &late).await.unwrap();
    assert_eq!(rows(&ledger, &path).await, before);
    // In the transaction that ends it, too.
    let mut tx = ledger.begin().await.unwrap();
    tx.checkpoint(UnixMs(8), &[progress(2, 20_000)]).await.unwrap();
    let mut ended = tx.calls(&[call(2)]).await.unwrap();
    assert_eq!(ended[0].live.proven, Proven::voice(ElapsedMs(20_000)));
    ended[0].posted = ended[0].live.charged;
    ended[0].end = Some(End { reason: EndReason::HungUpByFan, at: UnixMs(9) });
    tx.put_calls(&ended).await.unwrap();
    tx.checkpoint(UnixMs(10), &[progress(2, 30_000)]).await.unwrap();
    tx.commit().await.unwrap();
    store.checkpoint(UnixMs(90_000), &[progress(2, 600_000)]).await.unwrap();
    let (calls, count) = rows(&ledger, &path).await;
    assert_eq!((&calls[2], count), (&ended[0], 0));
    // And of one that this process met for the first time in the transaction that ended it.
    let mut tx = ledger.begin().await.unwrap();
    tx.insert_call(&row(3)).await.unwrap();
    tx.checkpoint(UnixMs(8), &[progress(3, 20_000)]).await.unwrap();
    let mut ended = tx.calls(&[call(3)]).await.unwrap();
    ended[0].posted = ended[0].live.charged;
    ended[0].end = Some(End { reason: EndReason::HungUpByFan, at: UnixMs(9) });
    tx.put_calls(&ended).await.unwrap();
    tx.commit().await.unwrap();
    store.checkpoint(UnixMs(90_000), &[progress(3, 600_000)]).await.unwrap();
    let (calls, count) = rows(&ledger, &path).await;
    assert_eq!((&calls[3], count), (&ended[0], 0));
}

#[tokio::test]
async fn a_call_whose_opening_was_rolled_back_gives_its_place_to_another() {
    let dir = TempDir::new().unwrap();
    let (store, ledger, path) = books_and_ledger(&dir).await;
    let mut tx = ledger.begin().await.unwrap();
    tx.insert_call(&row(3)).await.unwrap();
    tx.checkpoint(UnixMs(8), &[progress(3, 20_000)]).await.unwrap();
    drop(tx);
    let mut tx = ledger.begin().await.unwrap();
    tx.insert_call(&row(4)).await.unwrap();
    tx.commit().await.unwrap();
    let before = rows(&ledger, &path).await;
    store.checkpoint(UnixMs(90_000), &[progress(3, 600_000)]).await.unwrap();
    assert_eq!(rows(&ledger, &path).await, before);
    store.checkpoint(UnixMs(90_000), &[progress(4, 20_000)]).await.unwrap();
    let (calls, _) = rows(&ledger, &path).await;
    assert_eq!(calls.last().unwrap().live.proven, Proven::voice(ElapsedMs(20_000)));
}

#[tokio::test]
async fn checkpoints_and_ends_at_once_agree_on_which_calls_are_open() {
    let dir = TempDir::new().unwrap();
    let (store, ledger, path) = books_and_ledger(&dir).await;
    let store = Arc::new(store);
    for round in 1..=20 {
        let n = 2 + 2 * round;
        store.open_call(&open(n, "0")).await.unwrap();
        let ticks = (1..=8).map(|tick| {
            let (store, row) = (Arc::clone(&store), progress(n, tick * 10));
            tokio::spawn(async move { store.checkpoint(UnixMs(90_000), &[row]).await })
        });
        let ticks: Vec<_> = ticks.collect();
        settle(&store, settlement(n, 100)).await;
        for tick in ticks {
            tick.await.unwrap().unwrap();
        }
    }
    let (_, count) = rows(&ledger, &path).await;
    assert_eq!(count, 2, "calls 1 and 2 are open");
    agree(&store).await;
}

#[tokio::test]
async fn a_failed_transaction_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let (store, path) = books(&dir).await;
    let options = SqliteConnectOptions::new().filename(&path);
    let file = SqlitePool::connect_with(options).await.unwrap();
    let full =
        "CREATE TRIGGER full BEFORE INSERT ON posting BEGIN SELECT raise(ABORT, 'full'); END";
    sqlx::query(full).execute(&file).await.unwrap();
    assert!(store.credit(&credit("b", 0, "1")).await.is_err());
    assert!(store.settle(&[settlement(2, 10_200)]).await.is_err());
    assert!(store.spend(&gift(2, 0, "1")).await.is_err());
    assert_eq!(store.audit().await.unwrap(), []);
    sqlx::query("DROP TRIGGER full").execute(&file).await.unwrap();
    store.credit(&credit("b", 0, "1")).await.unwrap();
    settle(&store, settlement(2, 10_200)).await;
    store.spend(&gift(2, 0, "1")).await.unwrap();
    assert_eq!(store.funds(&user(0)).await.unwrap(), coins("6.5"));
    agree(&store).await;
}

#[tokio::test]
async fn an_open_call_that_can_not_be_read_is_left_out_and_named_by_the_audit() {
    for tampering in [
        "UPDATE call SET medium = 'smell' WHERE fan = 'user:1'",
        "UPDATE call SET host = '' WHERE fan = 'user:1'",
        "UPDATE progress SET media_ms = -1
             WHERE n = (SELECT n FROM live_call WHERE fan = 'user:1')",
    ] {
        let dir = TempDir::new().unwrap();
        let (store, path) = books(&dir).await;
        sqlx::query(tampering).execute(&burglar(&path).await).await.unwrap();
        store.release(&units::Shard::all().collect::<Vec<_>>()).await.unwrap();
        let adopted = store.hold(1_024, TTL).await.unwrap().adopted;
        let adopted: Vec<_> = adopted.iter().map(|live| live.call).collect();
        assert_eq!(adopted, [call(2)], "{tampering}");
        let found = store.audit().await.unwrap();
        let named = found.iter().find(|difference| difference.rule == Rule::CallReadable);
        assert_eq!(named.unwrap().subject, call(1).to_string());
    }
}

#[tokio::test]
async fn a_broken_row_does_not_stop_the_charges_of_others() {
    let dir = TempDir::new().unwrap();
    let (store, path) = books(&dir).await;
    let tampering = "UPDATE call SET medium = 'smell' WHERE fan = 'user:1'";
    sqlx::query(tampering).execute(&burglar(&path).await).await.unwrap();
    let targets = [target(1, 60_000), target(2, 60_200)];
    let applied = store.apply(UnixMs(5), &targets).await.unwrap();
    assert!(applied.charged.contains(&(call(2), kinds("3+0"))));
    let settled = store.settle(&[settlement(1, 60_000), settlement(2, 60_200)]).await.unwrap();
    assert_eq!(settled[0], billing_core::Settled::Unknown(call(1)));
    assert!(matches!(settled[1], billing_core::Settled::Final { .. }));
}

#[tokio::test]
async fn a_database_has_one_server_at_a_time() {
    let dir = TempDir::new().unwrap();
    let (first, path) = books(&dir).await;
    let second = Sqlite::open(&path).await;
    assert!(matches!(second, Err(Error::InUse)), "{second:?}");
    // Whoever was refused took nothing away, and an audit reads beside the server.
    assert_eq!(first.funds(&user(0)).await.unwrap(), coins("6.5"));
    let reader = Sqlite::open_to_read(&path).await.unwrap();
    let beside = Pair { hot: Arc::<hot::Memory>::default(), ledger: Arc::new(reader) };
    let beside = beside.store(store::Options::new(meter(9)));
    assert_eq!(beside.audit().await.unwrap(), []);
    drop(first);
    let ledger = Arc::new(Sqlite::open(&path).await.unwrap());
    let third = Pair { hot: Arc::<hot::Memory>::default(), ledger }.holding().await;
    assert_eq!(third.funds(&user(0)).await.unwrap(), coins("6.5"));
    assert_eq!(third.funds(&user(9)).await.unwrap(), MicroCoins::ZERO);
    let nowhere = Sqlite::open(dir.path().join("no").join("books")).await;
    assert!(matches!(nowhere, Err(Error::Lock(_))), "{nowhere:?}");
}
