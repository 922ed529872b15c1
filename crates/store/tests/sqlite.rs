//! What only the SQLite store promises: durability, a schema that guards itself, an audit that
//! finds what was tampered with.
#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

use billing_core::{Credit, EndReason, OpenCall, Settlement, Target, Tariff, Terms};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use std::path::{Path, PathBuf};
use store::{Error, Rule, Sqlite, Store};
use tempfile::TempDir;
use units::{CallId, ElapsedMs, Medium, MicroCoins, Rate, ShareBps, UnixMs, UserId};
use uuid::Uuid;

const CALL: CallId = CallId(Uuid::from_u128(7));

fn fan() -> UserId {
    "fan".parse().unwrap()
}

fn target(media_ms: u64) -> Target {
    let media = ElapsedMs(media_ms);
    Target { call: CALL, charge: tariff().charge(media), media }
}

fn tariff() -> Tariff {
    Tariff { rate: Rate::per_minute(6_000_000).unwrap(), free: ElapsedMs::ZERO }
}

fn terms() -> Terms {
    Terms {
        fan: fan(),
        host: "host".parse().unwrap(),
        medium: Medium::Voice,
        tariff: tariff(),
        host_share: ShareBps::new(7_000).unwrap(),
    }
}

/// Books with one settled call of 2.00, of 10.00 credited.
async fn books(dir: &TempDir) -> (Sqlite, PathBuf) {
    let path = dir.path().join("books");
    let store = Sqlite::open(&path).await.unwrap();
    let amount = MicroCoins::coins(10);
    let credit = Credit { id: "a".to_owned(), user: fan(), amount, at: UnixMs(1) };
    store.credit(&credit).await.unwrap();
    let open = OpenCall { call: CALL, terms: terms(), minimum: MicroCoins::ZERO, at: UnixMs(1) };
    store.open_call(&open).await.unwrap();
    let reason = EndReason::HungUpByHost;
    let settlement = Settlement { target: target(20_000), reason, ended_at: UnixMs(2) };
    store.settle(&settlement).await.unwrap().unwrap();
    assert_eq!(store.audit().await.unwrap(), []);
    (store, path)
}

/// A way into the file past the store, with constraints and triggers out of the way.
async fn burglar(path: &Path) -> SqlitePool {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(false)
        .pragma("ignore_check_constraints", "on");
    let pool = SqlitePool::connect_with(options).await.unwrap();
    for trigger in [
        "DROP TRIGGER charge_never_falls",
        "DROP TRIGGER receipt_is_final",
        "DROP TRIGGER posting_is_final_on_update",
        "DROP TRIGGER posting_is_final_on_delete",
    ] {
        sqlx::query(trigger).execute(&pool).await.unwrap();
    }
    pool
}

#[tokio::test]
async fn the_audit_names_the_rule_that_was_broken() {
    for (tampering, rules) in [
        (
            "UPDATE wallet SET credited = credited + 1",
            vec![Rule::CreditsCounted, Rule::CreditsPosted],
        ),
        ("UPDATE wallet SET spent = spent - 1", vec![Rule::SpendingCounted]),
        (
            "UPDATE wallet SET spent = credited + 1",
            vec![Rule::SpendingCounted, Rule::NeverNegative],
        ),
        (
            "UPDATE posting SET amount = amount - 1 WHERE n = 0 AND entry LIKE 'call:%'",
            vec![Rule::ChargePosted, Rule::HostShare, Rule::BooksBalance],
        ),
        (
            "UPDATE posting SET amount = amount + 1 - 2 * n WHERE entry LIKE 'call:%'",
            vec![Rule::HostShare, Rule::BooksBalance],
        ),
        (
            "DELETE FROM posting WHERE entry LIKE 'credit:%'",
            vec![Rule::CreditsPosted, Rule::BooksBalance],
        ),
        ("UPDATE credit SET amount = amount + 1", vec![Rule::CreditsCounted, Rule::BooksBalance]),
        ("UPDATE call SET media_ms = media_ms - 1", vec![Rule::ChargeWithinTariff]),
        (
            "UPDATE call SET reason = NULL, ended_at_unix_ms = NULL",
            vec![Rule::ChargePosted, Rule::BooksBalance],
        ),
        // From the wrong fan, to the wrong place, for a call that never was.
        (
            "UPDATE posting SET from_account = 'fan:paid:other' WHERE n = 1",
            vec![Rule::BooksBalance],
        ),
        ("UPDATE posting SET to_account = 'attic' WHERE n = 1", vec![Rule::BooksBalance]),
        (
            "INSERT INTO posting VALUES ('call:x', 0, 'fan:paid:fan', 'platform:fee', 1)",
            vec![Rule::BooksBalance],
        ),
    ] {
        let dir = TempDir::new().unwrap();
        let (store, path) = books(&dir).await;
        let file = burglar(&path).await;
        sqlx::query(tampering).execute(&file).await.unwrap();
        let mut found: Vec<Rule> =
            store.audit().await.unwrap().into_iter().map(|difference| difference.rule).collect();
        // The balances name every account that is wrong.
        found.dedup();
        assert_eq!(found, rules, "{tampering}");
    }
}

#[tokio::test]
async fn the_schema_refuses_what_would_break_the_books() {
    let dir = TempDir::new().unwrap();
    let (_store, path) = books(&dir).await;
    let file = SqlitePool::connect_with(SqliteConnectOptions::new().filename(&path)).await.unwrap();
    for statement in [
        "UPDATE wallet SET spent = credited + 1",
        "UPDATE wallet SET spent = -1",
        "UPDATE wallet SET credited = 9007199254740993",
        "UPDATE call SET charged = charged + 1",
        "UPDATE posting SET amount = amount + 1",
        "DELETE FROM posting",
        "INSERT INTO posting SELECT * FROM posting",
        "INSERT INTO posting VALUES ('call:x', 0, 'a', 'b', 0)",
        "INSERT INTO posting VALUES ('call:x', 0, 'a', 'a', 1)",
        "INSERT INTO credit SELECT * FROM credit",
    ] {
        assert!(sqlx::query(statement).execute(&file).await.is_err(), "{statement}");
    }
}

#[tokio::test]
async fn a_value_that_we_never_write_is_an_error() {
    let dir = TempDir::new().unwrap();
    let (store, path) = books(&dir).await;
    let file = burglar(&path).await;
    for (tampering, column) in [
        ("UPDATE call SET medium = 'smell'", "medium"),
        ("UPDATE call SET medium = 'voice', reason = 'bored'", "reason"),
        ("UPDATE call SET reason = 'declined', charged = -1", "charged"),
        ("UPDATE call SET charged = 1, host = ''", "host"),
    ] {
        sqlx::query(tampering).execute(&file).await.unwrap();
        let error = store.receipt(CALL).await.unwrap_err();
        assert!(matches!(&error, Error::Corrupt { column: of, .. } if *of == column), "{error}");
    }
}

#[tokio::test]
async fn a_failed_transaction_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let (store, path) = books(&dir).await;
    let file = SqlitePool::connect_with(SqliteConnectOptions::new().filename(&path)).await.unwrap();
    sqlx::query(
        "CREATE TRIGGER full_disk BEFORE INSERT ON posting BEGIN SELECT raise(ABORT, 'full'); END",
    )
    .execute(&file)
    .await
    .unwrap();
    let credit =
        Credit { id: "b".to_owned(), user: fan(), amount: MicroCoins::coins(1), at: UnixMs(1) };
    assert!(store.credit(&credit).await.is_err());
    assert_eq!(store.funds(&fan()).await.unwrap(), MicroCoins::coins(8));
    assert_eq!(store.audit().await.unwrap(), []);
    sqlx::query("DROP TRIGGER full_disk").execute(&file).await.unwrap();
    store.credit(&credit).await.unwrap();
    assert_eq!(store.funds(&fan()).await.unwrap(), MicroCoins::coins(9));
}

/// Two open calls at 6.00 a minute: `CALL` of the fan, the next of another.
async fn two_open_calls(dir: &TempDir) -> (Sqlite, PathBuf, CallId) {
    let path = dir.path().join("books");
    let store = Sqlite::open(&path).await.unwrap();
    let other = CallId(Uuid::from_u128(8));
    for (call, fan) in [(CALL, fan()), (other, "other".parse().unwrap())] {
        let (amount, at) = (MicroCoins::coins(10), UnixMs(1));
        let credit = Credit { id: call.to_string(), user: fan.clone(), amount, at };
        store.credit(&credit).await.unwrap();
        let terms = Terms { fan, ..terms() };
        let open = OpenCall { call, terms, minimum: MicroCoins::ZERO, at };
        store.open_call(&open).await.unwrap();
    }
    (store, path, other)
}

#[tokio::test]
async fn an_open_call_that_can_not_be_read_is_left_out_and_named_by_the_audit() {
    for tampering in [
        "UPDATE call SET medium = 'smell' WHERE fan = 'fan'",
        "UPDATE call SET host = '' WHERE fan = 'fan'",
        "UPDATE call SET media_ms = -1 WHERE fan = 'fan'",
    ] {
        let dir = TempDir::new().unwrap();
        let (store, path, other) = two_open_calls(&dir).await;
        sqlx::query(tampering).execute(&burglar(&path).await).await.unwrap();
        let open_calls = store.open_calls().await.unwrap();
        let open_calls: Vec<CallId> = open_calls.iter().map(|live| live.call).collect();
        assert_eq!(open_calls, [other], "{tampering}");
        let [difference] = &store.audit().await.unwrap()[..] else { panic!("{tampering}") };
        assert_eq!(difference.rule, Rule::OpenCallReadable);
        assert_eq!(difference.subject, CALL.to_string());
    }
}

#[tokio::test]
async fn a_broken_row_does_not_stop_the_charges_of_others() {
    for tampering in [
        "UPDATE call SET media_ms = -1 WHERE fan = 'fan'",
        "UPDATE call SET charged = -1 WHERE fan = 'fan'",
        "UPDATE wallet SET credited = 9007199254740993 WHERE user = 'fan'",
    ] {
        let dir = TempDir::new().unwrap();
        let (store, path, other) = two_open_calls(&dir).await;
        sqlx::query(tampering).execute(&burglar(&path).await).await.unwrap();
        let targets = [target(10_000), Target { call: other, ..target(20_000) }];
        let applied = store.apply(UnixMs(5), &targets).await.unwrap();
        assert_eq!(applied.charged, [(other, MicroCoins::coins(2))], "{tampering}");
        assert_eq!(applied.funds, [("other".parse().unwrap(), MicroCoins::coins(8))]);
    }
}

#[tokio::test]
async fn a_database_has_one_server_at_a_time() {
    let dir = TempDir::new().unwrap();
    let (first, path) = books(&dir).await;
    let second = Sqlite::open(&path).await;
    assert!(matches!(second, Err(Error::InUse)), "{second:?}");
    // Whoever was refused took nothing away.
    assert_eq!(first.funds(&fan()).await.unwrap(), MicroCoins::coins(8));
    drop(first);
    let second = Sqlite::open(&path).await.unwrap();
    second.close().await;
    let third = Sqlite::open(&path).await.unwrap();
    assert_eq!(third.funds(&fan()).await.unwrap(), MicroCoins::coins(8));
    let nowhere = Sqlite::open(dir.path().join("no").join("books")).await;
    assert!(matches!(nowhere, Err(Error::Lock(_))), "{nowhere:?}");
}
