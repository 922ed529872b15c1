//! One transaction on one connection. Dropped without a commit, it is rolled back.

use super::live_rows::HeldRows;
use super::{call, credit, evidence, lease, month, posting, progress, shard_rows, spend, wallet};
use crate::ledger::{
    CallRow, CreditRow, Evidence, HostMonth, ShardRows, SpendRow, Transaction, WalletRow,
};
use crate::{Epoch, Error};
use billing_core::{Change, Checkpoint, EvidenceRecord, Posting};
use sqlx::Sqlite as Driver;
use sqlx::sqlite::SqliteConnection;
use std::collections::BTreeMap;
use units::{CallId, Coins, Shard, SpendId, UnixMs, UserId};

/// A transaction of a [`Sqlite`](super::Sqlite) ledger.
pub struct SqliteTx {
    /// Before the rows, so that whoever takes those finds no transaction under way.
    tx: sqlx::Transaction<'static, Driver>,
    live_rows: HeldRows,
}

impl SqliteTx {
    pub(super) fn new(tx: sqlx::Transaction<'static, Driver>, live_rows: HeldRows) -> Self {
        Self { tx, live_rows }
    }

    fn db(&mut self) -> &mut SqliteConnection {
        &mut self.tx
    }
}

impl Transaction for SqliteTx {
    async fn fence(&mut self, epochs: &[(Shard, Epoch)]) -> Result<(), Error> {
        lease::fence(self.db(), epochs).await
    }

    async fn wallets(&mut self, users: &[UserId]) -> Result<Vec<WalletRow>, Error> {
        wallet::read(self.db(), users).await
    }

    async fn put_wallets(&mut self, rows: &[WalletRow]) -> Result<(), Error> {
        wallet::put(self.db(), rows).await
    }

    async fn calls(&mut self, ids: &[CallId]) -> Result<Vec<CallRow>, Error> {
        call::read(self.db(), ids).await
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
        progress::checkpoint(&mut self.tx, &mut self.live_rows, at, rows).await
    }

    async fn put_calls(&mut self, rows: &[CallRow]) -> Result<(), Error> {
        self.live_rows.forget(rows.iter().filter(|row| row.end.is_some()).map(|row| row.live.call));
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
        spend::read(self.db(), id).await
    }

    async fn put_spend(&mut self, row: &SpendRow) -> Result<(), Error> {
        spend::put(self.db(), row).await
    }

    async fn pending_spends(&mut self, shards: &[Shard]) -> Result<Vec<SpendRow>, Error> {
        spend::pending(self.db(), shards).await
    }

    async fn host_months(&mut self, months: &[(UserId, String)]) -> Result<Vec<HostMonth>, Error> {
        month::read(self.db(), months).await
    }

    async fn put_host_months(&mut self, rows: &[HostMonth]) -> Result<(), Error> {
        month::put(self.db(), rows).await
    }

    async fn insert_postings(&mut self, rows: &[Posting]) -> Result<(), Error> {
        posting::insert(self.db(), rows).await
    }

    async fn shard_rows(&mut self, shard: Shard) -> Result<ShardRows, Error> {
        shard_rows::read(self.db(), shard).await
    }

    async fn commit(self) -> Result<(), Error> {
        self.tx.commit().await?;
        self.live_rows.keep();
        Ok(())
    }
}
