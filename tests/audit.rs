//! `coinline audit` from outside: real ledgers in SQLite and PostgreSQL, made by the store, right
//! and tampered with.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use billing_core::receipt::{SigningKey, sign};
use billing_core::{
    Checkpoint, Counted, Credit, CreditKind, End, EndReason, EvidenceRecord, Flow, OpenCall, Payer,
    Plan, Proven, RefundReason, Settlement, Spend, SpendKind, Target, Tariff, Terms,
};
use serde_json::Value;
use sqlx::AssertSqlSafe;
use std::process::Command;
use std::sync::Arc;
use store::{Ledger, Options, Postgres, Sqlite, Store, hot};
use units::{
    CallId, ElapsedMs, Medium, MeterId, MicroCoins, Rate, Rates, ShareBps, SpendId, UnixMs, UserId,
};
use uuid::Uuid;

type Books<L> = Store<hot::Memory, L>;

const CALL: CallId = CallId(Uuid::from_u128(7));

fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

fn coins(text: &str) -> MicroCoins {
    text.parse().unwrap()
}

fn target(media_ms: u64) -> Target {
    let proven = Proven::voice(ElapsedMs(media_ms));
    Target { call: CALL, fan: user("asha"), charge: plan().charge(proven), proven }
}

fn plan() -> Plan {
    Plan::new(Tariff::plain(Rates::flat(Rate::per_minute(5_000_000).unwrap())))
}

fn evidence(seconds: u32) -> Vec<EvidenceRecord> {
    let record = |n: u32| {
        let at = ElapsedMs(u64::from(n + 1) * 1_000);
        let to_fan = Flow { forwarded: at, proven: at, ..Flow::default() };
        let counted = Counted { to_fan, ..Counted::default() };
        EvidenceRecord { n, at, counted, charged: plan().charge(Proven::voice(at)) }
    };
    (0..seconds).map(record).collect()
}

/// One fan with bought, given and returned coins, one ended call of 30 s, a gift and a chargeback:
/// 7 postings of credits, 4 of the call, 2 of the gift, 1 of the chargeback.
async fn fill<L: Ledger>(ledger: L) -> Books<L> {
    let key = SigningKey::from_seed(&[7; 32]);
    let signer: store::Sign = Arc::new(move |receipt, evidence| sign(receipt, evidence, &key));
    let options = Options { sign: Some(signer), ..Options::new(MeterId::ALONE) };
    let store = Store::new(hot::Memory::default(), ledger, options);
    store.hold(1_024, ElapsedMs(60_000)).await.unwrap();
    let credit = |id: &str, amount: &str, kind| Credit {
        id: id.to_owned(),
        user: user("asha"),
        amount: coins(amount),
        kind,
        at: UnixMs(1),
    };
    store.credit(&credit("order-1", "10", CreditKind::Purchase)).await.unwrap();
    store.credit(&credit("welcome", "1", CreditKind::Promo)).await.unwrap();
    let host_share = ShareBps::new(7_000).unwrap();
    let terms = Terms {
        fan: user("asha"),
        host: user("meera"),
        medium: Medium::Voice,
        tariff: plan().tariff,
        host_share,
    };
    let open = OpenCall { call: CALL, terms, minimum: coins("1"), at: UnixMs(1_000) };
    store.open_call(&open).await.unwrap();
    let applied = store.apply(UnixMs(2), &[target(20_000)]).await.unwrap();
    let Target { call, fan, proven, .. } = target(20_000);
    let charged = applied.charged[0].1;
    let row = Checkpoint { call, fan, proven, charged, evidence: evidence(20) };
    store.checkpoint(UnixMs(3), &[row]).await.unwrap();
    let end = Some(End { reason: EndReason::HungUpByFan, at: UnixMs(31_000) });
    let rest = evidence(30).split_off(20);
    store.settle(&[Settlement { target: target(30_000), end, evidence: rest }]).await.unwrap();
    let kind = CreditKind::Refund { call: CALL, payer: Payer::Both, reason: RefundReason::Support };
    store.credit(&credit("sorry", "0.50", kind)).await.unwrap();
    let spend = |n, amount: &str, kind| Spend {
        id: SpendId(Uuid::from_u128(n)),
        fan: user("asha"),
        amount: coins(amount),
        kind,
        at: UnixMs(4),
    };
    let gift = SpendKind::Gift { host: user("meera"), host_share };
    store.spend(&spend(1, "2", gift)).await.unwrap();
    store.spend(&spend(2, "1.25", SpendKind::Chargeback)).await.unwrap();
    store
}

/// What the executable says of a database, and its exit code.
fn audit(arguments: &[&str]) -> (String, i32) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_coinline")).arg("audit").args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (String::from_utf8(said).unwrap(), output.status.code().unwrap())
}

fn told(database: &str) -> (Value, i32) {
    let (said, code) = audit(&["--database", database, "--json"]);
    (serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}")), code)
}

fn exact(database: &str) {
    let (said, code) = audit(&["--database", database]);
    assert_eq!(code, 0, "{said}");
    for counted in ["1 wallet, 1 call, 3 credits, 2 gifts and chargebacks", "30 evidence records"] {
        assert!(said.contains(counted), "{counted:?} is missing in {said}");
    }
    assert!(said.contains("1 signed receipt: nothing differs"), "{said}");
    let key = SigningKey::from_seed(&[7; 32]).public();
    let signatures = format!("compare them with the published one: {key}; 0 calls ended without");
    assert!(said.contains(&signatures), "{said}");
    let (json, code) = told(database);
    assert_eq!((code, &json["exact"], &json["calls"]), (0, &Value::Bool(true), &1.into()));
}

/// Posted to the platform instead of the host: no sum, no fan's balance, nothing but the host's part
/// is wrong.
const MOVED: &str = "UPDATE posting SET to_account = 'platform:fee'
    WHERE to_account = 'host:earnings:meera' AND entry LIKE 'credit:%' OR entry LIKE 'call:%'";

fn finds(database: &str, rules: &[&str]) {
    let (said, code) = audit(&["--database", database]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("expected") && said.contains("coins, found"), "{said}");
    let (json, code) = told(database);
    let found = json["differences"].as_array().unwrap();
    for rule in rules {
        assert!(found.iter().any(|each| each["rule"] == *rule), "{rule} is not in {found:?}");
    }
    assert_eq!((code, &json["exact"]), (1, &Value::Bool(false)));
}

#[tokio::test]
async fn a_file_is_audited_beside_its_server() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("coinline.db");
    let name = path.to_str().unwrap();
    let _running = fill(Sqlite::open(&path).await.unwrap()).await;
    exact(name);
    let past = sqlx::SqlitePool::connect(name).await.unwrap();
    let triggers: Vec<String> =
        sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
            .fetch_all(&past)
            .await
            .unwrap();
    for trigger in triggers {
        let drop = AssertSqlSafe(format!("DROP TRIGGER {trigger}"));
        sqlx::query(drop).execute(&past).await.unwrap();
    }
    sqlx::query(MOVED).execute(&past).await.unwrap();
    finds(name, &["accounts_agree", "host_share"]);
}

#[tokio::test]
async fn a_database_is_audited_beside_its_servers() {
    let url = test_servers::Postgres::shared().unwrap().database().unwrap();
    let _running = fill(Postgres::open(&url).await.unwrap()).await;
    exact(&url);
    let past = sqlx::PgPool::connect(&url).await.unwrap();
    let mut past = past.acquire().await.unwrap();
    let burglar = "SET session_replication_role = replica";
    sqlx::query(burglar).execute(&mut *past).await.unwrap();
    sqlx::query(MOVED).execute(&mut *past).await.unwrap();
    finds(&url, &["accounts_agree", "host_share"]);
}

#[tokio::test]
async fn a_document_must_bear_the_configured_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("coinline.db");
    let _running = fill(Sqlite::open(&path).await.unwrap()).await;
    for (seed, expected) in [(7, 0), (8, 1)] {
        let key = SigningKey::from_seed(&[seed; 32]).public();
        let toml = format!(
            "mode = \"demo\"\nstore.database = {:?}\nreceipts.public_key = \"{key}\"",
            path.to_str().unwrap()
        );
        let config = folder.path().join("coinline.toml");
        std::fs::write(&config, toml).unwrap();
        let (said, code) = audit(&["--config", config.to_str().unwrap()]);
        assert_eq!(code, expected, "{said}");
    }
}

#[test]
fn what_can_not_be_audited_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none.db");
    for database in [missing.to_str().unwrap(), "postgres://127.0.0.1:1/none"] {
        let (said, code) = audit(&["--database", database]);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(database) && said.contains("can't audit"), "{said}");
    }
    assert!(!missing.exists(), "it only reads");
    let (said, code) = audit(&["--config", "nowhere.toml"]);
    assert_eq!(code, 2, "{said}");
    let (help, code) = audit(&["--help"]);
    assert_eq!(code, 0);
    for word in ["--config", "--database", "--json", "Exit code", "only reads"] {
        assert!(help.contains(word), "no {word} in {help}");
    }
}
