//! The meter of all open calls, as one machine.
//!
//! Once a tick it asks the store for one batch of cumulative targets, and from the answer renews
//! the relay's limits, tells both sides where they stand, and warns them. A call is settled when
//! it has ended and its last proof is in. A failing store ends no call: targets only grow, and are
//! asked for again until they are durable.

use crate::funds::{Draw, time_left};
use crate::meter::Meter;
use crate::{
    Answer, Applied, Command, Credit, Crediting, EndReason, Input, MediaTime, OpenCall, Opening,
    Output, Question, Quote, Refusal, Settled, Settlement, Target, Tariff, Terms, charge,
};
use std::collections::{BTreeMap, BTreeSet};
use units::{CallId, ElapsedMs, MicroCoins, MonotonicMs, Rate, ShareBps, UnixMs, UserId};

/// First pause after the store failed; doubles with each failure in a row.
const RETRY_FIRST: ElapsedMs = ElapsedMs(250);

/// Longest pause. More would leave calls unwritten for longer after an outage (what a crash then
/// loses, the fan does not pay); less would load a store that is in trouble.
const RETRY_MAX: ElapsedMs = ElapsedMs(5_000);

/// Most commands at the store before openers and askers are turned away. More would let a hanging
/// store collect requests whose askers have given up; less would refuse bursts it can serve.
const AT_STORE_MAX: usize = 1_024;

/// What the operator decides.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The host's part of each charge.
    pub host_share: ShareBps,
    /// Media time at the start of each call that costs nothing.
    pub free: ElapsedMs,
    /// A call is opened only if the funds buy this much charged media time.
    pub minimum: ElapsedMs,
    /// How often charges are made durable.
    pub tick: ElapsedMs,
}

/// What a fan has, and what draws on it.
#[derive(Debug, Default)]
struct Wallet {
    /// The store's latest word.
    funds: MicroCoins,
    calls: BTreeSet<CallId>,
}

/// The meter of all open calls.
#[derive(Debug)]
pub struct Biller {
    settings: Settings,
    calls: BTreeMap<CallId, Meter>,
    /// Those of `calls` that have ended.
    ended: BTreeSet<CallId>,
    /// Of fans with calls in `calls`, and only those.
    wallets: BTreeMap<UserId, Wallet>,
    next_tick: MonotonicMs,
    /// Whether a batch of targets is with the store.
    applying: bool,
    /// Commands with the store.
    at_store: usize,
    failures: u32,
    retry_at: MonotonicMs,
    relay_lost: bool,
    draining: bool,
}

impl Biller {
    /// A meter without calls.
    #[must_use]
    pub const fn new(settings: Settings) -> Self {
        Self {
            settings,
            calls: BTreeMap::new(),
            ended: BTreeSet::new(),
            wallets: BTreeMap::new(),
            next_tick: MonotonicMs(0),
            applying: false,
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
        match input {
            Input::QuoteAsked { request, fan, rate } => {
                self.ask(request, Question::Quote { request, fan, rate }, &mut out);
            }
            Input::BalanceAsked { request, user } => {
                self.ask(request, Question::Balance { request, user }, &mut out);
            }
            Input::OpenAsked { call, fan, host, medium, rate, at } => {
                let tariff = Tariff { rate, free: self.settings.free };
                let host_share = self.settings.host_share;
                let terms = Terms { fan, host, medium, tariff, host_share };
                self.open(now, call, terms, at, &mut out);
            }
            Input::CreditAsked { request, credit } => self.credit(request, credit, &mut out),
            Input::Ended { call, reason, at } => self.end(now, call, reason, at, &mut out),
            Input::MediaCounted { call, media, last } => self.count(now, call, media, last),
            Input::RelayLost => {
                self.relay_lost = true;
                self.calls.values_mut().for_each(Meter::no_more_reports);
            }
            Input::Answered(answer) => {
                self.at_store = self.at_store.saturating_sub(1);
                if !matches!(answer, Answer::Read { .. }) {
                    (self.failures, self.retry_at) = (0, now);
                }
                self.answered(now, answer, &mut out);
            }
            Input::StoreFailed(command) => {
                self.at_store = self.at_store.saturating_sub(1);
                if !matches!(command, Command::Read(_)) {
                    self.back_off(now);
                }
                self.failed(command, &mut out);
            }
            Input::Draining { at } => {
                self.draining = true;
                self.ended = self.calls.keys().copied().collect();
                self.calls.values_mut().for_each(|call| call.end(now, EndReason::Interrupted, at));
            }
            Input::WokeUp => {}
        }
        self.settle_due(now, &mut out);
        self.tick_due(now, &mut out);
        out
    }

    /// When `handle` wants to be called with [`Input::WokeUp`] at the latest.
    #[must_use]
    pub fn next_wake(&self) -> Option<MonotonicMs> {
        let tick = (!self.calls.is_empty() && !self.applying).then_some(self.next_tick);
        let ended = self.ended.iter().filter_map(|call| self.calls.get(call));
        let settle = ended.filter_map(Meter::settle_at).min();
        let due = tick.into_iter().chain(settle).min()?;
        Some(due.max(self.retry_at))
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

    /// The funds below which no call is opened at `rate`.
    fn minimum(&self, rate: Rate) -> MicroCoins {
        charge(rate, self.settings.minimum)
    }

    fn command(&mut self, command: Command, out: &mut Vec<Output>) {
        self.at_store += 1;
        out.push(Output::Store(command));
    }

    fn ask(&mut self, request: u64, question: Question, out: &mut Vec<Output>) {
        if self.at_store >= AT_STORE_MAX {
            out.push(Output::Failed { request, refusal: Refusal::Unavailable });
        } else {
            self.command(Command::Read(question), out);
        }
    }

    fn credit(&mut self, request: u64, credit: Credit, out: &mut Vec<Output>) {
        if self.at_store >= AT_STORE_MAX {
            out.push(Output::Failed { request, refusal: Refusal::Unavailable });
        } else {
            self.command(Command::Credit { request, credit }, out);
        }
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
            if known.terms != terms {
                out.push(Output::NotOpened { call, refusal: Refusal::Conflict });
            } else if !known.is_opening() {
                out.push(Output::Opened { call, funded: known.limit() });
            }
            return;
        }
        let refusal = if self.draining {
            Refusal::Draining
        } else if self.at_store >= AT_STORE_MAX {
            Refusal::Unavailable
        } else {
            if self.calls.is_empty() {
                self.next_tick = now + self.settings.tick;
            }
            let mut meter = Meter::opening(call, terms.clone(), now);
            if self.relay_lost {
                meter.no_more_reports();
            }
            self.calls.insert(call, meter);
            self.wallets.entry(terms.fan.clone()).or_default().calls.insert(call);
            let minimum = self.minimum(terms.tariff.rate);
            self.command(Command::Open(OpenCall { call, terms, minimum, at }), out);
            return;
        };
        out.push(Output::NotOpened { call, refusal });
    }

    fn end(
        &mut self,
        now: MonotonicMs,
        call: CallId,
        reason: EndReason,
        at: UnixMs,
        out: &mut Vec<Output>,
    ) {
        if let Some(meter) = self.calls.get_mut(&call) {
            meter.end(now, reason, at);
            self.ended.insert(call);
        } else if self.at_store < AT_STORE_MAX {
            // Settled before, or never opened: the store knows, and settling again posts nothing.
            let target = Target { call, charge: MicroCoins::ZERO, media: ElapsedMs::ZERO };
            self.command(Command::Settle(Settlement { target, reason, ended_at: at }), out);
        }
    }

    fn count(&mut self, now: MonotonicMs, call: CallId, media: MediaTime, last: bool) {
        if let Some(meter) = self.calls.get_mut(&call) {
            meter.count(now, media, last);
        }
    }

    fn answered(&mut self, now: MonotonicMs, answer: Answer, out: &mut Vec<Output>) {
        match answer {
            Answer::Opened { call, opening } => self.opened(now, call, opening, out),
            Answer::Applied { targets, applied } => {
                self.applying = false;
                self.applied(&targets, &applied, out);
                self.tell(now, out);
            }
            Answer::Settled { call, settled } => self.settled(call, settled, out),
            Answer::Credited { request, credit, crediting } => {
                self.credited(request, credit.user, crediting, out);
            }
            Answer::Read { question, funds } => out.push(self.reply(question, funds)),
        }
    }

    fn opened(&mut self, now: MonotonicMs, call: CallId, opening: Opening, out: &mut Vec<Output>) {
        let refusal = match opening {
            Opening::Open { charged, media, funds } => {
                let Some(meter) = self.calls.get_mut(&call) else { return };
                meter.opened(now, charged, media);
                let fan = meter.terms.fan.clone();
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
                out.push(Output::Settled { receipt });
                return;
            }
            Opening::NoFunds => Refusal::NoFunds,
            Opening::OtherTerms => Refusal::Conflict,
        };
        self.forget(call);
        out.push(Output::NotOpened { call, refusal });
    }

    fn applied(&mut self, targets: &[Target], applied: &Applied, out: &mut Vec<Output>) {
        let charged: BTreeMap<CallId, MicroCoins> = applied.charged.iter().copied().collect();
        for target in targets {
            if let Some(charged) = charged.get(&target.call) {
                if let Some(meter) = self.calls.get_mut(&target.call) {
                    meter.written(target.media, *charged);
                }
            } else if self.forget(target.call) {
                out.push(Output::Orphaned { call: target.call });
            }
        }
        for (user, funds) in &applied.funds {
            if let Some(wallet) = self.wallets.get_mut(user) {
                wallet.funds = *funds;
            }
        }
    }

    fn settled(&mut self, call: CallId, settled: Option<Settled>, out: &mut Vec<Output>) {
        let known = self.forget(call);
        match settled {
            Some(Settled { receipt, funds }) => {
                let fan = receipt.terms.fan.clone();
                out.push(Output::Settled { receipt });
                self.funds_are(&fan, funds, out);
            }
            None if known => out.push(Output::Orphaned { call }),
            None => {}
        }
    }

    fn credited(
        &mut self,
        request: u64,
        user: UserId,
        crediting: Crediting,
        out: &mut Vec<Output>,
    ) {
        let (funds, added) = match crediting {
            Crediting::Added { funds } => (funds, true),
            Crediting::Repeated { funds } => (funds, false),
            Crediting::OtherCredit | Crediting::TooLarge => {
                out.push(Output::Failed { request, refusal: Refusal::Conflict });
                return;
            }
        };
        out.push(Output::Balance { request, user: user.clone(), balance: funds });
        self.funds_are(&user, funds, out);
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

    fn reply(&self, question: Question, funds: MicroCoins) -> Output {
        match question {
            Question::Balance { request, user } => {
                Output::Balance { request, user, balance: funds }
            }
            Question::Quote { request, rate, .. } => {
                let tariff = Tariff { rate, free: self.settings.free };
                let quote = Quote {
                    free: tariff.free,
                    minimum: self.minimum(rate),
                    balance: funds,
                    lasts: tariff.funded(funds),
                    host_share: self.settings.host_share,
                };
                Output::Quoted { request, quote }
            }
        }
    }

    fn failed(&mut self, command: Command, out: &mut Vec<Output>) {
        let refusal = Refusal::Unavailable;
        match command {
            // It may be durable all the same. Asked again it opens then; otherwise it is an open
            // call without media, which the next start settles at nothing.
            Command::Open(OpenCall { call, .. }) => {
                self.forget(call);
                out.push(Output::NotOpened { call, refusal });
            }
            Command::Apply(_) => self.applying = false,
            Command::Settle(settlement) => {
                if let Some(meter) = self.calls.get_mut(&settlement.target.call) {
                    meter.settle_again();
                }
            }
            Command::Credit { request, .. }
            | Command::Read(Question::Quote { request, .. } | Question::Balance { request, .. }) => {
                out.push(Output::Failed { request, refusal });
            }
        }
    }

    fn back_off(&mut self, now: MonotonicMs) {
        let doubled = RETRY_FIRST.0 << self.failures.min(16);
        self.failures = self.failures.saturating_add(1);
        self.retry_at = now + ElapsedMs(doubled).min(RETRY_MAX);
    }

    fn settle_due(&mut self, now: MonotonicMs, out: &mut Vec<Output>) {
        if now < self.retry_at {
            return;
        }
        let calls = &mut self.calls;
        let due: Vec<Settlement> =
            self.ended.iter().filter_map(|call| calls.get_mut(call)?.settle(now)).collect();
        for settlement in due {
            self.command(Command::Settle(settlement), out);
        }
    }

    fn tick_due(&mut self, now: MonotonicMs, out: &mut Vec<Output>) {
        if self.calls.is_empty() || self.applying || now < self.next_tick || now < self.retry_at {
            return;
        }
        // Ticks that were missed are not made up for: each brings all that is known.
        let next = self.next_tick + self.settings.tick;
        self.next_tick = if next > now { next } else { now + self.settings.tick };
        let targets: Vec<Target> = self
            .wallets
            .values()
            .flat_map(|wallet| wallet.calls.iter().map(|call| (wallet.funds, call)))
            .filter_map(|(funds, call)| self.calls.get(call)?.unwritten(funds))
            .collect();
        if targets.is_empty() {
            self.tell(now, out);
        } else {
            self.applying = true;
            self.command(Command::Apply(targets), out);
        }
    }

    /// Once a tick: new limits to the relay, and to both sides of each call where they stand.
    fn tell(&mut self, now: MonotonicMs, out: &mut Vec<Output>) {
        for wallet in self.wallets.values() {
            renew_limits(&mut self.calls, wallet, out);
            for call in &wallet.calls {
                let Some(meter) = self.calls.get_mut(call) else { continue };
                if meter.is_running() {
                    out.push(meter.metered(now, wallet.funds));
                    out.extend(meter.warning());
                }
            }
        }
    }

    fn funds_are(&mut self, user: &UserId, funds: MicroCoins, out: &mut Vec<Output>) {
        if let Some(wallet) = self.wallets.get_mut(user) {
            wallet.funds = funds;
            renew_limits(&mut self.calls, wallet, out);
        }
    }

    /// Whether it was known.
    fn forget(&mut self, call: CallId) -> bool {
        let Some(meter) = self.calls.remove(&call) else { return false };
        self.ended.remove(&call);
        if let Some(wallet) = self.wallets.get_mut(&meter.terms.fan) {
            wallet.calls.remove(&call);
            if wallet.calls.is_empty() {
                self.wallets.remove(&meter.terms.fan);
            }
        }
        true
    }
}

/// Divides a wallet's funds between its running calls.
fn renew_limits(calls: &mut BTreeMap<CallId, Meter>, wallet: &Wallet, out: &mut Vec<Output>) {
    let draws: Vec<Draw> =
        wallet.calls.iter().filter_map(|call| calls.get(call)).map(Meter::draw).collect();
    let left = time_left(wallet.funds, &draws);
    for call in &wallet.calls {
        let Some(meter) = calls.get_mut(call) else { continue };
        if meter.is_running()
            && let Some(funded) = meter.renew_limit(left)
        {
            out.push(Output::Limit { call: *call, funded });
        }
    }
}
