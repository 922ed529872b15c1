//! The model: a store in plain maps, as plain as can be. Other back ends are compared with it.

use crate::{Difference, Error, LiveCall, Rule, Store};
use billing_core::{
    Account, Applied, Credit, Crediting, Entry, OpenCall, Opening, Posting, Receipt, Settled,
    Settlement, Split, Target, advance, call_postings, credit_posting,
};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use units::{CallId, MicroCoins, UnixMs, UserId};

/// A store that forgets everything when it is dropped.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Books>);

#[derive(Debug, Default)]
struct Books {
    wallets: BTreeMap<UserId, Wallet>,
    credits: BTreeMap<String, Credit>,
    calls: BTreeMap<CallId, LiveCall>,
    receipts: BTreeMap<CallId, Receipt>,
    postings: BTreeMap<(Entry, u32), Posting>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Wallet {
    credited: MicroCoins,
    spent: MicroCoins,
}

impl Wallet {
    fn funds(self) -> MicroCoins {
        self.credited.checked_sub(self.spent).expect("a wallet never spends more than it has")
    }
}

impl Memory {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Memory {
    async fn open_call(&self, open: &OpenCall) -> Result<Opening, Error> {
        Ok(self.books().open(open))
    }

    async fn apply(&self, at: UnixMs, targets: &[Target]) -> Result<Applied, Error> {
        Ok(self.books().apply(at, targets))
    }

    async fn settle(&self, settlement: &Settlement) -> Result<Option<Settled>, Error> {
        Ok(self.books().settle(settlement))
    }

    async fn credit(&self, credit: &Credit) -> Result<Crediting, Error> {
        Ok(self.books().credit(credit))
    }

    async fn funds(&self, user: &UserId) -> Result<MicroCoins, Error> {
        Ok(self.books().funds(user))
    }

    async fn open_calls(&self) -> Result<Vec<LiveCall>, Error> {
        Ok(self.books().calls.values().cloned().collect())
    }

    async fn receipt(&self, call: CallId) -> Result<Option<Receipt>, Error> {
        Ok(self.books().receipts.get(&call).cloned())
    }

    async fn audit(&self) -> Result<Vec<Difference>, Error> {
        Ok(self.books().audit())
    }
}

impl Books {
    fn funds(&self, user: &UserId) -> MicroCoins {
        self.wallets.get(user).copied().unwrap_or_default().funds()
    }

    fn open(&mut self, open: &OpenCall) -> Opening {
        if let Some(receipt) = self.receipts.get(&open.call) {
            let same = receipt.terms == open.terms;
            return if same { Opening::Settled(receipt.clone()) } else { Opening::OtherTerms };
        }
        let funds = self.funds(&open.terms.fan);
        if let Some(call) = self.calls.get(&open.call) {
            let (charged, media) = (call.charged, call.media);
            let same = call.terms == open.terms;
            return if same {
                Opening::Open { charged, media, funds }
            } else {
                Opening::OtherTerms
            };
        }
        if funds < open.minimum {
            return Opening::NoFunds;
        }
        let call = LiveCall {
            call: open.call,
            terms: open.terms.clone(),
            opened_at: open.at,
            seen_at: open.at,
            charged: MicroCoins::ZERO,
            media: Default::default(),
        };
        let (charged, media) = (call.charged, call.media);
        self.wallets.entry(open.terms.fan.clone()).or_default();
        self.calls.insert(open.call, call);
        Opening::Open { charged, media, funds }
    }

    /// Raises one open call; its fan.
    fn raise(&mut self, target: &Target) -> Option<UserId> {
        let call = self.calls.get_mut(&target.call)?;
        let wallet = self.wallets.get_mut(&call.terms.fan)?;
        let charged = advance(call.charged, target.charge, wallet.funds());
        let debit = charged.saturating_sub(call.charged);
        wallet.spent = wallet.spent.checked_add(debit).expect("a debit is at most the funds");
        call.charged = charged;
        call.media = call.media.max(target.media);
        Some(call.terms.fan.clone())
    }

    fn apply(&mut self, at: UnixMs, targets: &[Target]) -> Applied {
        let mut touched = BTreeMap::new();
        let mut fans = BTreeMap::new();
        for target in targets {
            let Some(fan) = self.raise(target) else { continue };
            let Some(call) = self.calls.get_mut(&target.call) else { continue };
            call.seen_at = at;
            touched.insert(target.call, call.charged);
            fans.insert(fan.clone(), self.funds(&fan));
        }
        Applied { charged: touched.into_iter().collect(), funds: fans.into_iter().collect() }
    }

    fn settle(&mut self, settlement: &Settlement) -> Option<Settled> {
        self.raise(&settlement.target);
        if let Some(call) = self.calls.remove(&settlement.target.call) {
            let receipt = Receipt {
                call: call.call,
                terms: call.terms,
                reason: settlement.reason,
                opened_at: call.opened_at,
                ended_at: settlement.ended_at,
                media: call.media,
                charged: call.charged,
            };
            self.post(call_postings(&receipt));
            self.receipts.insert(call.call, receipt);
        }
        let receipt = self.receipts.get(&settlement.target.call)?.clone();
        let funds = self.funds(&receipt.terms.fan);
        Some(Settled { receipt, funds })
    }

    fn credit(&mut self, credit: &Credit) -> Crediting {
        let wallet = self.wallets.get(&credit.user).copied().unwrap_or_default();
        if let Some(known) = self.credits.get(&credit.id) {
            let same = known.user == credit.user && known.amount == credit.amount;
            let repeated = Crediting::Repeated { funds: wallet.funds() };
            return if same { repeated } else { Crediting::OtherCredit };
        }
        let Some(credited) = wallet.credited.checked_add(credit.amount) else {
            return Crediting::TooLarge;
        };
        let wallet = Wallet { credited, ..wallet };
        self.wallets.insert(credit.user.clone(), wallet);
        self.credits.insert(credit.id.clone(), credit.clone());
        self.post(credit_posting(credit));
        Crediting::Added { funds: wallet.funds() }
    }

    fn post(&mut self, postings: impl IntoIterator<Item = Posting>) {
        for posting in postings {
            let known = self.postings.insert((posting.entry.clone(), posting.n), posting);
            assert!(known.is_none(), "each entry is posted once");
        }
    }

    /// Every charge: call, fan, charge, and what its tariff allows.
    fn charges(&self) -> impl Iterator<Item = (CallId, &UserId, MicroCoins, MicroCoins)> {
        let open = self.calls.values().map(|call| {
            (call.call, &call.terms.fan, call.charged, call.terms.tariff.charge(call.media))
        });
        let settled = self.receipts.values().map(|receipt| {
            let allowed = receipt.terms.tariff.charge(receipt.media);
            (receipt.call, &receipt.terms.fan, receipt.charged, allowed)
        });
        open.chain(settled)
    }

    fn posted(&self, filter: impl Fn(&Posting) -> bool) -> i64 {
        let amounts = self.postings.values().filter(|posting| filter(posting));
        amounts.map(|posting| signed(posting.amount)).sum()
    }

    fn audit(&self) -> Vec<Difference> {
        let mut found = Vec::new();
        let mut same = |rule, subject: &dyn ToString, expected: i64, figure: i64| {
            if expected != figure {
                let subject = subject.to_string();
                found.push(Difference { rule, subject, expected, found: figure });
            }
        };
        for (user, wallet) in &self.wallets {
            let rows = self.credits.values().filter(|credit| credit.user == *user);
            let credited = rows.map(|credit| signed(credit.amount)).sum();
            let account = Account::FanPaid(user.clone());
            let charges = self.charges().filter(|(_, fan, ..)| *fan == user);
            let spent = charges.map(|(_, _, charged, _)| signed(charged)).sum();
            same(Rule::CreditsCounted, user, credited, signed(wallet.credited));
            same(Rule::CreditsPosted, user, credited, self.posted(|row| row.to == account));
            same(Rule::SpendingCounted, user, spent, signed(wallet.spent));
        }
        for (call, _, charged, allowed) in self.charges() {
            same(Rule::ChargeWithinTariff, &call, signed(charged.min(allowed)), signed(charged));
            let receipt = self.receipts.get(&call);
            let posted = self.posted(|row| row.entry == Entry::Call(call));
            same(Rule::ChargePosted, &call, receipt.map_or(0, |_| signed(charged)), posted);
            let Some(receipt) = receipt else { continue };
            let split = Split::of(charged, receipt.terms.host_share);
            let host = self.posted(|row| row.entry == Entry::Call(call) && row.n == 0);
            same(Rule::HostShare, &call, signed(split.host), host);
        }
        found
    }
}

fn signed(amount: MicroCoins) -> i64 {
    i64::try_from(amount.micro()).expect("an amount is at most 2^53")
}
