//! The audit: every figure of the books worked out again from what it rests on, for every database
//! alike, one shard at a time.
//!
//! A shard's rows are compared with each other and with its postings; what belongs to no fan (hosts'
//! months) is summed up over all shards and compared at the end.

use crate::month::month_of;
use crate::{CallRow, Ledger, PostingRow, ShardRows, SpendRow, Store, Transaction};
use crate::{Error, Hot};
use billing_core::{Account, CreditKind, Entry, EvidenceRecord, Plan, SpendKind, Spending, Split};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use units::{Coins, MicroCoins, Shard, UnixMs, UserId};

/// A rule of the books. Each is checked against rows that were written for another purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// A wallet's credits are the sum of its credit rows, kind by kind.
    CreditsCounted,
    /// What a wallet settled is the sum of its ended calls, gifts and chargebacks.
    SpendingCounted,
    /// No wallet spent more than it was credited, live charges included.
    NeverNegative,
    /// What a wallet owes is what its chargebacks did not find.
    DebtCounted,
    /// A credit's postings add up to it.
    CreditPosted,
    /// A call's postings add up to what is posted of it; of one that has ended, to its charge.
    ChargePosted,
    /// The host's postings of a call or gift are the host's share of it, rounded down.
    HostShare,
    /// A gift's or chargeback's postings add up to it.
    SpendPosted,
    /// No call was charged more than its plan says for its proven time.
    ChargeWithinPlan,
    /// A call's proven time and charge are at least what its last evidence says.
    EvidenceAgrees,
    /// Refunds of a call are at most what it cost.
    RefundWithinCharge,
    /// A fan's balance in the ledger is the wallet's.
    BooksBalance,
    /// A host's month is the sum of its calls and gifts, and of what was posted to the host.
    MonthCounted,
    /// Each posting belongs to a row that is there.
    PostingKnown,
    /// A call that has ended has the signed document that its receipt and evidence give.
    DocumentAgrees,
    /// A call can be read.
    CallReadable,
}

/// Two figures that should be the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub rule: Rule,
    /// A user, a call, an account, or a posting's entry.
    pub subject: String,
    /// Micro-coins, milliseconds or rows.
    pub expected: i128,
    pub found: i128,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, subject, expected, found } = self;
        write!(f, "{rule:?} of {subject}: expected {expected}, found {found}")
    }
}

/// What is worked out so far.
#[derive(Default)]
struct Audit {
    found: Vec<Difference>,
    /// Gross, and postings to the host, by host and month: worked out, and as kept.
    months: BTreeMap<(UserId, String), [i128; 4]>,
}

/// The postings of one shard.
struct Posted<'a> {
    by_entry: BTreeMap<&'a str, Vec<&'a PostingRow>>,
    seen: BTreeSet<String>,
}

impl<H: Hot, L: Ledger> Store<H, L> {
    /// Works everything out again; what differs. Reads as of one moment, and needs no shard held.
    ///
    /// # Errors
    /// As the ledger.
    pub async fn audit(&self) -> Result<Vec<Difference>, Error> {
        let mut tx = self.ledger().snapshot().await?;
        let mut audit = Audit::default();
        for shard in Shard::all() {
            let rows = tx.shard_rows(shard).await?;
            audit.shard(&rows);
            for call in &rows.calls {
                let evidence = tx.evidence(call.live.call).await?;
                audit.evidence(call, &evidence);
                let (Some(receipt), Some(sign)) = (call.receipt(), self.sign()) else { continue };
                let document = tx.document(call.live.call).await?;
                let same = document == Some(sign(&receipt, &evidence));
                audit.same(Rule::DocumentAgrees, receipt.call, 1, i128::from(same));
            }
        }
        audit.months();
        Ok(audit.found)
    }
}

impl Audit {
    fn same(&mut self, rule: Rule, subject: impl fmt::Display, expected: i128, found: i128) {
        if expected != found {
            let subject = subject.to_string();
            self.found.push(Difference { rule, subject, expected, found });
        }
    }

    fn at_most(&mut self, rule: Rule, subject: impl fmt::Display, bound: i128, found: i128) {
        self.same(rule, subject, found.min(bound), found);
    }

    fn shard(&mut self, rows: &ShardRows) {
        for call in &rows.broken {
            self.same(Rule::CallReadable, call, 1, 0);
        }
        let mut posted = Posted::new(&rows.postings);
        self.wallets(rows);
        self.credits(rows, &mut posted);
        for call in &rows.calls {
            self.call(call, rows, &mut posted);
        }
        for row in &rows.spends {
            self.spend(row, &mut posted);
        }
        for row in &rows.months {
            let kept = self.months.entry((row.host.clone(), row.month.clone())).or_default();
            kept[2] += signed(row.gross);
            kept[3] += signed(row.earned);
            for k in 0..row.adjustments {
                let entry = Entry::Month { host: row.host.clone(), month: row.month.clone(), k };
                let sum = posted.take(&entry).iter().map(|row| signed(row.amount)).sum::<i128>();
                let worked_out = self.months.entry((row.host.clone(), row.month.clone()));
                worked_out.or_default()[1] += sum;
            }
        }
        for entry in posted.unknown() {
            self.same(Rule::PostingKnown, entry, 0, 1);
        }
    }

    fn wallets(&mut self, rows: &ShardRows) {
        let mut sums: BTreeMap<&UserId, Figures> = BTreeMap::new();
        for credit in &rows.credits {
            let sum = sums.entry(&credit.user).or_default();
            let promo = matches!(credit.kind, CreditKind::Promo);
            sum.credited[usize::from(promo)] += signed(credit.amount);
        }
        for call in &rows.calls {
            let sum = sums.entry(&call.live.terms.fan).or_default();
            let kind = if call.end.is_some() { &mut sum.settled } else { &mut sum.live };
            add(kind, call.live.charged);
        }
        for row in &rows.spends {
            let Some(Spending::Taken { coins, .. }) = row.outcome else { continue };
            let sum = sums.entry(&row.spend.fan).or_default();
            add(&mut sum.settled, coins);
            if matches!(row.spend.kind, SpendKind::Chargeback) {
                sum.owed += signed(row.spend.amount) - parts(coins).iter().sum::<i128>();
            }
        }
        let mut balances: BTreeMap<&str, i128> = BTreeMap::new();
        for row in &rows.postings {
            *balances.entry(&row.from).or_default() -= signed(row.amount);
            *balances.entry(&row.to).or_default() += signed(row.amount);
        }
        for call in rows.calls.iter().filter(|call| call.end.is_none()) {
            add(&mut sums.entry(&call.live.terms.fan).or_default().posted, call.posted);
        }
        for wallet in &rows.wallets {
            let sum = sums.remove(&wallet.user).unwrap_or_default();
            let (credited, settled) = (parts(wallet.credited), parts(wallet.settled));
            let accounts =
                [Account::FanPaid(wallet.user.clone()), Account::FanPromo(wallet.user.clone())];
            for kind in 0..2 {
                let user = &wallet.user;
                self.same(Rule::CreditsCounted, user, sum.credited[kind], credited[kind]);
                self.same(Rule::SpendingCounted, user, sum.settled[kind], settled[kind]);
                let spent = settled[kind] + sum.live[kind];
                self.at_most(Rule::NeverNegative, user, credited[kind], spent);
                let account = accounts[kind].to_string();
                let balance = balances.get(account.as_str()).copied().unwrap_or(0);
                let left = credited[kind] - settled[kind] - sum.posted[kind];
                self.same(Rule::BooksBalance, account, left, balance);
            }
            self.same(Rule::DebtCounted, &wallet.user, sum.owed, signed(wallet.owed));
        }
        for (user, sum) in sums {
            let figures = [sum.credited, sum.settled, sum.live].concat();
            self.same(Rule::CreditsCounted, user, figures.iter().sum(), 0);
        }
    }

    fn credits(&mut self, rows: &ShardRows, posted: &mut Posted<'_>) {
        for credit in &rows.credits {
            let entry = Entry::Credit(credit.id.clone());
            let postings = posted.take(&entry);
            let sum = postings.iter().map(|row| signed(row.amount)).sum();
            self.same(Rule::CreditPosted, &entry, signed(credit.amount), sum);
        }
    }

    fn call(&mut self, call: &CallRow, rows: &ShardRows, posted: &mut Posted<'_>) {
        let (live, id) = (&call.live, call.live.call);
        let charged: i128 = parts(live.charged).iter().sum();
        let plan = Plan { tariff: live.terms.tariff, changes: live.changes.clone() };
        self.at_most(Rule::ChargeWithinPlan, id, signed(plan.charge(live.proven)), charged);
        let refunds = rows
            .credits
            .iter()
            .filter(|credit| matches!(credit.kind, CreditKind::Refund { call, .. } if call == id));
        let refunded = refunds.map(|credit| signed(credit.amount)).sum();
        self.at_most(Rule::RefundWithinCharge, id, charged, refunded);
        let entries = (0..call.settlements).flat_map(|k| posted.take(&Entry::Call(id, k)));
        let postings: Vec<&PostingRow> = entries.collect();
        let expected = if call.end.is_some() { live.charged } else { call.posted };
        let step = (expected, id.to_string());
        let host = self.shared(&live.terms.host, live.terms.host_share, step, &postings);
        let at = call.end.map_or(live.seen_at, |end| end.at);
        // A call that goes on may have been posted in another month than it was last seen in.
        if call.end.is_some() && call.settlements == 1 {
            self.earned(&live.terms.host, at, expected, host);
        } else {
            self.spread(&live.terms.host, expected, host);
        }
    }

    fn spend(&mut self, row: &SpendRow, posted: &mut Posted<'_>) {
        let spend = &row.spend;
        let postings = posted.take(&Entry::Spend(spend.id));
        let taken = match row.outcome {
            Some(Spending::Taken { coins, .. }) => Some(coins),
            Some(Spending::NoFunds | Spending::OtherSpend) | None => None,
        };
        match (&spend.kind, taken) {
            (SpendKind::Gift { host, host_share }, Some(coins)) => {
                let step = (coins, spend.id.to_string());
                let part = self.shared(host, *host_share, step, &postings);
                self.earned(host, spend.at, coins, part);
            }
            (SpendKind::Gift { .. } | SpendKind::Chargeback, taken) => {
                let expected = taken.map_or(0, |_| signed(spend.amount));
                let sum = postings.iter().map(|row| signed(row.amount)).sum();
                self.same(Rule::SpendPosted, spend.id, expected, sum);
            }
        }
    }

    /// Checks how a charge is divided; the host's part as posted.
    fn shared(
        &mut self,
        host: &UserId,
        share: units::ShareBps,
        (charged, subject): (Coins, String),
        postings: &[&PostingRow],
    ) -> i128 {
        let total = postings.iter().map(|row| signed(row.amount)).sum();
        self.same(Rule::ChargePosted, &subject, parts(charged).iter().sum(), total);
        let account = Account::HostEarnings(host.clone()).to_string();
        let to_host = postings.iter().filter(|row| row.to == account);
        let part = to_host.map(|row| signed(row.amount)).sum();
        self.same(Rule::HostShare, subject, signed(Split::of_coins(charged, share).host), part);
        part
    }

    fn earned(&mut self, host: &UserId, at: UnixMs, gross: Coins, part: i128) {
        let month = self.months.entry((host.clone(), month_of(at))).or_default();
        month[0] += parts(gross).iter().sum::<i128>();
        month[1] += part;
    }

    /// What is known of no month: it counts for the host's months together.
    fn spread(&mut self, host: &UserId, gross: Coins, part: i128) {
        let months = self.months.entry((host.clone(), String::new())).or_default();
        months[0] += parts(gross).iter().sum::<i128>();
        months[1] += part;
    }

    fn evidence(&mut self, call: &CallRow, evidence: &[EvidenceRecord]) {
        let (live, id) = (&call.live, call.live.call);
        self.same(Rule::EvidenceAgrees, id, i128::from(live.records), evidence.len() as i128);
        let Some(last) = evidence.last() else { return };
        let billable = last.counted.billable();
        let (media, video) = (i128::from(billable.media.0), i128::from(billable.video.0));
        self.at_most(Rule::EvidenceAgrees, id, i128::from(live.proven.media.0), media);
        self.at_most(Rule::EvidenceAgrees, id, i128::from(live.proven.video.0), video);
        let in_order = evidence.windows(2).all(|pair| pair[1].n == pair[0].n + 1);
        self.same(Rule::EvidenceAgrees, id, 1, i128::from(in_order));
    }

    /// Hosts' months, once all shards are read. Where a call was posted in parts, only the sum over
    /// the host's months is known.
    fn months(&mut self) {
        let mut hosts: BTreeMap<UserId, [i128; 4]> = BTreeMap::new();
        let months = std::mem::take(&mut self.months);
        let spread: BTreeSet<&UserId> =
            months.keys().filter(|(_, month)| month.is_empty()).map(|(host, _)| host).collect();
        for ((host, month), figures) in &months {
            if !spread.contains(host) {
                let subject = format!("{host} {month}");
                self.same(Rule::MonthCounted, &subject, figures[0], figures[2]);
                self.same(Rule::MonthCounted, &subject, figures[1], figures[3]);
            }
            let sum = hosts.entry(host.clone()).or_default();
            sum.iter_mut().zip(figures).for_each(|(sum, figure)| *sum += figure);
        }
        for (host, sum) in hosts {
            self.same(Rule::MonthCounted, &host, sum[0], sum[2]);
            self.same(Rule::MonthCounted, &host, sum[1], sum[3]);
        }
    }
}

/// A wallet's sums by kind of coin: paid, promo.
#[derive(Default)]
struct Figures {
    credited: [i128; 2],
    settled: [i128; 2],
    live: [i128; 2],
    posted: [i128; 2],
    owed: i128,
}

impl<'a> Posted<'a> {
    fn new(rows: &'a [PostingRow]) -> Self {
        let mut by_entry: BTreeMap<&str, Vec<&PostingRow>> = BTreeMap::new();
        for row in rows {
            by_entry.entry(&row.entry).or_default().push(row);
        }
        Self { by_entry, seen: BTreeSet::new() }
    }

    fn take(&mut self, entry: &Entry) -> Vec<&'a PostingRow> {
        let entry = entry.to_string();
        let rows = self.by_entry.get(entry.as_str()).cloned().unwrap_or_default();
        self.seen.insert(entry);
        rows
    }

    fn unknown(&self) -> Vec<String> {
        let entries = self.by_entry.keys().filter(|entry| !self.seen.contains(**entry));
        entries.map(|entry| (*entry).to_owned()).collect()
    }
}

fn signed(amount: MicroCoins) -> i128 {
    i128::from(amount.micro())
}

fn parts(coins: Coins) -> [i128; 2] {
    [signed(coins.paid), signed(coins.promo)]
}

fn add(sum: &mut [i128; 2], coins: Coins) {
    sum.iter_mut().zip(parts(coins)).for_each(|(sum, part)| *sum += part);
}
