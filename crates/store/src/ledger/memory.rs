//! The model of a ledger: plain maps, one transaction at a time.

use super::{
    CallRow, CreditRow, Evidence, HostMonth, Ledger, PostingRow, ShardRows, SpendRow, Transaction,
    WalletRow, posting_shard,
};
use crate::{Epoch, Error, Lease};
use billing_core::{Change, Checkpoint, CreditKind, EvidenceRecord, Posting};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{Mutex, OwnedMutexGuard};
use units::{CallId, Coins, ElapsedMs, MeterId, Shard, SpendId, UnixMs, UserId};

/// A ledger that forgets everything when it is dropped. Leases run on the clock that
/// [`set_clock`](Self::set_clock) sets.
#[derive(Debug, Default)]
pub struct Memory {
    books: Arc<Mutex<Books>>,
    clock: AtomicU64,
}

#[derive(Debug, Default)]
struct Books {
    leases: BTreeMap<Shard, Owner>,
    /// Until when each owner counts as one.
    owners: BTreeMap<MeterId, UnixMs>,
    wallets: BTreeMap<UserId, WalletRow>,
    calls: BTreeMap<CallId, CallRow>,
    /// Open calls by fan.
    open: BTreeMap<(UserId, CallId), ()>,
    evidence: BTreeMap<(CallId, u32), EvidenceRecord>,
    documents: BTreeMap<CallId, String>,
    credits: BTreeMap<String, CreditRow>,
    spends: BTreeMap<SpendId, SpendRow>,
    months: BTreeMap<(UserId, String), HostMonth>,
    postings: BTreeMap<(String, u32), (Shard, PostingRow)>,
}

#[derive(Clone, Copy, Debug)]
struct Owner {
    meter: Option<MeterId>,
    epoch: Epoch,
    until: UnixMs,
}

type Undo = Box<dyn FnOnce(&mut Books) + Send>;

/// A transaction has the books to itself, and takes back what it wrote unless it is committed.
pub struct MemoryTx {
    books: OwnedMutexGuard<Books>,
    undo: Vec<Undo>,
}

impl Memory {
    /// What time it is for leases.
    pub fn set_clock(&self, now: UnixMs) {
        self.clock.store(now.0, Ordering::Relaxed);
    }

    fn now(&self) -> UnixMs {
        UnixMs(self.clock.load(Ordering::Relaxed))
    }
}

impl Ledger for Memory {
    type Tx = MemoryTx;

    async fn begin(&self) -> Result<MemoryTx, Error> {
        Ok(MemoryTx { books: Arc::clone(&self.books).lock_owned().await, undo: Vec::new() })
    }

    async fn snapshot(&self) -> Result<MemoryTx, Error> {
        self.begin().await
    }

    async fn claim(&self, owner: MeterId, count: u16, ttl: ElapsedMs) -> Result<Vec<Lease>, Error> {
        let (now, mut books) = (self.now(), self.books.lock().await);
        let mut claimed = Vec::new();
        for shard in Shard::all() {
            if claimed.len() >= usize::from(count) {
                break;
            }
            let known = books.leases.get(&shard).copied();
            if known.is_some_and(|lease| lease.meter.is_some() && lease.until > now) {
                continue;
            }
            let epoch = Epoch(known.map_or(0, |lease| lease.epoch.0) + 1);
            let until = UnixMs(now.0.saturating_add(ttl.0));
            books.leases.insert(shard, Owner { meter: Some(owner), epoch, until });
            claimed.push(Lease { shard, epoch });
        }
        Ok(claimed)
    }

    async fn renew(&self, owner: MeterId, ttl: ElapsedMs) -> Result<(Vec<Lease>, u16), Error> {
        let (now, mut books) = (self.now(), self.books.lock().await);
        let until = UnixMs(now.0.saturating_add(ttl.0));
        books.owners.retain(|_, until| *until > now);
        books.owners.insert(owner, until);
        let owners = u16::try_from(books.owners.len()).unwrap_or(u16::MAX);
        let mut held = Vec::new();
        for (shard, lease) in &mut books.leases {
            if lease.meter == Some(owner) && lease.until > now {
                lease.until = until;
                held.push(Lease { shard: *shard, epoch: lease.epoch });
            }
        }
        Ok((held, owners))
    }

    async fn release(&self, owner: MeterId, shards: &[Shard]) -> Result<(), Error> {
        let mut books = self.books.lock().await;
        for shard in shards {
            if let Some(lease) = books.leases.get_mut(shard)
                && lease.meter == Some(owner)
            {
                lease.meter = None;
            }
        }
        // Who holds none counts as gone until it renews again.
        if books.leases.values().all(|lease| lease.meter != Some(owner)) {
            books.owners.remove(&owner);
        }
        Ok(())
    }
}

impl Drop for MemoryTx {
    fn drop(&mut self) {
        while let Some(undo) = self.undo.pop() {
            undo(&mut self.books);
        }
    }
}

impl MemoryTx {
    fn put<K, V>(&mut self, map: fn(&mut Books) -> &mut BTreeMap<K, V>, key: K, value: V)
    where
        K: Ord + Clone + Send + 'static,
        V: Send + 'static,
    {
        let before = map(&mut self.books).insert(key.clone(), value);
        self.undo.push(Box::new(move |books| {
            match before {
                Some(value) => map(books).insert(key, value),
                None => map(books).remove(&key),
            };
        }));
    }

    fn put_call(&mut self, row: CallRow) {
        let key = (row.live.terms.fan.clone(), row.live.call);
        if row.end.is_none() {
            self.put(|books| &mut books.open, key, ());
        } else if self.books.open.remove(&key).is_some() {
            self.undo.push(Box::new(move |books| {
                books.open.insert(key, ());
            }));
        }
        self.put(|books| &mut books.calls, row.live.call, row);
    }

    fn open_where(&self, wanted: impl Fn(&UserId) -> bool) -> Vec<CallRow> {
        let open = self.books.open.keys().filter(|(fan, _)| wanted(fan));
        open.filter_map(|(_, call)| self.books.calls.get(call)).cloned().collect()
    }
}

impl Transaction for MemoryTx {
    async fn fence(&mut self, epochs: &[(Shard, Epoch)]) -> Result<(), Error> {
        let stale = epochs.iter().find(|(shard, epoch)| {
            self.books.leases.get(shard).is_none_or(|lease| lease.epoch != *epoch)
        });
        stale.map_or(Ok(()), |(shard, _)| Err(Error::Fenced(*shard)))
    }

    async fn wallets(&mut self, users: &[UserId]) -> Result<Vec<WalletRow>, Error> {
        Ok(users.iter().filter_map(|user| self.books.wallets.get(user)).cloned().collect())
    }

    async fn put_wallets(&mut self, rows: &[WalletRow]) -> Result<(), Error> {
        for row in rows {
            self.put(|books| &mut books.wallets, row.user.clone(), row.clone());
        }
        Ok(())
    }

    async fn calls(&mut self, ids: &[CallId]) -> Result<Vec<CallRow>, Error> {
        Ok(ids.iter().filter_map(|id| self.books.calls.get(id)).cloned().collect())
    }

    async fn open_calls(&mut self, shards: &[Shard]) -> Result<Vec<CallRow>, Error> {
        let shards: BTreeSet<Shard> = shards.iter().copied().collect();
        Ok(self.open_where(|fan| shards.contains(&Shard::of(fan))))
    }

    async fn open_calls_of(&mut self, fans: &[UserId]) -> Result<Vec<CallRow>, Error> {
        let fans: BTreeSet<&UserId> = fans.iter().collect();
        Ok(self.open_where(|fan| fans.contains(fan)))
    }

    async fn insert_call(&mut self, row: &CallRow) -> Result<(), Error> {
        assert!(!self.books.calls.contains_key(&row.live.call), "a call is written down once");
        self.put_call(row.clone());
        Ok(())
    }

    async fn checkpoint(&mut self, at: UnixMs, rows: &[Checkpoint]) -> Result<(), Error> {
        for row in rows {
            let Some(known) = self.books.calls.get(&row.call) else { continue };
            if known.end.is_some() {
                continue;
            }
            let mut known = known.clone();
            known.live.seen_at = known.live.seen_at.max(at);
            known.live.proven = known.live.proven.merge(row.proven);
            if row.charged.max(known.live.charged) == row.charged {
                known.live.charged = row.charged;
            }
            let next = row.evidence.iter().map(|record| record.n + 1).max().unwrap_or(0);
            known.live.records = known.live.records.max(next);
            self.put(|books| &mut books.calls, row.call, known);
            for record in &row.evidence {
                if !self.books.evidence.contains_key(&(row.call, record.n)) {
                    self.put(|books| &mut books.evidence, (row.call, record.n), *record);
                }
            }
        }
        Ok(())
    }

    async fn put_calls(&mut self, rows: &[CallRow]) -> Result<(), Error> {
        rows.iter().for_each(|row| self.put_call(row.clone()));
        Ok(())
    }

    async fn insert_change(&mut self, call: CallId, change: &Change) -> Result<(), Error> {
        if let Some(mut row) = self.books.calls.get(&call).cloned()
            && row.live.changes.iter().all(|known| known.n != change.n)
        {
            row.live.changes.push(*change);
            self.put_call(row);
        }
        Ok(())
    }

    async fn evidence(&mut self, calls: &[CallId]) -> Result<Evidence, Error> {
        let mut evidence = Evidence::new();
        for call in calls {
            let range = (*call, 0)..=(*call, u32::MAX);
            for (_, record) in self.books.evidence.range(range) {
                evidence.entry(*call).or_default().push(*record);
            }
        }
        Ok(evidence)
    }

    async fn last_records(
        &mut self,
        calls: &[CallId],
    ) -> Result<BTreeMap<CallId, EvidenceRecord>, Error> {
        let last = |call: &CallId| {
            let mut records = self.books.evidence.range((*call, 0)..=(*call, u32::MAX));
            records.next_back().map(|(_, record)| (*call, *record))
        };
        Ok(calls.iter().filter_map(last).collect())
    }

    async fn insert_documents(&mut self, documents: &[(CallId, String)]) -> Result<(), Error> {
        for (call, document) in documents {
            self.put(|books| &mut books.documents, *call, document.clone());
        }
        Ok(())
    }

    async fn document(&mut self, call: CallId) -> Result<Option<String>, Error> {
        Ok(self.books.documents.get(&call).cloned())
    }

    async fn credit(&mut self, id: &str) -> Result<Option<CreditRow>, Error> {
        Ok(self.books.credits.get(id).cloned())
    }

    async fn insert_credit(&mut self, row: &CreditRow) -> Result<(), Error> {
        self.put(|books| &mut books.credits, row.credit.id.clone(), row.clone());
        Ok(())
    }

    async fn refunded(&mut self, call: CallId) -> Result<Coins, Error> {
        let refunds = self.books.credits.values().filter(
            |row| matches!(row.credit.kind, CreditKind::Refund { call: of, .. } if of == call),
        );
        Ok(refunds.fold(Coins::ZERO, |sum, row| sum.checked_add(row.coins).unwrap_or(sum)))
    }

    async fn spend(&mut self, id: SpendId) -> Result<Option<SpendRow>, Error> {
        Ok(self.books.spends.get(&id).cloned())
    }

    async fn put_spend(&mut self, row: &SpendRow) -> Result<(), Error> {
        self.put(|books| &mut books.spends, row.spend.id, row.clone());
        Ok(())
    }

    async fn pending_spends(&mut self, shards: &[Shard]) -> Result<Vec<SpendRow>, Error> {
        let pending = self
            .books
            .spends
            .values()
            .filter(|row| row.outcome.is_none() && shards.contains(&Shard::of(&row.spend.fan)));
        Ok(pending.cloned().collect())
    }

    async fn host_months(&mut self, months: &[(UserId, String)]) -> Result<Vec<HostMonth>, Error> {
        Ok(months.iter().filter_map(|key| self.books.months.get(key)).cloned().collect())
    }

    async fn put_host_months(&mut self, rows: &[HostMonth]) -> Result<(), Error> {
        for row in rows {
            let key = (row.host.clone(), row.month.clone());
            self.put(|books| &mut books.months, key, row.clone());
        }
        Ok(())
    }

    async fn insert_postings(&mut self, rows: &[Posting]) -> Result<(), Error> {
        for row in rows {
            let key = (row.entry.to_string(), row.n);
            assert!(!self.books.postings.contains_key(&key), "{key:?} is posted once");
            let posting = PostingRow {
                entry: key.0.clone(),
                n: row.n,
                from: row.from.to_string(),
                to: row.to.to_string(),
                amount: row.amount,
            };
            self.put(|books| &mut books.postings, key, (posting_shard(row), posting));
        }
        Ok(())
    }

    async fn shard_rows(&mut self, shard: Shard) -> Result<ShardRows, Error> {
        let here = |user: &UserId| Shard::of(user) == shard;
        let books = &self.books;
        Ok(ShardRows {
            wallets: books.wallets.values().filter(|row| here(&row.user)).cloned().collect(),
            calls: books.calls.values().filter(|row| here(&row.live.terms.fan)).cloned().collect(),
            credits: books.credits.values().filter(|row| here(&row.credit.user)).cloned().collect(),
            spends: books.spends.values().filter(|row| here(&row.spend.fan)).cloned().collect(),
            months: books.months.values().filter(|row| here(&row.host)).cloned().collect(),
            postings: books
                .postings
                .values()
                .filter(|(of, _)| *of == shard)
                .map(|(_, row)| row.clone())
                .collect(),
            broken: Vec::new(),
        })
    }

    async fn commit(mut self) -> Result<(), Error> {
        self.undo.clear();
        Ok(())
    }
}
