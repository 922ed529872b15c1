//! What follows from the store's answers, and from their absence.

use super::Biller;
use super::rounds::renew_limits;
use crate::meter::Meter;
use crate::{
    Answer, Applied, Change, Checkpoint, Command, Counted, Credit, Crediting, Notice, OpenCall,
    Opening, Output, Plan, Proven, Question, Quote, Refusal, Settled, Spend, Spending, Target,
};
use std::collections::BTreeMap;
use units::{CallId, Coins, ElapsedMs, MicroCoins, MonotonicMs, ShareBps, UserId};

impl Biller {
    pub(super) fn answered(&mut self, now: MonotonicMs, answer: Answer, out: &mut Vec<Output>) {
        match answer {
            Answer::Held(held) => self.held(now, held, out),
            Answer::Released(_) => self.leases.given_back(),
            Answer::Opened { call, opening } => self.opened(now, call, opening, out),
            Answer::Applied { targets, applied } => {
                self.applying = false;
                self.applied(now, &targets, &applied, out);
                self.tell(now, out);
            }
            Answer::Checkpointed(rows) => self.checkpointed(now, &rows),
            Answer::Settled(settled) => {
                for (call, settled) in settled {
                    self.settled(call, settled, out);
                }
            }
            Answer::Credited { request, credit, crediting } => {
                self.credited(request, credit, crediting, out);
            }
            Answer::Spent { request, spend, spending } => self.spent(request, spend, spending, out),
            Answer::Changed { call, change } => self.changed(call, change, out),
            Answer::Read { question, funds, host_share } => {
                out.push(self.reply(question, funds, host_share));
            }
            Answer::Reconciled(differences) => {
                self.reconciling = false;
                out.push(Output::Notice(Notice::Reconciled(differences)));
            }
        }
    }

    fn opened(&mut self, now: MonotonicMs, call: CallId, opening: Opening, out: &mut Vec<Output>) {
        let refusal = match opening {
            Opening::Open { live, funds } => {
                let Some(meter) = self.calls.get_mut(&call) else { return };
                meter.opened(live);
                self.totals.opened += 1;
                self.endings_changed = true;
                let fan = meter.terms.fan.clone();
                self.recall(now, call);
                let mut limits = Vec::new();
                self.funds_are(&fan, funds, &mut limits);
                let funded = self.calls.get(&call).map_or(ElapsedMs::ZERO, Meter::limit);
                out.push(Output::Opened { call, funded });
                let of_others = |limit: &Output| !matches!(limit, Output::Limit { call: of, .. } if *of == call);
                out.extend(limits.into_iter().filter(of_others));
                return;
            }
            Opening::Settled(receipt) => {
                self.forget(call);
                out.push(Output::Settled { receipt, counted: Counted::default() });
                return;
            }
            Opening::NoFunds => Refusal::NoFunds,
            Opening::Blocked => Refusal::Blocked,
            Opening::OtherTerms => Refusal::IdReused,
        };
        self.forget(call);
        out.push(Output::NotOpened { call, refusal });
    }

    fn applied(
        &mut self,
        now: MonotonicMs,
        targets: &[Target],
        applied: &Applied,
        out: &mut Vec<Output>,
    ) {
        let charged: BTreeMap<CallId, Coins> = applied.charged.iter().copied().collect();
        for target in targets {
            let call = target.call;
            if let Some(charged) = charged.get(&call) {
                let Some(meter) = self.calls.get_mut(&call) else { continue };
                let before = meter.charged();
                if !meter.written(target, *charged) {
                    let rule = "charged_within_plan";
                    self.totals.violated(rule);
                    out.push(Output::Notice(Notice::Violated { rule, call }));
                }
                self.totals.charged(before, meter.charged(), meter.terms.host_share);
            } else {
                self.missing(now, call, out);
            }
        }
        for (user, funds) in &applied.funds {
            if let Some(wallet) = self.wallets.get_mut(user) {
                wallet.funds = Some(*funds);
            }
        }
    }

    /// The store has no such open call, or its shard is another meter's: the next answer about
    /// leases tells which.
    fn missing(&mut self, now: MonotonicMs, call: CallId, out: &mut Vec<Output>) {
        self.leases.doubt(now);
        // Of one that has ended, an earlier settlement may have taken effect though its answer was
        // lost: the next one brings the bill.
        if self.ended.contains(&call) {
            return;
        }
        let again = self.calls.get_mut(&call).is_some_and(Meter::missed);
        if (again || self.leases.is_alone()) && self.forget(call) {
            self.totals.violated("open_call_known");
            out.push(Output::Notice(Notice::Orphaned { call }));
        }
    }

    fn checkpointed(&mut self, now: MonotonicMs, rows: &[Checkpoint]) {
        self.checkpointing = false;
        self.totals.checkpointed_at = Some(now);
        for row in rows {
            if let Some(meter) = self.calls.get_mut(&row.call) {
                meter.checkpointed(row);
            }
        }
    }

    fn settled(&mut self, call: CallId, settled: Settled, out: &mut Vec<Output>) {
        match settled {
            Settled::Final { receipt, funds, credits } => {
                let (mut counted, mut retracted) = (Counted::default(), false);
                if let Some(meter) = self.calls.get(&call) {
                    retracted = meter.is_retracted();
                    counted = *meter.evidence.counted();
                    self.totals.charged(meter.charged(), receipt.charged, receipt.terms.host_share);
                    self.totals.settled(&receipt, &counted);
                }
                self.forget(call);
                if receipt.total() > receipt.plan().charge(receipt.proven) {
                    let rule = "charged_within_plan";
                    self.totals.violated(rule);
                    out.push(Output::Notice(Notice::Violated { rule, call }));
                }
                let (fan, host) = (receipt.terms.fan.clone(), receipt.terms.host.clone());
                if !retracted {
                    out.push(Output::Settled { receipt, counted });
                }
                if !credits.is_empty() {
                    let user = fan.clone();
                    out.push(Output::Credited { call, fan: user.clone(), host, credits });
                    out.push(Output::Balance { request: 0, user, balance: funds });
                }
                self.funds_are(&fan, funds, out);
            }
            Settled::Interim { .. } => {
                if let Some(meter) = self.calls.get_mut(&call) {
                    meter.posted(true);
                }
            }
            // Its opening is on the way to the store.
            Settled::Unknown(_) if self.calls.get(&call).is_some_and(Meter::is_opening) => {}
            Settled::Unknown(_) => {
                let retracted = self.calls.get(&call).is_some_and(Meter::is_retracted);
                if !self.forget(call) {
                    // Whoever says that it has ended waits for a bill that never comes.
                    let refusal = Refusal::Unavailable;
                    out.push(Output::NotOpened { call, refusal });
                } else if !retracted {
                    self.totals.violated("open_call_known");
                    out.push(Output::Notice(Notice::Orphaned { call }));
                }
            }
        }
    }

    fn credited(
        &mut self,
        request: u64,
        credit: Credit,
        crediting: Crediting,
        out: &mut Vec<Output>,
    ) {
        let (funds, added) = match crediting {
            Crediting::Added { funds } => (funds, true),
            Crediting::Repeated { funds } => (funds, false),
            Crediting::OtherCredit => return refuse(request, Refusal::IdReused, out),
            Crediting::TooLarge => return refuse(request, Refusal::TooLarge, out),
            Crediting::NotRefundable => return refuse(request, Refusal::NotRefundable, out),
        };
        let user = credit.user;
        self.balance(request, &user, funds, out);
        if added {
            let calls = self.wallets.get(&user).map(|wallet| &wallet.calls);
            for call in calls.into_iter().flatten() {
                if let Some(meter) = self.calls.get_mut(call) {
                    meter.rearm_warnings();
                }
            }
            out.push(Output::Balance { request: 0, user, balance: funds });
        }
    }

    fn spent(&mut self, request: u64, spend: Spend, spending: Spending, out: &mut Vec<Output>) {
        match spending {
            Spending::Taken { funds, .. } => {
                self.balance(request, &spend.fan, funds, out);
                out.push(Output::Balance { request: 0, user: spend.fan, balance: funds });
            }
            Spending::NoFunds => refuse(request, Refusal::NoFunds, out),
            Spending::OtherSpend => refuse(request, Refusal::IdReused, out),
        }
    }

    /// Answers with a balance, and sets the limits by it.
    fn balance(&mut self, request: u64, user: &UserId, funds: MicroCoins, out: &mut Vec<Output>) {
        // Request 0 is news; it follows where there is any.
        if request != 0 {
            out.push(Output::Balance { request, user: user.clone(), balance: funds });
        }
        self.funds_are(user, funds, out);
    }

    fn changed(&mut self, call: CallId, change: Option<Change>, out: &mut Vec<Output>) {
        let Some(meter) = self.calls.get_mut(&call) else { return };
        let Some(change) = change else {
            if self.forget(call) {
                out.push(Output::Notice(Notice::Orphaned { call }));
            }
            return;
        };
        self.endings_changed = true;
        let fan = meter.terms.fan.clone();
        if meter.changed(change) {
            let (rates, from) = (change.rates, change.from.media);
            out.push(Output::Changed { call, rates, from });
        }
        if let Some(wallet) = self.wallets.get(&fan) {
            renew_limits(&mut self.calls, wallet, out);
        }
    }

    fn funds_are(&mut self, user: &UserId, funds: MicroCoins, out: &mut Vec<Output>) {
        if let Some(wallet) = self.wallets.get_mut(user) {
            wallet.funds = Some(funds);
            renew_limits(&mut self.calls, wallet, out);
        }
    }

    fn reply(&self, question: Question, funds: MicroCoins, host_share: Option<ShareBps>) -> Output {
        match question {
            Question::Balance { request, user } => {
                Output::Balance { request, user, balance: funds }
            }
            Question::Quote { request, rates, picture, .. } => {
                let medium = if picture { units::Medium::Video } else { units::Medium::Voice };
                let plan = Plan::new(self.settings.tariff(rates));
                let quote = Quote {
                    free: plan.tariff.free,
                    minimum: self.settings.minimum_funds(rates, medium),
                    balance: funds,
                    lasts: plan.funded(Proven::ZERO, picture, funds),
                    host_share: host_share.unwrap_or(self.settings.host_share),
                };
                Output::Quoted { request, quote }
            }
        }
    }

    pub(super) fn failed(&mut self, now: MonotonicMs, command: Command, out: &mut Vec<Output>) {
        let refusal = Refusal::Unavailable;
        match command {
            Command::Hold { .. } => self.leases.failed(now),
            // Leases that the ledger did not hear of run out; the store has let go of them.
            Command::Release(_) => self.leases.given_back(),
            // It may be durable all the same.
            Command::Open(OpenCall { call, at, .. }) => {
                if let Some(meter) = self.calls.get_mut(&call) {
                    meter.retract(now, at);
                    self.ended.insert(call);
                    self.endings_changed = true;
                }
                out.push(Output::NotOpened { call, refusal });
            }
            Command::Apply(_) => {
                self.applying = false;
                self.leases.doubt(now);
            }
            Command::Checkpoint(_) => self.checkpointing = false,
            Command::Settle(settlements) => {
                self.endings_changed = true;
                for settlement in settlements {
                    self.not_settled(now, settlement.target.call);
                }
            }
            Command::Change { call, .. } => {
                if let Some(meter) = self.calls.get_mut(&call) {
                    meter.change_failed();
                }
            }
            Command::Reconcile => self.reconcile_failed(now),
            Command::Credit { request, .. }
            | Command::Spend { request, .. }
            | Command::Read(Question::Quote { request, .. } | Question::Balance { request, .. }) => {
                refuse(request, refusal, out);
            }
        }
    }

    fn not_settled(&mut self, now: MonotonicMs, call: CallId) {
        /// A bill that failed so often by itself holds up the start no longer: it stays open, and
        /// is tried on.
        const HOLDS_UP: u32 = 5;
        let Some(meter) = self.calls.get_mut(&call) else { return };
        meter.posted(false);
        meter.settle_again(now);
        if meter.failures() >= HOLDS_UP {
            self.recovering.remove(&call);
        }
    }
}

fn refuse(request: u64, refusal: Refusal, out: &mut Vec<Output>) {
    out.push(Output::Failed { request, refusal });
}
