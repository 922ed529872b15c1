//! A ledger whose transactions fail before or after they are durable.

use super::{Fate, Way};
use billing_core::{Change, Checkpoint, EvidenceRecord, Posting};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use store::ledger::Memory;
use store::{
    CallRow, CreditRow, Epoch, Error, Evidence, HostMonth, Lease, Ledger, ShardRows, SpendRow,
    Transaction, WalletRow,
};
use units::{CallId, Coins, ElapsedMs, MeterId, Shard, SpendId, UnixMs, UserId};

/// The database at the end of a way.
#[derive(Clone, Debug)]
pub(crate) struct FaultyLedger {
    pub(crate) way: Way,
    pub(crate) inner: Arc<Memory>,
}

/// A transaction of it.
pub(crate) struct FaultyTx {
    way: Way,
    inner: <Memory as Ledger>::Tx,
}

impl Ledger for FaultyLedger {
    type Tx = FaultyTx;

    async fn begin(&self) -> Result<Self::Tx, Error> {
        let fate = self.way.there().await?;
        let inner = self.inner.begin().await?;
        // A transaction that was begun without the client's knowledge is rolled back.
        match fate {
            Fate::Answered => Ok(FaultyTx { way: self.way.clone(), inner }),
            Fate::AnswerLost => Err(Error::Unavailable("the answer was lost")),
        }
    }

    async fn snapshot(&self) -> Result<FaultyTx, Error> {
        self.begin().await
    }

    async fn claim(&self, owner: MeterId, count: u16, ttl: ElapsedMs) -> Result<Vec<Lease>, Error> {
        let fate = self.way.there().await?;
        let answer = self.inner.claim(owner, count, ttl).await;
        self.way.back(fate, answer).await
    }

    async fn renew(&self, owner: MeterId, ttl: ElapsedMs) -> Result<(Vec<Lease>, u16), Error> {
        let fate = self.way.there().await?;
        let answer = self.inner.renew(owner, ttl).await;
        self.way.back(fate, answer).await
    }

    async fn release(&self, owner: MeterId, shards: &[Shard]) -> Result<(), Error> {
        let fate = self.way.there().await?;
        let answer = self.inner.release(owner, shards).await;
        self.way.back(fate, answer).await
    }
}

macro_rules! pass_through {
    ($(fn $name:ident(&mut self $(, $arg:ident: $type:ty)*) -> $out:ty;)*) => {
        $(fn $name(&mut self $(, $arg: $type)*)
            -> impl Future<Output = Result<$out, Error>> + Send
        {
            self.inner.$name($($arg),*)
        })*
    };
}

impl Transaction for FaultyTx {
    pass_through! {
        fn fence(&mut self, epochs: &[(Shard, Epoch)]) -> ();
        fn wallets(&mut self, users: &[UserId]) -> Vec<WalletRow>;
        fn put_wallets(&mut self, rows: &[WalletRow]) -> ();
        fn calls(&mut self, ids: &[CallId]) -> Vec<CallRow>;
        fn open_calls(&mut self, shards: &[Shard]) -> Vec<CallRow>;
        fn open_calls_of(&mut self, fans: &[UserId]) -> Vec<CallRow>;
        fn insert_call(&mut self, row: &CallRow) -> ();
        fn checkpoint(&mut self, at: UnixMs, rows: &[Checkpoint]) -> ();
        fn put_calls(&mut self, rows: &[CallRow]) -> ();
        fn insert_change(&mut self, call: CallId, change: &Change) -> ();
        fn evidence(&mut self, calls: &[CallId]) -> Evidence;
        fn last_records(&mut self, calls: &[CallId]) -> BTreeMap<CallId, EvidenceRecord>;
        fn insert_documents(&mut self, documents: &[(CallId, String)]) -> ();
        fn document(&mut self, call: CallId) -> Option<String>;
        fn credit(&mut self, id: &str) -> Option<CreditRow>;
        fn insert_credit(&mut self, row: &CreditRow) -> ();
        fn refunded(&mut self, call: CallId) -> Coins;
        fn spend(&mut self, id: SpendId) -> Option<SpendRow>;
        fn put_spend(&mut self, row: &SpendRow) -> ();
        fn pending_spends(&mut self, shards: &[Shard]) -> Vec<SpendRow>;
        fn host_months(&mut self, months: &[(UserId, String)]) -> Vec<HostMonth>;
        fn put_host_months(&mut self, rows: &[HostMonth]) -> ();
        fn insert_postings(&mut self, rows: &[Posting]) -> ();
        fn shard_rows(&mut self, shard: Shard) -> ShardRows;
    }

    async fn commit(self) -> Result<(), Error> {
        let fate = self.way.there().await?;
        let answer = self.inner.commit().await;
        self.way.back(fate, answer).await
    }
}
