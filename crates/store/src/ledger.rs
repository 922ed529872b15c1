//! The ledger: everything that must survive, as rows in a database with transactions.
//!
//! A [`Ledger`] keeps rows and decides nothing; what they mean stands in [`crate::Store`], once
//! for all databases. Operations take whole batches, since a statement per row would be the limit.

mod memory;

pub use memory::Memory;

use crate::{Epoch, Error, Lease};
use billing_core::{
    Account, Change, Checkpoint, Credit, End, EvidenceRecord, LiveCall, Posting, Receipt, Spend,
    Spending,
};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use units::{CallId, Coins, ElapsedMs, MeterId, MicroCoins, Shard, SpendId, UserId};

/// A wallet's totals. Its funds are credited - settled - what its open calls were charged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalletRow {
    pub user: UserId,
    pub credited: Coins,
    /// What ended calls, gifts and chargebacks took.
    pub settled: Coins,
    /// What is owed after chargebacks.
    pub owed: MicroCoins,
}

/// A call. `live.charged` and `live.proven` are the last checkpoint's, or final; `live.records` is
/// raised by every checkpoint that brings evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRow {
    pub live: LiveCall,
    /// What is posted of it, and in how many settlements.
    pub posted: Coins,
    pub settlements: u32,
    /// `None` while it is open.
    pub end: Option<End>,
}

/// A credit, and what it put into the wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreditRow {
    pub credit: Credit,
    /// What a purchase did not put there paid off what the fan owed.
    pub coins: Coins,
}

/// A gift or chargeback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpendRow {
    pub spend: Spend,
    /// `None` while it is under way. The funds in it are nothing: they are asked for anew.
    pub outcome: Option<Spending>,
}

/// A host's month, for share tiers. The month as `2026-11`, in UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostMonth {
    pub host: UserId,
    pub month: String,
    /// What fans spent on the host.
    pub gross: MicroCoins,
    /// The host's postings of that month, tier adjustments included.
    pub earned: MicroCoins,
    /// How many adjustments there were.
    pub adjustments: u32,
}

/// All rows of the wallets of one shard, for the audit; and of the hosts whose own shard it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardRows {
    pub wallets: Vec<WalletRow>,
    pub calls: Vec<CallRow>,
    pub credits: Vec<CreditRow>,
    pub spends: Vec<SpendRow>,
    /// By the host's shard.
    pub months: Vec<HostMonth>,
    /// By the fan's shard; those of [`Entry::Month`](billing_core::Entry::Month) by the host's
    /// ([`posting_shard`]). In the order of their keys.
    pub postings: Vec<PostingRow>,
    /// Calls whose row can't be read, by whatever stands in their id.
    pub broken: Vec<String>,
}

/// The records of calls.
pub type Evidence = BTreeMap<CallId, Vec<EvidenceRecord>>;

/// A database of the rows above.
pub trait Ledger: Send + Sync + 'static {
    type Tx: Transaction;

    /// Begins a transaction. Rows that it reads by id stay as they are until it ends.
    fn begin(&self) -> impl Future<Output = Result<Self::Tx, Error>> + Send;

    /// Begins a transaction that only reads, all of it as of one moment. A database lets it run
    /// beside those that write.
    fn snapshot(&self) -> impl Future<Output = Result<Self::Tx, Error>> + Send;

    /// Takes up to `count` shards that nobody holds (or whose lease ran out), for `ttl` from now on
    /// the database's clock, each under the next epoch.
    fn claim(
        &self,
        owner: MeterId,
        count: u16,
        ttl: ElapsedMs,
    ) -> impl Future<Output = Result<Vec<Lease>, Error>> + Send;

    /// Prolongs all leases of `owner`, and notes that it is there; returns those it still holds, and
    /// how many owners hold shards or were noted within the last `ttl`.
    fn renew(
        &self,
        owner: MeterId,
        ttl: ElapsedMs,
    ) -> impl Future<Output = Result<(Vec<Lease>, u16), Error>> + Send;

    /// Gives shards back, so that others may claim them at once.
    fn release(
        &self,
        owner: MeterId,
        shards: &[Shard],
    ) -> impl Future<Output = Result<(), Error>> + Send;
}

/// One transaction: all of it happens, durably, when [`commit`](Self::commit) returns, or none if
/// it is dropped. Row lists hold each id once.
pub trait Transaction: Send {
    /// [`Error::Fenced`] unless these are the shards' epochs now. They stay so until the end.
    fn fence(
        &mut self,
        epochs: &[(Shard, Epoch)],
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// The wallets of these users that exist.
    fn wallets(
        &mut self,
        users: &[UserId],
    ) -> impl Future<Output = Result<Vec<WalletRow>, Error>> + Send;

    /// Writes wallets, new or not.
    fn put_wallets(&mut self, rows: &[WalletRow])
    -> impl Future<Output = Result<(), Error>> + Send;

    /// These calls, as far as they exist. One that can't be read is [`Error::Corrupt`].
    fn calls(&mut self, ids: &[CallId])
    -> impl Future<Output = Result<Vec<CallRow>, Error>> + Send;

    /// Open calls of these shards' wallets; those that can't be read are logged and left out, so
    /// that they hold up no others.
    fn open_calls(
        &mut self,
        shards: &[Shard],
    ) -> impl Future<Output = Result<Vec<CallRow>, Error>> + Send;

    /// Open calls of these fans, as above.
    fn open_calls_of(
        &mut self,
        fans: &[UserId],
    ) -> impl Future<Output = Result<Vec<CallRow>, Error>> + Send;

    /// A new call.
    fn insert_call(&mut self, row: &CallRow) -> impl Future<Output = Result<(), Error>> + Send;

    /// Writes progress by maximum, and the evidence with it; passes over calls that are not open.
    /// Each proven time by itself; the charge only where both kinds of coins are at least what is
    /// there, since the maximum of each kind by itself could be more than any bill. Evidence that
    /// is there already is not written again.
    fn checkpoint(
        &mut self,
        at: units::UnixMs,
        rows: &[Checkpoint],
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Writes what a settlement changed: progress, posted, settlements, end. With the end, and only
    /// then, the charge may be less than a checkpoint's (a failover had let a wallet be overdrawn),
    /// but not less than what is posted.
    fn put_calls(&mut self, rows: &[CallRow]) -> impl Future<Output = Result<(), Error>> + Send;

    /// Adds a tariff change to an open call. One of that number that is there already stays.
    fn insert_change(
        &mut self,
        call: CallId,
        change: &Change,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// The evidence of these calls, each by `n`; of one without evidence nothing.
    fn evidence(
        &mut self,
        calls: &[CallId],
    ) -> impl Future<Output = Result<Evidence, Error>> + Send;

    /// The last evidence record of each of these calls, if it has any that can be read.
    fn last_records(
        &mut self,
        calls: &[CallId],
    ) -> impl Future<Output = Result<BTreeMap<CallId, EvidenceRecord>, Error>> + Send;

    /// Keeps signed receipts: a call's document never changes.
    fn insert_documents(
        &mut self,
        documents: &[(CallId, String)],
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// A call's signed receipt.
    fn document(
        &mut self,
        call: CallId,
    ) -> impl Future<Output = Result<Option<String>, Error>> + Send;

    /// The credit of that id.
    fn credit(&mut self, id: &str)
    -> impl Future<Output = Result<Option<CreditRow>, Error>> + Send;

    /// A new credit.
    fn insert_credit(&mut self, row: &CreditRow) -> impl Future<Output = Result<(), Error>> + Send;

    /// What a call's refunds gave back in all.
    fn refunded(&mut self, call: CallId) -> impl Future<Output = Result<Coins, Error>> + Send;

    /// The gift or chargeback of that id.
    fn spend(
        &mut self,
        id: SpendId,
    ) -> impl Future<Output = Result<Option<SpendRow>, Error>> + Send;

    /// Writes a gift or chargeback, new or with its outcome.
    fn put_spend(&mut self, row: &SpendRow) -> impl Future<Output = Result<(), Error>> + Send;

    /// Gifts and chargebacks of these shards' wallets that are under way.
    fn pending_spends(
        &mut self,
        shards: &[Shard],
    ) -> impl Future<Output = Result<Vec<SpendRow>, Error>> + Send;

    /// Months of these hosts, as far as they exist.
    fn host_months(
        &mut self,
        months: &[(UserId, String)],
    ) -> impl Future<Output = Result<Vec<HostMonth>, Error>> + Send;

    /// Writes months, new or not.
    fn put_host_months(
        &mut self,
        rows: &[HostMonth],
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// New rows of the ledger; one whose key is there already is an error.
    fn insert_postings(
        &mut self,
        rows: &[Posting],
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Everything about a shard's wallets, for the audit.
    fn shard_rows(&mut self, shard: Shard)
    -> impl Future<Output = Result<ShardRows, Error>> + Send;

    /// Makes it durable.
    fn commit(self) -> impl Future<Output = Result<(), Error>> + Send;
}

/// A posting as it stands in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostingRow {
    pub entry: String,
    pub n: u32,
    pub from: String,
    pub to: String,
    pub amount: MicroCoins,
}

/// The shard by which a posting is kept: of the fan whose coins it moves, or, where there is none
/// (a month's tier), of the host.
#[must_use]
pub fn posting_shard(posting: &Posting) -> Shard {
    let fan = [&posting.from, &posting.to].into_iter().find_map(|account| match account {
        Account::FanPaid(user) | Account::FanPromo(user) | Account::FanReceivable(user) => {
            Some(user)
        }
        Account::HostEarnings(_)
        | Account::HostPayout(_)
        | Account::PlatformFee
        | Account::PlatformPromoExpense
        | Account::PlatformAbsorbed
        | Account::PspClearing => None,
    });
    let host = [&posting.from, &posting.to].into_iter().find_map(|account| match account {
        Account::HostEarnings(user) | Account::HostPayout(user) => Some(user),
        Account::FanPaid(_)
        | Account::FanPromo(_)
        | Account::FanReceivable(_)
        | Account::PlatformFee
        | Account::PlatformPromoExpense
        | Account::PlatformAbsorbed
        | Account::PspClearing => None,
    });
    let first = || Shard::all().next().expect("there are shards");
    fan.or(host).map_or_else(first, Shard::of)
}

impl<L: Ledger> Ledger for Arc<L> {
    type Tx = L::Tx;

    async fn begin(&self) -> Result<Self::Tx, Error> {
        L::begin(self).await
    }

    async fn snapshot(&self) -> Result<Self::Tx, Error> {
        L::snapshot(self).await
    }

    async fn claim(&self, owner: MeterId, count: u16, ttl: ElapsedMs) -> Result<Vec<Lease>, Error> {
        L::claim(self, owner, count, ttl).await
    }

    async fn renew(&self, owner: MeterId, ttl: ElapsedMs) -> Result<(Vec<Lease>, u16), Error> {
        L::renew(self, owner, ttl).await
    }

    async fn release(&self, owner: MeterId, shards: &[Shard]) -> Result<(), Error> {
        L::release(self, owner, shards).await
    }
}

impl WalletRow {
    /// A wallet into which nothing was put yet.
    #[must_use]
    pub const fn empty(user: UserId) -> Self {
        Self { user, credited: Coins::ZERO, settled: Coins::ZERO, owed: MicroCoins::ZERO }
    }
}

impl CallRow {
    /// A call of which nothing is posted yet.
    #[must_use]
    pub const fn new(live: LiveCall) -> Self {
        Self { live, posted: Coins::ZERO, settlements: 0, end: None }
    }

    /// The bill, once the call has ended.
    #[must_use]
    pub fn receipt(&self) -> Option<Receipt> {
        let (live, end) = (&self.live, self.end?);
        Some(Receipt {
            call: live.call,
            terms: live.terms.clone(),
            changes: live.changes.clone(),
            reason: end.reason,
            opened_at: live.opened_at,
            ended_at: end.at,
            proven: live.proven,
            charged: live.charged,
        })
    }
}
