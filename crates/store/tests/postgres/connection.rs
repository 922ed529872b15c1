//! The database goes away and comes back; is of another version; is made by many at once.

use crate::books::{coins, user, wallet};
use sqlx::{Connection, PgConnection};
use std::time::Duration;
use store::{Error, Ledger, Postgres, Transaction, WalletRow};
use test_servers::Postgres as Server;

async fn put(ledger: &Postgres, row: &WalletRow) -> Result<(), Error> {
    let mut tx = ledger.begin().await?;
    tx.put_wallets(std::slice::from_ref(row)).await?;
    tx.commit().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_finds_its_database_again_after_a_crash_with_all_that_was_committed() {
    let mut server = Server::start().unwrap();
    let ledger = Postgres::open(&server.database().unwrap()).await.unwrap();
    let before = wallet("asha", coins(5, 0), coins(0, 0));
    put(&ledger, &before).await.unwrap();

    let mut caught = ledger.begin().await.unwrap();
    caught.put_wallets(&[wallet("asha", coins(6, 0), coins(0, 0))]).await.unwrap();
    server.kill9();
    caught.commit().await.unwrap_err();
    let down = tokio::time::timeout(Duration::from_secs(10), put(&ledger, &before)).await;
    down.expect("an error comes soon").unwrap_err();

    server.restart().unwrap();
    let mut tx = ledger.begin().await.unwrap();
    assert_eq!(tx.wallets(&[user("asha")]).await.unwrap(), [before]);
    tx.commit().await.unwrap();
    put(&ledger, &wallet("asha", coins(7, 0), coins(0, 0))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_database_that_is_away_is_worth_another_try() {
    let mut server = Server::start().unwrap();
    let url = server.database().unwrap();
    let (host, _) = url.rsplit_once('/').unwrap();
    let missing = Postgres::open(&format!("{host}/no_such_database")).await.unwrap_err();
    assert!(!missing.is_passing(), "{missing}");
    server.kill9();
    let away = Postgres::open(&url).await.unwrap_err();
    assert!(away.is_passing(), "{away}");
    server.restart().unwrap();
    Postgres::open(&url).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_start_at_once_migrate_an_empty_database_once() {
    let url = Server::shared().unwrap().database().unwrap();
    let starts: Vec<_> = (0..6)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move { Postgres::open(&url).await.map(|_| ()) })
        })
        .collect();
    for start in starts {
        start.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_database_of_another_version_is_refused() {
    for (sql, complaint) in [
        (
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (9999, 'later', true, '', 0)",
            "9999",
        ),
        ("UPDATE _sqlx_migrations SET checksum = ''", "modified"),
    ] {
        let (_, url) = crate::ledger().await;
        let mut db = PgConnection::connect(&url).await.unwrap();
        sqlx::query(sql).execute(&mut db).await.unwrap();
        let error = Postgres::open(&url).await.unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::Migration(_)), "{text}");
        assert!(text.contains(complaint), "{text}");
    }
}

#[tokio::test]
async fn a_database_that_is_not_there_is_an_error_soon() {
    let opening = Postgres::open("postgres://nobody@127.0.0.1:1/none");
    let opened = tokio::time::timeout(Duration::from_secs(10), opening).await;
    assert!(matches!(opened, Ok(Err(Error::Database(_)))));
}
