//! The auditor: recomputes every bill from the evidence, after each step, with arithmetic of its
//! own.
//!
//! It reads the ledger's rows as they are, knows what the relay truly carried and what people were
//! told, and trusts nobody's sums.

use billing_core::{Counted, SpendKind, Spending};
use futures::FutureExt;
use std::collections::{BTreeMap, BTreeSet};
use store::{CallRow, Ledger, PostingRow, ShardRows, Transaction, WalletRow};
use units::{CallId, Coins, MicroCoins, Shard, UserId};

/// What the auditor remembers of what it saw.
#[derive(Debug, Default)]
pub(crate) struct Auditor {
    /// Shards of all fans.
    pub(crate) shards: BTreeSet<Shard>,
    /// Calls as they stood when they were first seen settled.
    settled: BTreeMap<CallId, CallRow>,
    /// The most that people were told a call had cost so far.
    told: BTreeMap<CallId, MicroCoins>,
    /// Calls of which what was told may be more than what is billed.
    excused: BTreeSet<CallId>,
    /// Calls that another meter went on with from what was durable: what their wallet's other
    /// charges took before the relay was heard again is gone (BILLING.md, rule 52).
    retaken: BTreeSet<CallId>,
    /// Receipts that people hold.
    receipts: BTreeMap<CallId, MicroCoins>,
    /// Coins that were acknowledged: credits by id.
    credited: BTreeMap<String, MicroCoins>,
    /// Those of them that were acknowledged since the last look.
    just_credited: BTreeSet<String>,
    /// How often it looked.
    pub(crate) audits: u64,
}

/// What is wrong.
pub(crate) type Finding = Result<(), String>;

macro_rules! ensure {
    ($holds:expr, $($why:tt)*) => {
        if !$holds {
            return Err(format!($($why)*));
        }
    };
}

mod credits;
mod price;

fn micro(coins: Coins) -> u64 {
    coins.paid.micro() + coins.promo.micro()
}

impl Auditor {
    /// People were told that a call had cost this much.
    pub(crate) fn told(
        &mut self,
        call: CallId,
        charged: MicroCoins,
        balance: MicroCoins,
    ) -> Finding {
        if self.excused.contains(&call) {
            return Ok(());
        }
        let most = self.told.entry(call).or_default();
        let spent = balance == MicroCoins::ZERO && self.retaken.contains(&call);
        ensure!(
            charged >= *most || spent,
            "{call}: people saw the charge fall from {most} to {charged}"
        );
        *most = charged;
        Ok(())
    }

    /// Some meter went on with calls of another.
    pub(crate) fn taken_over(&mut self) {
        self.retaken.extend(self.told.keys());
    }

    /// Meter and relay died, one after the other and before these calls were settled: the evidence
    /// since the last checkpoint died with them. The platform carries that.
    pub(crate) fn excuse(&mut self, closed: impl Iterator<Item = CallId>) {
        for call in closed.filter(|call| !self.settled.contains_key(call)) {
            self.told.remove(&call);
            self.excused.insert(call);
        }
    }

    /// Somebody got a receipt.
    pub(crate) fn receipt(&mut self, call: CallId, charged: MicroCoins) -> Finding {
        let first = *self.receipts.entry(call).or_insert(charged);
        ensure!(first == charged, "{call}: one receipt says {first}, another {charged}");
        Ok(())
    }

    /// Somebody was told that their credit is in.
    pub(crate) fn credit_acknowledged(&mut self, id: &str, amount: MicroCoins) {
        self.credited.insert(id.to_owned(), amount);
        self.just_credited.insert(id.to_owned());
    }

    /// Looks at every row. `false` if a transaction is under way that keeps readers out.
    pub(crate) fn look<L: Ledger>(
        &mut self,
        ledger: &L,
        truth: impl Fn(CallId) -> Counted,
    ) -> Result<bool, String> {
        for shard in self.shards.clone() {
            let rows = async { ledger.snapshot().await?.shard_rows(shard).await };
            let Some(rows) = rows.now_or_never() else { return Ok(false) };
            let rows = rows.map_err(|error| error.to_string())?;
            ensure!(rows.broken.is_empty(), "unreadable calls: {:?}", rows.broken);
            self.shard(&rows, &truth)?;
        }
        self.just_credited.clear();
        self.audits += 1;
        Ok(true)
    }

    fn shard(&mut self, rows: &ShardRows, truth: &impl Fn(CallId) -> Counted) -> Finding {
        for wallet in &rows.wallets {
            Self::wallet(wallet, rows)?;
        }
        for row in &rows.calls {
            let evidence = truth(row.live.call).billable();
            self.call(row, evidence, rows, truth)?;
        }
        Ok(())
    }

    /// Credits = settled + open charges + funds, each kind by itself, and nothing below zero.
    fn wallet(wallet: &WalletRow, rows: &ShardRows) -> Finding {
        let user = &wallet.user;
        let (paid, promo) = credits::credited(wallet, rows)?;
        let credited = (wallet.credited.paid.micro(), wallet.credited.promo.micro());
        ensure!(
            credited == (paid, promo),
            "{user} was credited {credited:?}, not {:?}",
            (paid, promo)
        );
        let (mut settled, mut open) = ((0, 0), (0, 0));
        for row in rows.calls.iter().filter(|row| row.live.terms.fan == *user) {
            let sum = if row.end.is_some() { &mut settled } else { &mut open };
            sum.0 += row.live.charged.paid.micro();
            sum.1 += row.live.charged.promo.micro();
        }
        for row in rows.spends.iter().filter(|row| row.spend.fan == *user) {
            if let Some(Spending::Taken { coins, .. }) = row.outcome {
                settled.0 += coins.paid.micro();
                settled.1 += coins.promo.micro();
                let amount = row.spend.amount.micro();
                let all = matches!(row.spend.kind, SpendKind::Gift { .. });
                ensure!(!all || micro(coins) == amount, "a gift of {amount} took {coins:?}");
                ensure!(micro(coins) <= amount, "{} took {coins:?}", row.spend.id);
            }
        }
        let found = (wallet.settled.paid.micro(), wallet.settled.promo.micro());
        ensure!(found == settled, "{user} has settled {found:?}, not {settled:?}");
        // Which coins an open call takes, its bill decides: after a loss of hot balances it may have
        // been others.
        ensure!(
            settled.0 <= paid
                && settled.1 <= promo
                && settled.0 + open.0 + settled.1 + open.1 <= paid + promo,
            "{user} is below zero: {settled:?} + {open:?} of {:?}",
            (paid, promo)
        );
        Ok(())
    }

    fn call(
        &mut self,
        row: &CallRow,
        evidence: billing_core::Proven,
        rows: &ShardRows,
        truth: &impl Fn(CallId) -> Counted,
    ) -> Finding {
        let live = &row.live;
        let (call, charged) = (live.call, micro(live.charged));
        let price = |proven| price::bill(&live.terms.tariff, &live.changes, proven);
        ensure!(
            live.proven.media <= evidence.media && live.proven.video <= evidence.video,
            "{call}: the ledger has {:?} where {evidence:?} was carried",
            live.proven
        );
        let owed = price(live.proven);
        ensure!(charged <= owed, "{call}: charged {charged} for {:?}, worth {owed}", live.proven);
        if let Some(first) = self.settled.get(&call) {
            ensure!(first == row, "{call}: a settled call changed from {first:?} to {row:?}");
            return Ok(());
        }
        if row.end.is_none() {
            return Ok(());
        }
        if charged < owed {
            let left = spendable(&live.terms.fan, rows, |open| {
                let bill =
                    |proven| price::bill(&open.live.terms.tariff, &open.live.changes, proven);
                bill(truth(open.live.call).billable())
            });
            // Coins that nobody had been told of when this was settled may not have reached the hot
            // balances.
            let on_the_way = rows.credits.iter().filter(|row| {
                let (user, id) = (&row.credit.user, &row.credit.id);
                let told = self.credited.contains_key(id) && !self.just_credited.contains(id);
                *user == live.terms.fan && !told
            });
            let on_the_way: u64 = on_the_way.map(|row| micro(row.coins)).sum();
            let left = left.saturating_sub(on_the_way);
            ensure!(left == 0, "{call}: charged {charged} of {owed} with {left} in the wallet");
        }
        let told = self.told.get(&call).copied().unwrap_or_default().micro();
        // Below what it is worth there is nothing left in the wallet, as was just seen.
        let spent = charged < owed && self.retaken.contains(&call);
        ensure!(
            charged >= told || spent,
            "{call}: settled at {charged} after {told} had been told"
        );
        if let Some(held) = self.receipts.get(&call) {
            ensure!(held.micro() == charged, "{call}: a receipt of {held}, settled at {charged}");
        }
        self.settled.insert(call, row.clone());
        Ok(())
    }

    /// Nothing went wrong: every bill rests on all that was proven.
    pub(crate) fn expect_exact(&self, truth: impl Fn(CallId) -> Counted) -> Finding {
        for (call, row) in &self.settled {
            let carried = truth(*call).billable();
            let billed = row.live.proven;
            ensure!(billed == carried, "{call}: billed {billed:?} of {carried:?} in fair weather");
        }
        Ok(())
    }

    /// The last look, when everything has come to rest: nothing is open, and the ledger's postings
    /// tell the same story as the rows.
    pub(crate) fn conclude<L: Ledger>(&self, ledger: &L) -> Finding {
        let mut postings = Vec::new();
        for shard in Shard::all() {
            postings.extend(rows(ledger, shard)?.postings);
        }
        let mut balances: BTreeMap<String, i128> = BTreeMap::new();
        for row in &postings {
            *balances.entry(row.from.clone()).or_default() -= i128::from(row.amount.micro());
            *balances.entry(row.to.clone()).or_default() += i128::from(row.amount.micro());
        }
        ensure!(balances.values().sum::<i128>() == 0, "the books don't balance: {balances:?}");
        let mut seen = BTreeSet::new();
        for shard in &self.shards {
            let rows = rows(ledger, *shard)?;
            for row in &rows.calls {
                ensure!(row.end.is_some(), "{} was never settled", row.live.call);
                settled_call(row, &postings)?;
            }
            for row in &rows.spends {
                ensure!(row.outcome.is_some(), "{} was never decided", row.spend.id);
            }
            for wallet in &rows.wallets {
                fan_accounts(wallet, &balances)?;
            }
            seen.extend(rows.credits.into_iter().map(|row| row.credit.id));
        }
        for (id, amount) in &self.credited {
            ensure!(seen.contains(id), "the acknowledged credit {id} of {amount} is gone");
        }
        Ok(())
    }

    /// Whether no transaction keeps readers out.
    pub(crate) fn can_read<L: Ledger>(&self, ledger: &L) -> bool {
        ledger.snapshot().now_or_never().is_some()
    }

    /// Some call that a fan has paid for.
    pub(crate) fn a_settled_call_of(&self, fan: &UserId) -> Option<CallId> {
        let mut paid = self.settled.values().filter(|row| row.live.terms.fan == *fan);
        paid.next_back().map(|row| row.live.call)
    }

    /// How many calls were settled.
    pub(crate) fn calls(&self) -> usize {
        self.settled.len()
    }
}

/// What a wallet could still have paid, at least, if all its other calls claim what they carried.
fn spendable(fan: &UserId, rows: &ShardRows, claim: impl Fn(&CallRow) -> u64) -> u64 {
    let Some(wallet) = rows.wallets.iter().find(|wallet| wallet.user == *fan) else { return 0 };
    let open = rows.calls.iter().filter(|row| row.live.terms.fan == *fan && row.end.is_none());
    let pending = rows.spends.iter().filter(|row| row.spend.fan == *fan && row.outcome.is_none());
    let claims: u64 = open.map(|row| claim(row).max(micro(row.live.charged))).sum();
    let held: u64 = pending.map(|row| row.spend.amount.micro()).sum();
    (micro(wallet.credited) - micro(wallet.settled)).saturating_sub(claims + held)
}

/// A call's postings add up to its charge, and each side has its part of each kind of coin.
fn settled_call(row: &CallRow, postings: &[PostingRow]) -> Finding {
    let (call, charged) = (row.live.call, row.live.charged);
    let of_call = format!("call:{call}:");
    let mut parts = [0_u64; 4];
    for posting in postings.iter().filter(|posting| posting.entry.starts_with(&of_call)) {
        let place = usize::try_from(posting.n).ok().filter(|n| *n < 4).ok_or("a fifth row")?;
        parts[place] += posting.amount.micro();
    }
    let bps = row.live.terms.host_share.bps();
    let (paid, promo) = (charged.paid.micro(), charged.promo.micro());
    let (host_paid, host_promo) = (price::part(paid, bps), price::part(promo, bps));
    let due = [host_paid, paid - host_paid, host_promo, promo - host_promo];
    ensure!(parts == due, "{call}: posted {parts:?} instead of {due:?}");
    Ok(())
}

/// What a fan's accounts hold is what the wallet has left.
fn fan_accounts(wallet: &WalletRow, balances: &BTreeMap<String, i128>) -> Finding {
    for (account, credited, settled) in [
        ("fan:paid", wallet.credited.paid, wallet.settled.paid),
        ("fan:promo", wallet.credited.promo, wallet.settled.promo),
    ] {
        let left = i128::from(credited.micro()) - i128::from(settled.micro());
        let name = format!("{account}:{}", wallet.user);
        let found = balances.get(&name).copied().unwrap_or_default();
        ensure!(found == left, "{name} holds {found}, the wallet {left}");
    }
    Ok(())
}

fn rows<L: Ledger>(ledger: &L, shard: Shard) -> Result<ShardRows, String> {
    let rows = async { ledger.snapshot().await?.shard_rows(shard).await };
    let rows = rows.now_or_never().ok_or("a transaction never ended")?;
    rows.map_err(|error| error.to_string())
}
