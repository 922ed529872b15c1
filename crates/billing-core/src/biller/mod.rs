//! The meter of all open calls, as one machine.
//!
//! Once a tick it asks the store for one batch of cumulative targets, and from the answer renews
//! the relay's limits, tells both sides where they stand, and warns them. Every few ticks it has
//! all progress made durable, with its evidence. A call is settled when it has ended and its last
//! proof is in. A failing store ends no call: targets only grow, and are asked for again until they
//! are taken. It meters the calls of the shards that it holds, and no others.

mod answers;
mod rounds;
mod shards;

use crate::leases::Leases;
use crate::meter::Meter;
use crate::overheard::Others;
use crate::{
    Answer, Command, Counted, Credit, EndReason, Input, OpenCall, Output, Proven, Question,
    Refusal, Settings, Settlement, Spend, SpendKind, Target, Terms, Totals,
};
use std::collections::{BTreeMap, BTreeSet};
use units::{CallId, MicroCoins, MonotonicMs, Shard, UnixMs, UserId};

/// Most commands at the store before openers and askers are turned away. More would let a hanging
/// store collect requests whose askers have given up; less would refuse bursts it can serve.
const AT_STORE_MAX: usize = 1_024;

/// What a fan has, and what draws on it.
#[derive(Debug, Default)]
struct Wallet {
    /// The store's latest word; `None` until it has said one.
    funds: Option<MicroCoins>,
    calls: BTreeSet<CallId>,
}

/// The meter of all open calls.
#[derive(Debug)]
pub struct Biller {
    settings: Settings,
    leases: Leases,
    calls: BTreeMap<CallId, Meter>,
    /// Those of `calls` that have ended.
    ended: BTreeSet<CallId>,
    /// Those of `calls` that came from another meter and have not been heard of yet.
    adopted: BTreeSet<CallId>,
    /// Those that were found open at the start by a meter that is alone.
    recovering: BTreeSet<CallId>,
    /// Of fans with calls in `calls`, and only those.
    wallets: BTreeMap<UserId, Wallet>,
    others: Others,
    totals: Totals,
    next_tick: MonotonicMs,
    next_checkpoint: MonotonicMs,
    next_reconcile: MonotonicMs,
    /// When the next bill is due; `None`: none is.
    settle_at: Option<MonotonicMs>,
    /// Whether `settle_at` must be found anew.
    endings_changed: bool,
    /// Whether a batch of that kind is with the store.
    applying: bool,
    checkpointing: bool,
    reconciling: bool,
    /// Commands with the store.
    at_store: usize,
    failures: u32,
    retry_at: MonotonicMs,
    relay_lost: bool,
    draining: bool,
}

impl Biller {
    /// A meter without calls or shards.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            leases: Leases::new(settings.ownership),
            calls: BTreeMap::new(),
            ended: BTreeSet::new(),
            adopted: BTreeSet::new(),
            recovering: BTreeSet::new(),
            wallets: BTreeMap::new(),
            others: Others::default(),
            totals: Totals::default(),
            next_tick: MonotonicMs(0),
            next_checkpoint: MonotonicMs(0),
            next_reconcile: MonotonicMs(0),
            settle_at: None,
            endings_changed: false,
            applying: false,
            checkpointing: false,
            reconciling: false,
            at_store: 0,
            failures: 0,
            retry_at: MonotonicMs(0),
            relay_lost: false,
            draining: false,
        }
    }

    /// Applies one input. The only place that changes the biller.
    #[must_use = "a dropped output is a lost message"]
    pub fn handle(&mut self, now: MonotonicMs, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        self.told(now, input, &mut out);
        self.leases_due(now, &mut out);
        self.settle_due(now, &mut out);
        self.tick_due(now, &mut out);
        self.reconcile_due(now, &mut out);
        self.review_endings();
        out
    }

    /// What signaling, the relay, the store and the process say.
    fn told(&mut self, now: MonotonicMs, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::QuoteAsked { request, fan, host, medium, rates } => {
                let picture = medium == units::Medium::Video;
                self.ask(request, Question::Quote { request, fan, host, rates, picture }, out);
            }
            Input::BalanceAsked { request, user } => {
                self.ask(request, Question::Balance { request, user }, out);
            }
            Input::OpenAsked { call, fan, host, medium, rates, at } => {
                let (tariff, host_share) = (self.settings.tariff(rates), self.settings.host_share);
                self.open(now, call, Terms { fan, host, medium, tariff, host_share }, at, out);
            }
            Input::CreditAsked { request, credit } => self.credit(request, credit, out),
            Input::GiftAsked { request, id, fan, host, amount, at } => {
                let kind = SpendKind::Gift { host, host_share: self.settings.host_share };
                self.spend(request, Spend { id, fan, amount, kind, at }, out);
            }
            Input::ChargedBack { request, id, fan, amount, at } => {
                self.spend(
                    request,
                    Spend { id, fan, amount, kind: SpendKind::Chargeback, at },
                    out,
                );
            }
            Input::ChangeAsked { call, rates } => {
                if let Some(meter) = self.calls.get_mut(&call) {
                    meter.change(rates);
                    self.ask_changes(Some(call), out);
                }
            }
            Input::Ended { call, fan, reason, told, at } => {
                self.told_before(now, call, told);
                self.end(now, call, fan, reason, at, out);
            }
            Input::AllEnded { at } => self.end_all(now, at),
            Input::MediaCounted { call, counted, last } => self.count(now, call, counted, last),
            Input::RelayLost => {
                self.relay_lost = true;
                self.endings_changed = true;
                self.calls.values_mut().for_each(Meter::no_more_reports);
            }
            Input::Draining { at } => self.drain(now, at, out),
            Input::Answered(answer) => {
                self.at_store = self.at_store.saturating_sub(1);
                if !matches!(answer, Answer::Read { .. } | Answer::Held(_)) {
                    (self.failures, self.retry_at) = (0, now);
                }
                self.answered(now, answer, out);
            }
            Input::StoreFailed(command) => {
                self.at_store = self.at_store.saturating_sub(1);
                if !matches!(command, Command::Read(_) | Command::Hold { .. }) {
                    self.back_off(now);
                }
                self.failed(now, command, out);
            }
            Input::WokeUp => {}
        }
    }

    /// When `handle` wants to be called with [`Input::WokeUp`] at the latest.
    #[must_use]
    pub fn next_wake(&self) -> Option<MonotonicMs> {
        let tick = (!self.calls.is_empty() && !self.applying).then_some(self.next_tick);
        let work = tick.into_iter().chain(self.settle_at).min();
        let work = work.map(|due| due.max(self.retry_at));
        let idle = self.reconciling || self.leases.count() == 0;
        let reconcile = (!idle).then_some(self.next_reconcile.max(self.retry_at));
        work.into_iter().chain(reconcile).chain(self.leases.next_wake()).min()
    }

    /// How many calls are open or not settled yet.
    #[must_use]
    pub fn open_calls(&self) -> usize {
        self.calls.len()
    }

    /// Whether no call is open and nothing is with the store.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.calls.is_empty() && self.at_store == 0
    }

    /// Whether what an earlier run left open is dealt with, so that anything may be accepted.
    #[must_use]
    pub fn has_recovered(&self, now: MonotonicMs) -> bool {
        self.leases.stand(now) && self.recovering.is_empty()
    }

    /// Whether it answers for this wallet now.
    #[must_use]
    pub fn holds(&self, user: &UserId) -> bool {
        self.leases.holds(Shard::of(user))
    }

    /// Why it can't do its work now, if it can't.
    #[must_use]
    pub fn trouble(&self, now: MonotonicMs) -> Option<&'static str> {
        if self.draining {
            Some("stopping")
        } else if self.failures > 0 {
            Some("the store does not answer")
        } else if !self.leases.stand(now) {
            Some("no shard is held")
        } else if !self.recovering.is_empty() {
            Some("settling what was interrupted")
        } else {
            None
        }
    }

    /// What was counted since the start, and how it stands.
    #[must_use]
    pub fn totals(&self) -> Totals {
        Totals {
            open_calls: self.calls.len(),
            unsettled: self.ended.len(),
            shards: self.leases.count(),
            ..self.totals.clone()
        }
    }

    fn command(&mut self, command: Command, out: &mut Vec<Output>) {
        self.at_store += 1;
        out.push(Output::Store(command));
    }

    /// Whether this meter may answer for that wallet; if not, and no other one does, why not.
    fn is_ours(&self, user: &UserId) -> Result<(), Option<Refusal>> {
        if !self.leases.holds(Shard::of(user)) {
            // Another meter answers, or nobody does and the asker asks again.
            return Err(self.leases.is_alone().then_some(Refusal::Unavailable));
        }
        if self.at_store >= AT_STORE_MAX { Err(Some(Refusal::Unavailable)) } else { Ok(()) }
    }

    fn request(&mut self, request: u64, user: &UserId, command: Command, out: &mut Vec<Output>) {
        match self.is_ours(user) {
            Ok(()) => self.command(command, out),
            Err(Some(refusal)) => out.push(Output::Failed { request, refusal }),
            Err(None) => {}
        }
    }

    fn ask(&mut self, request: u64, question: Question, out: &mut Vec<Output>) {
        let user = question.wallet().clone();
        self.request(request, &user, Command::Read(question), out);
    }

    fn credit(&mut self, request: u64, credit: Credit, out: &mut Vec<Output>) {
        let user = credit.user.clone();
        self.request(request, &user, Command::Credit { request, credit }, out);
    }

    fn spend(&mut self, request: u64, spend: Spend, out: &mut Vec<Output>) {
        let fan = spend.fan.clone();
        let calls = self.wallets.get(&fan).into_iter().flat_map(|wallet| &wallet.calls);
        let due = calls.filter_map(|call| self.calls.get(call)?.due()).collect();
        self.request(request, &fan, Command::Spend { request, spend, due }, out);
    }

    fn open(
        &mut self,
        now: MonotonicMs,
        call: CallId,
        terms: Terms,
        at: UnixMs,
        out: &mut Vec<Output>,
    ) {
        if let Some(known) = self.calls.get(&call) {
            if !known.is_at(&terms) {
                out.push(Output::NotOpened { call, refusal: Refusal::IdReused });
            } else if known.is_retracted() && known.may_open_again() {
                self.forget(call);
                self.open(now, call, terms, at, out);
            } else if known.is_retracted() {
                out.push(Output::NotOpened { call, refusal: Refusal::Unavailable });
            } else if !known.is_opening() {
                out.push(Output::Opened { call, funded: known.limit() });
            }
            return;
        }
        match self.is_ours(&terms.fan) {
            Ok(()) if self.draining => {
                out.push(Output::NotOpened { call, refusal: Refusal::Draining });
            }
            Ok(()) => {
                let minimum = self.settings.minimum_funds(terms.tariff.rates, terms.medium);
                self.insert(now, Meter::opening(call, terms.clone(), now));
                self.command(Command::Open(OpenCall { call, terms, minimum, at }), out);
            }
            Err(Some(refusal)) => out.push(Output::NotOpened { call, refusal }),
            Err(None) => {}
        }
    }

    fn insert(&mut self, now: MonotonicMs, mut meter: Meter) {
        if self.calls.is_empty() {
            self.next_tick = now + self.settings.tick;
            self.next_checkpoint = now + self.settings.checkpoint;
        }
        if self.relay_lost {
            meter.no_more_reports();
        }
        let call = meter.call();
        self.wallets.entry(meter.terms.fan.clone()).or_default().calls.insert(call);
        self.calls.insert(call, meter);
    }

    fn end(
        &mut self,
        now: MonotonicMs,
        call: CallId,
        fan: UserId,
        reason: EndReason,
        at: UnixMs,
        out: &mut Vec<Output>,
    ) {
        if let Some(meter) = self.calls.get_mut(&call) {
            meter.end(now, reason, at);
            self.ended.insert(call);
            self.endings_changed = true;
        } else if self.is_ours(&fan).is_ok() {
            // Settled before, or not opened yet: the store knows, and settling again posts nothing.
            // An opening that was overtaken by its end is ended when it comes.
            self.others.ended(now, call, reason, at);
            let target = Target { call, fan, charge: MicroCoins::ZERO, proven: Proven::ZERO };
            let end = Some(crate::End { reason, at });
            let settlement = Settlement { target, end, evidence: Vec::new() };
            self.command(Command::Settle(vec![settlement]), out);
        } else if !self.leases.is_alone() {
            self.others.ended(now, call, reason, at);
        }
    }

    /// What people were told was proven: the relay and the meter that said so may both be gone.
    fn told_before(&mut self, now: MonotonicMs, call: CallId, told: Proven) {
        if told == Proven::ZERO {
            return;
        }
        let counted = Counted::proven(told.bounded());
        match self.calls.get_mut(&call) {
            Some(meter) => meter.count(now, counted),
            None => self.others.counted(now, call, counted, false),
        }
    }

    fn count(&mut self, now: MonotonicMs, call: CallId, counted: Counted, last: bool) {
        if let Some(meter) = self.calls.get_mut(&call) {
            meter.count(now, counted);
            // A room that is closed says nothing of who ended the call: that word may have died
            // with the meter before.
            if last {
                meter.no_more_reports();
                self.endings_changed = true;
            } else {
                meter.is_carried();
                self.adopted.remove(&call);
            }
        } else if !self.leases.is_alone() {
            self.others.counted(now, call, counted, last);
        }
    }

    /// Whether it was known.
    fn forget(&mut self, call: CallId) -> bool {
        let Some(meter) = self.calls.remove(&call) else { return false };
        for set in [&mut self.ended, &mut self.adopted, &mut self.recovering] {
            set.remove(&call);
        }
        self.endings_changed = true;
        if let Some(wallet) = self.wallets.get_mut(&meter.terms.fan) {
            wallet.calls.remove(&call);
            if wallet.calls.is_empty() {
                self.wallets.remove(&meter.terms.fan);
            }
        }
        true
    }
}
