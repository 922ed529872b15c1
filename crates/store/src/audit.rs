//! The audit: every figure of the books worked out again from what it rests on, for every database
//! alike, one shard at a time.
//!
//! A shard's rows are compared with each other and with its postings; what belongs to no fan (hosts'
//! months) is summed up over all shards and compared at the end.
//!
//! It can't tell why a call was charged less than its plan says: that its funds had ended at that
//! moment depends on the order of what the wallet paid for, which the ledger does not keep.

mod difference;

pub use difference::{Audited, Difference, Rule};

use crate::month::month_of;
use crate::{CallRow, CreditRow, Ledger, PostingRow, ShardRows, SpendRow, Store, Transaction};
use crate::{Error, Hot};
use billing_core::receipt::{PublicKey, verify};
use billing_core::{
    Account, CreditKind, Entry, EvidenceRecord, Plan, Posting, SpendKind, Spending, Split,
    charge_postings, chargeback_postings, credit_postings, month_postings,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use units::{Coins, MicroCoins, Shard, UnixMs, UserId};

/// What is worked out so far.
#[derive(Default)]
struct Audit {
    done: Audited,
    /// Gross, and postings to the host, by host and month: worked out, and as kept.
    months: BTreeMap<(UserId, String), [i128; 4]>,
}

/// The postings of one shard.
struct Posted<'a> {
    by_entry: BTreeMap<&'a str, Vec<&'a PostingRow>>,
    seen: BTreeSet<String>,
}

/// Works everything out again, from one moment's rows; needs no shard held and no hot balances.
///
/// `key` is whose signature documents must bear; without it any that fits its document. `seen` is
/// told after each shard how far it is. What is kept meanwhile is one shard, one call's evidence,
/// the sums of each host's months, and the differences.
///
/// # Errors
/// As the ledger.
pub async fn audit<L: Ledger>(
    ledger: &L,
    key: Option<PublicKey>,
    mut seen: impl FnMut(Shard, &Audited) + Send,
) -> Result<Audited, Error> {
    let mut tx = ledger.snapshot().await?;
    let mut audit = Audit::default();
    for shard in Shard::all() {
        let rows = tx.shard_rows(shard).await?;
        audit.shard(&rows);
        for call in &rows.calls {
            let id = call.live.call;
            let evidence = tx.evidence(&[id]).await?.remove(&id).unwrap_or_default();
            audit.evidence(call, &evidence);
            let document = tx.document(id).await?;
            audit.document(call, &evidence, document.as_deref(), key);
        }
        seen(shard, &audit.done);
    }
    audit.months();
    Ok(audit.done)
}

impl<H: Hot, L: Ledger> Store<H, L> {
    /// [`audit`] of this store's ledger: what differs. If this store signs receipts, each ended
    /// call must have the document that its receipt and evidence give.
    ///
    /// # Errors
    /// As the ledger.
    pub async fn audit(&self) -> Result<Vec<Difference>, Error> {
        let mut differences = audit(self.ledger(), None, |_, _| ()).await?.differences;
        let Some(sign) = self.sign() else { return Ok(differences) };
        let mut tx = self.ledger().snapshot().await?;
        for shard in Shard::all() {
            for call in &tx.shard_rows(shard).await?.calls {
                let Some(receipt) = call.receipt() else { continue };
                let evidence = tx.evidence(&[receipt.call]).await?.remove(&receipt.call);
                let evidence = evidence.unwrap_or_default();
                let document = tx.document(receipt.call).await?;
                if document != Some(sign(&receipt, &evidence)) {
                    let subject = receipt.call.to_string();
                    let rule = Rule::DocumentAgrees;
                    differences.push(Difference { rule, subject, expected: 1, found: 0 });
                }
            }
        }
        Ok(differences)
    }
}

impl Audit {
    fn same(&mut self, rule: Rule, subject: impl fmt::Display, expected: i128, found: i128) {
        if expected != found {
            let subject = subject.to_string();
            self.done.differences.push(Difference { rule, subject, expected, found });
        }
    }

    fn at_most(&mut self, rule: Rule, subject: impl fmt::Display, bound: i128, found: i128) {
        self.same(rule, subject, found.min(bound), found);
    }

    fn shard(&mut self, rows: &ShardRows) {
        for call in &rows.broken {
            self.same(Rule::CallReadable, call, 1, 0);
        }
        self.done.count(rows);
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
                let postings = posted.take(&entry);
                let sum = postings.iter().map(|row| signed(row.amount)).sum::<i128>();
                let amount = u64::try_from(sum).ok().and_then(|sum| MicroCoins::new(sum).ok());
                let amount = amount.unwrap_or(MicroCoins::MAX);
                let expected = month_postings(&row.host, &row.month, k, amount);
                self.accounts(&entry, &expected, &postings);
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
        for row in &rows.credits {
            let sum = sums.entry(&row.credit.user).or_default();
            add(&mut sum.credited, row.coins);
            sum.owed -= paid_off(row);
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
        for row in &rows.credits {
            let credit = &row.credit;
            let entry = Entry::Credit(credit.id.clone());
            let postings = posted.take(&entry);
            let sum = postings.iter().map(|row| signed(row.amount)).sum();
            self.same(Rule::CreditPosted, &entry, signed(credit.amount), sum);
            let refunded = match credit.kind {
                CreditKind::Refund { call, .. } => rows.calls.iter().find(|c| c.live.call == call),
                CreditKind::Purchase | CreditKind::Promo => None,
            };
            let refunded = refunded.map(|call| &call.live.terms);
            let refunded = refunded.map(|terms| (&terms.host, terms.host_share));
            self.accounts(&entry, &credit_postings(credit, row.coins, refunded), &postings);
            let Coins { paid, promo } = row.coins;
            let expected = match credit.kind {
                CreditKind::Purchase => (paid.min(credit.amount), MicroCoins::ZERO),
                CreditKind::Promo => (MicroCoins::ZERO, credit.amount),
                CreditKind::Refund { .. } => (credit.amount.saturating_sub(promo), promo),
            };
            self.same(Rule::CreditCoins, &entry, signed(expected.0), signed(paid));
            self.same(Rule::CreditCoins, &entry, signed(expected.1), signed(promo));
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
            .filter(|row| matches!(row.credit.kind, CreditKind::Refund { call, .. } if call == id));
        let mut refunded = [0; 2];
        refunds.for_each(|row| add(&mut refunded, row.coins));
        let given: i128 = refunded.iter().sum();
        self.at_most(Rule::RefundWithinCharge, id, charged, given);
        // Of promo coins the part that they had in the charge.
        let due = given * parts(live.charged)[1] / charged.max(1);
        self.same(Rule::RefundCoins, id, due, refunded[1]);
        let entries = (0..call.settlements).flat_map(|k| posted.take(&Entry::Call(id, k)));
        let postings: Vec<&PostingRow> = entries.collect();
        let expected = if call.end.is_some() { live.charged } else { call.posted };
        let step = (expected, id.to_string());
        let host = self.shared(&live.terms.host, live.terms.host_share, step, &postings);
        let (terms, step) = (&live.terms, (Coins::ZERO, expected));
        let entry = Entry::Call(id, 0);
        let rows = charge_postings(&entry, &terms.fan, &terms.host, terms.host_share, step);
        self.accounts(id, &rows, &postings);
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
                let (entry, share) = (Entry::Spend(spend.id), *host_share);
                let rows = charge_postings(&entry, &spend.fan, host, share, (Coins::ZERO, coins));
                self.accounts(&entry, &rows, &postings);
                let step = (coins, spend.id.to_string());
                let part = self.shared(host, *host_share, step, &postings);
                self.earned(host, spend.at, coins, part);
            }
            (SpendKind::Gift { .. } | SpendKind::Chargeback, taken) => {
                let expected = taken.map_or(0, |_| signed(spend.amount));
                let sum = postings.iter().map(|row| signed(row.amount)).sum();
                self.same(Rule::SpendPosted, spend.id, expected, sum);
                let rows = taken.map_or_else(Vec::new, |coins| {
                    chargeback_postings(spend.id, &spend.fan, spend.amount, coins)
                });
                self.accounts(spend.id, &rows, &postings);
            }
        }
    }

    /// Compares what went between any two accounts. With it each account's balance is right, those
    /// of hosts and of the platform too, since every posting belongs to a row.
    fn accounts(
        &mut self,
        subject: impl fmt::Display,
        expected: &[Posting],
        found: &[&PostingRow],
    ) {
        let mut sums: BTreeMap<(String, String), [i128; 2]> = BTreeMap::new();
        for row in expected {
            let sum = sums.entry((row.from.to_string(), row.to.to_string())).or_default();
            sum[0] += signed(row.amount);
        }
        for row in found {
            sums.entry((row.from.clone(), row.to.clone())).or_default()[1] += signed(row.amount);
        }
        for ((from, to), [expected, found]) in sums {
            let subject = format_args!("{subject}, {from} to {to}");
            self.same(Rule::AccountsAgree, subject, expected, found);
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

    /// A call's records only grow, none charges more than the price of what was proven by then, and
    /// the last one is within the bill.
    fn evidence(&mut self, call: &CallRow, evidence: &[EvidenceRecord]) {
        self.done.records += evidence.len() as u64;
        let (live, id) = (&call.live, call.live.call);
        self.same(Rule::EvidenceAgrees, id, i128::from(live.records), evidence.len() as i128);
        let plan = Plan { tariff: live.terms.tariff, changes: live.changes.clone() };
        let mut before: Option<&EvidenceRecord> = None;
        for record in evidence {
            let subject = format!("{id}, record {}", record.n);
            let next = before.map_or(0, |before| i128::from(before.n) + 1);
            self.same(Rule::EvidenceAgrees, &subject, next, i128::from(record.n));
            let price = signed(plan.charge(record.counted.billable()));
            self.at_most(Rule::RecordWithinPlan, &subject, price, signed(record.charged));
            if let Some(before) = before {
                for [was, is] in grown(before, record) {
                    self.same(Rule::EvidenceGrows, &subject, was.max(is), is);
                }
            }
            before = Some(record);
        }
        let Some(last) = before else { return };
        let billable = last.counted.billable();
        let (media, video) = (i128::from(billable.media.0), i128::from(billable.video.0));
        self.at_most(Rule::EvidenceAgrees, id, i128::from(live.proven.media.0), media);
        self.at_most(Rule::EvidenceAgrees, id, i128::from(live.proven.video.0), video);
        if call.end.is_none() {
            return;
        }
        let charged = parts(live.charged).iter().sum();
        self.at_most(Rule::EvidenceAgrees, id, charged, signed(last.charged));
    }

    /// A signed document is right in itself, its signature that of the key inside it (of `key`, if
    /// there is one), and says what the ledger says, record by record. Where a crash took the last
    /// records, a closing one follows.
    fn document(
        &mut self,
        call: &CallRow,
        evidence: &[EvidenceRecord],
        document: Option<&str>,
        key: Option<PublicKey>,
    ) {
        let Some(document) = document else {
            self.done.unsigned += u64::from(call.end.is_some());
            return;
        };
        self.done.documents += 1;
        let id = call.live.call;
        let Ok(said) = verify(document, key) else {
            return self.same(Rule::DocumentValid, id, 1, 0);
        };
        self.done.keys.insert(said.key);
        let same_bill = call.receipt() == Some(said.receipt);
        self.same(Rule::DocumentAgrees, id, 1, i128::from(same_bill));
        let alike = said.records.iter().zip(evidence).take_while(|(said, kept)| said == kept);
        let (alike, kept) = (alike.count() as i128, evidence.len() as i128);
        self.same(Rule::DocumentEvidence, id, kept, alike);
        self.at_most(Rule::DocumentEvidence, id, kept + 1, said.records.len() as i128);
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

/// What of a record never falls, before and after.
fn grown(before: &EvidenceRecord, record: &EvidenceRecord) -> [[i128; 2]; 4] {
    let (was, is) = (before.counted.billable(), record.counted.billable());
    [
        [i128::from(before.at.0), i128::from(record.at.0)],
        [i128::from(was.media.0), i128::from(is.media.0)],
        [i128::from(was.video.0), i128::from(is.video.0)],
        [signed(before.charged), signed(record.charged)],
    ]
}

fn signed(amount: MicroCoins) -> i128 {
    i128::from(amount.micro())
}

fn parts(coins: Coins) -> [i128; 2] {
    [signed(coins.paid), signed(coins.promo)]
}

/// What of a purchase went to what the fan owed.
fn paid_off(row: &CreditRow) -> i128 {
    signed(row.credit.amount) - parts(row.coins).iter().sum::<i128>()
}

fn add(sum: &mut [i128; 2], coins: Coins) {
    sum.iter_mut().zip(parts(coins)).for_each(|(sum, part)| *sum += part);
}
