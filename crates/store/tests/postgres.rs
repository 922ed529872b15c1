//! PostgreSQL as a ledger: what it must do beyond what all ledgers do (`conformance.rs`).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "postgres/books.rs"]
mod books;
#[path = "postgres/connection.rs"]
mod connection;
#[path = "postgres/leases.rs"]
mod leases;
#[path = "postgres/rows.rs"]
mod rows;
#[path = "postgres/schema.rs"]
mod schema;

use store::Postgres;

/// An empty ledger on the server that all tests share, and its address.
async fn ledger() -> (Postgres, String) {
    let url = test_servers::Postgres::shared().unwrap().database().unwrap();
    (Postgres::open(&url).await.unwrap(), url)
}
