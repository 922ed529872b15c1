//! The database itself refuses what would break the books, whoever asks for it.

use crate::books::{call, call_id, coins, micro, shard_of, user, wallet};
use crate::ledger;
use billing_core::{
    Account, Credit, CreditKind, End, EndReason, Entry, Posting, Proven, Spend, SpendKind, Spending,
};
use sqlx::{Connection, PgConnection};
use store::{CreditRow, Error, Ledger, Postgres, SpendRow, Transaction};
use units::{ElapsedMs, SpendId, UnixMs};
use uuid::Uuid;

/// A wallet, an open call that was charged, a settled one, a credit, a chargeback, a posting.
async fn books(ledger: &Postgres) {
    let mut tx = ledger.begin().await.unwrap();
    tx.put_wallets(&[wallet("asha", coins(90, 9), coins(50, 7))]).await.unwrap();
    let mut open = call(1, "asha");
    open.live.charged = coins(10, 0);
    open.live.proven = Proven::voice(ElapsedMs(20));
    tx.insert_call(&open).await.unwrap();
    let mut settled = call(2, "asha");
    (settled.live.charged, settled.posted) = (coins(10, 0), coins(10, 0));
    settled.end = Some(End { reason: EndReason::HostLost, at: UnixMs(9) });
    tx.insert_call(&settled).await.unwrap();
    let (id, kind) = ("order-1".to_owned(), CreditKind::Purchase);
    let credit = Credit { id, user: user("asha"), amount: micro(90), kind, at: UnixMs(1) };
    tx.insert_credit(&CreditRow { credit, coins: coins(90, 0) }).await.unwrap();
    let spend = Spend {
        id: SpendId(Uuid::from_u128(1)),
        fan: user("asha"),
        amount: micro(5),
        kind: SpendKind::Chargeback,
        at: UnixMs(2),
    };
    tx.put_spend(&SpendRow { spend, outcome: Some(Spending::NoFunds) }).await.unwrap();
    tx.insert_documents(&[(call_id(2), "signed".to_owned())]).await.unwrap();
    tx.insert_postings(&[posting()]).await.unwrap();
    tx.commit().await.unwrap();
}

fn posting() -> Posting {
    Posting {
        entry: Entry::Call(call_id(2), 0),
        n: 0,
        from: Account::FanPaid(user("asha")),
        to: Account::PlatformFee,
        amount: micro(10),
    }
}

#[tokio::test]
async fn postgres_refuses_what_would_break_the_books() {
    let (ledger, url) = ledger().await;
    books(&ledger).await;
    let mut db = PgConnection::connect(&url).await.unwrap();
    for (sql, complaint) in [
        ("UPDATE wallet SET settled_paid = 91", "wallet_is_never_negative"),
        ("UPDATE wallet SET settled_promo = 10", "wallet_is_never_negative"),
        ("UPDATE wallet SET settled_paid = 49", "totals never fall"),
        ("UPDATE wallet SET credited_promo = 8", "totals never fall"),
        ("UPDATE wallet SET credited_paid = 9007199254740992", "wallet_check"),
        ("UPDATE wallet SET credited_paid = 9007199254740993", "micro_coins"),
        ("UPDATE wallet SET owed = -1", "micro_coins"),
        ("UPDATE wallet SET owed = NULL", "null"),
        ("UPDATE live_call SET charged_paid = 9", "a charge never falls"),
        ("UPDATE live_call SET media_ms = 19", "a charge never falls"),
        ("UPDATE call SET voice_per_minute = 1", "never change"),
        ("UPDATE call SET host = 'ravi' WHERE reason IS NULL", "terms never change"),
        ("UPDATE call SET media_ms = 1 WHERE reason IS NOT NULL", "a settled call never changes"),
        ("DELETE FROM call", "a settled call never changes"),
        ("UPDATE call SET reason = 'x', ended_at_unix_ms = 1, posted_paid = 9", "call_check"),
        ("UPDATE credit SET amount = 91", "a credit never changes"),
        ("DELETE FROM credit", "a credit never changes"),
        ("UPDATE spend SET outcome = NULL", "only by its outcome, once"),
        ("UPDATE document SET document = ''", "a signed receipt never changes"),
        ("UPDATE posting SET amount = 11", "a posting never changes"),
        ("DELETE FROM posting", "a posting never changes"),
        ("TRUNCATE posting", "a posting never goes away"),
        ("INSERT INTO posting SELECT 'x', 0, 0, 'a', 'a', 1", "posting_"),
        ("INSERT INTO posting SELECT 'x', 0, 0, 'a', 'b', 0", "posting_amount_check"),
        ("UPDATE shard SET epoch = -1", "an epoch never falls"),
    ] {
        let Err(error) = sqlx::query(sql).execute(&mut db).await else {
            panic!("{sql} was not refused");
        };
        assert!(error.to_string().contains(complaint), "{sql}: {error}");
    }
    let mut tx = ledger.begin().await.unwrap();
    let twice = tx.insert_postings(&[posting()]).await.unwrap_err();
    assert!(
        matches!(&twice, Error::Database(sqlx::Error::Database(error))
        if error.is_unique_violation()),
        "{twice}"
    );
}

#[tokio::test]
async fn an_open_call_that_can_not_be_read_holds_up_no_other() {
    let (ledger, url) = ledger().await;
    let mut tx = ledger.begin().await.unwrap();
    tx.insert_call(&call(1, "asha")).await.unwrap();
    tx.insert_call(&call(2, "asha")).await.unwrap();
    tx.commit().await.unwrap();
    let mut db = PgConnection::connect(&url).await.unwrap();
    let broken = format!("UPDATE call SET changes = '7' WHERE id = '{}'", call_id(1));
    sqlx::query(sqlx::AssertSqlSafe(broken)).execute(&mut db).await.unwrap();

    let mut tx = ledger.begin().await.unwrap();
    let open = tx.open_calls(&[shard_of("asha")]).await.unwrap();
    assert_eq!(open, [call(2, "asha")]);
    assert_eq!(tx.open_calls_of(&[user("asha")]).await.unwrap(), open);
    let rows = tx.shard_rows(shard_of("asha")).await.unwrap();
    assert_eq!((rows.calls, rows.broken), (open, vec![call_id(1).to_string()]));
    let error = tx.calls(&[call_id(1), call_id(2)]).await.unwrap_err();
    assert_eq!(error.to_string(), "column changes holds \"7\"");
}
