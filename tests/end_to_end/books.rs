//! The ledger after a server has stopped.

use std::path::Path;
use store::{Sqlite, Store as _};
use units::{MicroCoins, UserId};

/// Everything that can be recomputed from the ledger agrees.
pub(crate) async fn balance(database: &Path) {
    let differences = Sqlite::open(database).await.unwrap().audit().await.unwrap();
    assert!(differences.is_empty(), "the books differ: {differences:?}");
}

/// What a wallet holds.
pub(crate) async fn funds(database: &Path, user: &str) -> MicroCoins {
    let user: UserId = user.parse().unwrap();
    Sqlite::open(database).await.unwrap().funds(&user).await.unwrap()
}
