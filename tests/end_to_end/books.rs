//! The ledger after a server has stopped.

use billing_core::Receipt;
use std::path::Path;
use store::{Options, Sqlite, Store, hot};
use units::{CallId, MeterId, MicroCoins};

/// The books of a database that no server uses.
async fn books(database: &Path) -> Store<hot::Memory, Sqlite> {
    let ledger = Sqlite::open_to_read(database).await.unwrap();
    Store::new(hot::Memory::default(), ledger, Options::new(MeterId::ALONE))
}

/// Everything that can be recomputed from the ledger agrees.
pub(crate) async fn balance(database: &Path) {
    let differences = books(database).await.audit().await.unwrap();
    assert!(differences.is_empty(), "the books differ: {differences:?}");
}

/// What a wallet holds.
pub(crate) async fn funds(database: &Path, user: &str) -> MicroCoins {
    books(database).await.funds(&user.parse().unwrap()).await.unwrap()
}

/// The bill of a call.
pub(crate) async fn receipt(database: &Path, call: CallId) -> Receipt {
    books(database).await.receipt(call).await.unwrap().unwrap()
}
