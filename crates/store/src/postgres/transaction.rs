//! One transaction on one connection. Dropped without a commit, it is rolled back.

use super::{audit, call, credit, evidence, lease, month, posting, progress, spend, wallet};
use crate::ledger::{
    CallRow, CreditRow, Evidence, HostMonth, ShardRows, SpendRow, Transaction, WalletRow,
};
use crate::{Epoch, Error};
use billing_core::{Change, Checkpoint, EvidenceRecord, Posting};
use sqlx::Postgres as Driver;
use sqlx::postgres::PgConnection;
use std::collections::BTreeMap;
use units::{CallId, Coins, Shard, SpendId, UnixMs, UserId};

/// A transaction of a [`Postgres`](super::Postgres) ledger.
pub struct PostgresTx {
    tx: sqlx::Transaction<'static, Driver>,
    lock: Lock,
}

/// What reading by id does to the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lock {
    /// They stay as they are until the end.
    Hold,
    /// Nothing: the transaction sees one moment anyway.
    None,
}

impl PostgresTx {
    pub(super) fn new(tx: sqlx::Transaction<'static, Driver>) -> Self {
        Self { tx, lock: Lock::Hold }
    }

    pub(super) fn reading(tx: sqlx::Transaction<'static, Driver>) -> Self {
        Self { tx, lock: Lock::None }
    }

    fn db(&mut self) -> &mut PgConnection {
        &mut self.tx
    }
}

impl Transaction for PostgresTx {
    async fn fence(&mut self, epochs: &[(Shard, Epoch)]) -> Result<(), Error> {
        lease::fence(self.db(), epochs).await
    }

    async fn wallets(&mut self, users: &[UserId]) -> Result<Vec<WalletRow>, Error> {
        wallet::read(&mut self.tx, self.lock, users).await
    }

    async fn put_wallets(&mut self, rows: &[WalletRow]) -> Result<(), Error> {
        wallet::put(self.db(), rows).await
    }

    async fn calls(&mut self, ids: &[CallId]) -> Result<Vec<CallRow>, Error> {
        call::read(&mut self.tx, self.lock, ids).await
    }

    async fn open_calls(&mut self, shards: &[Shard]) -> Result<Vec<CallRow>, Error> {
        call::open(self.db(), shards).await
    }

    async fn open_calls_of(&mut self, fans: &[UserId]) -> Result<Vec<CallRow>, Error> {
        call::open_of(self.db(), fans).await
    }

    async fn insert_call(&mut self, row: &CallRow) -> Result<(), Error> {
        call::insert(self.db(), row).await
    }

    async fn checkpoint(&mut self, at: UnixMs, rows: &[Checkpoint]) -> Result<(), Error> {
        progress::checkpoint(self.db(), at, rows).await
    }

    async fn put_calls(&mut self, rows: &[CallRow]) -> Result<(), Error> {
        progress::put(self.db(), rows).await
    }

    async fn insert_change(&mut self, call: CallId, change: &Change) -> Result<(), Error> {
        call::insert_change(self.db(), call, change).await
    }

    async fn evidence(&mut self, calls: &[CallId]) -> Result<Evidence, Error> {
        evidence::read(self.db(), calls).await
    }

    async fn last_records(
        &mut self,
        calls: &[CallId],
    ) -> Result<BTreeMap<CallId, EvidenceRecord>, Error> {
        evidence::read_last(self.db(), calls).await
    }

    async fn insert_documents(&mut self, documents: &[(CallId, String)]) -> Result<(), Error> {
        evidence::insert_documents(self.db(), documents).await
    }

    async fn document(&mut self, call: CallId) -> Result<Option<String>, Error> {
        evidence::document(self.db(), call).await
    }

    async fn credit(&mut self, id: &str) -> Result<Option<CreditRow>, Error> {
        credit::read(self.db(), id).await
    }

    async fn insert_credit(&mut self, row: &CreditRow) -> Result<(), Error> {
        credit::insert(self.db(), row).await
    }

    async fn refunded(&mut self, call: CallId) -> Result<Coins, Error> {
        credit::refunded(self.db(), call).await
    }

    async fn spend(&mut self, id: SpendId) -> Result<Option<SpendRow>, Error> {
        spend::read(&mut self.tx, self.lock, id).await
    }

    async fn put_spend(&mut self, row: &SpendRow) -> Result<(), Error> {
        spend::put(self.db(), row).await
    }

    async fn pending_spends(&mut self, shards: &[Shard]) -> Result<Vec<SpendRow>, Error> {
        spend::pending(self.db(), shards).await
    }

    async fn host_months(&mut self, months: &[(UserId, String)]) -> Result<Vec<HostMonth>, Error> {
        month::read(&mut self.tx, self.lock, months).await
    }

    async fn put_host_months(&mut self, rows: &[HostMonth]) -> Result<(), Error> {
        month::put(self.db(), rows).await
    }

    async fn insert_postings(&mut self, rows: &[Posting]) -> Result<(), Error> {
        posting::insert(self.db(), rows).await
    }

    async fn shard_rows(&mut self, shard: Shard) -> Result<ShardRows, Error> {
        audit::shard_rows(self.db(), shard).await
    }

    async fn commit(self) -> Result<(), Error> {
        Ok(self.tx.commit().await?)
    }
}
