//! What is due by the clock: ticks, checkpoints, bills.

use super::{Biller, Wallet};
use crate::funds::{Draw, time_left};
use crate::meter::Meter;
use crate::{Checkpoint, Command, EndReason, Notice, Output, Settlement, Target};
use std::collections::BTreeMap;
use units::{CallId, ElapsedMs, MonotonicMs};

/// First pause after the store failed; doubles with each failure in a row.
const RETRY_FIRST: ElapsedMs = ElapsedMs(250);

/// Longest pause. More would leave calls unwritten for longer after an outage (what a crash then
/// loses, the fan does not pay); less would load a store that is in trouble.
const RETRY_MAX: ElapsedMs = ElapsedMs(5_000);

/// Most bills in one transaction. More would make one broken bill hold up more others for a
/// moment; fewer would wait for the disk more often.
const BILLS_AT_ONCE: usize = 1_000;

/// How often hot balances are compared with the ledger. More often would load both; less would
/// show a difference later.
const RECONCILE_EVERY: ElapsedMs = ElapsedMs(10_000);

/// When to compare again after that failed. Later would leave gifts longer under way whose writing
/// was interrupted; sooner would load a store that is in trouble.
const RECONCILE_AGAIN: ElapsedMs = ElapsedMs(1_000);

impl Biller {
    pub(super) fn reconcile_failed(&mut self, now: MonotonicMs) {
        self.reconciling = false;
        self.next_reconcile = now + RECONCILE_AGAIN;
    }

    pub(super) fn back_off(&mut self, now: MonotonicMs) {
        self.totals.store_failures += 1;
        // Commands of one round that fail together are one failure.
        if self.failures > 0 && now < self.retry_at {
            return;
        }
        let doubled = RETRY_FIRST.0 << self.failures.min(16);
        self.failures = self.failures.saturating_add(1);
        self.retry_at = now + ElapsedMs(doubled).min(RETRY_MAX);
    }

    /// Finds the next bill's time, if an ending changed.
    pub(super) fn review_endings(&mut self) {
        if std::mem::take(&mut self.endings_changed) {
            let ended = self.ended.iter().filter_map(|call| self.calls.get(call));
            self.settle_at = ended.filter_map(Meter::settle_at).min();
        }
    }

    pub(super) fn settle_due(&mut self, now: MonotonicMs, out: &mut Vec<Output>) {
        self.review_endings();
        if now < self.retry_at || self.settle_at.is_none_or(|at| at > now) {
            return;
        }
        self.endings_changed = true;
        let (mut fresh, mut again) = (Vec::new(), Vec::new());
        for call in &self.ended {
            let Some(meter) = self.calls.get_mut(call) else { continue };
            let is_first = meter.failures() == 0;
            if let Some(bill) = meter.settle(now) {
                if is_first { fresh.push(bill) } else { again.push(bill) }
            }
        }
        self.settle(fresh, again, out);
    }

    /// Bills that failed before go one by one: a broken one holds up no other.
    fn settle(
        &mut self,
        mut fresh: Vec<Settlement>,
        again: Vec<Settlement>,
        out: &mut Vec<Output>,
    ) {
        while !fresh.is_empty() {
            let rest = fresh.split_off(fresh.len().min(BILLS_AT_ONCE));
            self.command(Command::Settle(fresh), out);
            fresh = rest;
        }
        for bill in again {
            self.command(Command::Settle(vec![bill]), out);
        }
    }

    pub(super) fn tick_due(&mut self, now: MonotonicMs, out: &mut Vec<Output>) {
        if self.calls.is_empty() || self.applying || now < self.next_tick || now < self.retry_at {
            return;
        }
        self.totals.ticks += 1;
        self.totals.tick_late = now.since(self.next_tick);
        // Ticks that were missed are not made up for: each brings all that is known.
        let next = self.next_tick + self.settings.tick;
        self.next_tick = if next > now { next } else { now + self.settings.tick };
        self.interrupt_silent(now);
        for (call, meter) in &mut self.calls {
            meter.record(now);
            if meter.interrupt_if_forgotten(now) {
                self.ended.insert(*call);
                self.endings_changed = true;
            }
        }
        self.ask_changes(None, out);
        self.checkpoint_due(now, out);
        self.post_due(now, out);
        let targets: Vec<Target> = self
            .wallets
            .values()
            .flat_map(|wallet| wallet.calls.iter().map(move |call| (wallet, call)))
            .filter_map(|(wallet, call)| {
                let alone = wallet.calls.len() == 1;
                self.calls.get_mut(call)?.unwritten(now, wallet.funds, alone)
            })
            .collect();
        if targets.is_empty() {
            self.tell(now, out);
        } else {
            self.applying = true;
            self.command(Command::Apply(targets), out);
        }
    }

    fn checkpoint_due(&mut self, now: MonotonicMs, out: &mut Vec<Output>) {
        if self.checkpointing {
            return;
        }
        let rows: Vec<Checkpoint> = if now >= self.next_checkpoint {
            self.next_checkpoint = now + self.settings.checkpoint;
            self.calls.values().filter_map(Meter::checkpoint).collect()
        } else {
            // Nobody may be left who heard of what a call carried that waits for its last report.
            let ended = self.ended.iter().filter_map(|call| self.calls.get(call));
            ended.filter_map(Meter::checkpoint).collect()
        };
        if !rows.is_empty() {
            self.checkpointing = true;
            self.command(Command::Checkpoint(rows), out);
        }
    }

    fn post_due(&mut self, now: MonotonicMs, out: &mut Vec<Output>) {
        let (mut fresh, mut again) = (Vec::new(), Vec::new());
        for meter in self.calls.values_mut() {
            let is_first = meter.failures() == 0;
            if let Some(interim) = meter.post(now) {
                if is_first { fresh.push(interim) } else { again.push(interim) }
            }
        }
        self.settle(fresh, again, out);
    }

    /// Also without calls: what failures left under way is driven on by it.
    pub(super) fn reconcile_due(&mut self, now: MonotonicMs, out: &mut Vec<Output>) {
        let due = self.next_reconcile.max(self.retry_at);
        if !self.reconciling && now >= due && self.leases.count() > 0 {
            self.next_reconcile = now + RECONCILE_EVERY;
            self.reconciling = true;
            self.command(Command::Reconcile, out);
        }
    }

    /// Asks for changes of price that the store has not been asked for, of one call or of all.
    pub(super) fn ask_changes(&mut self, only: Option<CallId>, out: &mut Vec<Output>) {
        let mut asked = Vec::new();
        let mut ask = |meter: &mut Meter| {
            if let Some(change) = meter.ask_change() {
                asked.push((meter.call(), meter.terms.fan.clone(), change));
            }
        };
        match only {
            Some(call) => self.calls.get_mut(&call).into_iter().for_each(&mut ask),
            None => self.calls.values_mut().for_each(&mut ask),
        }
        for (call, fan, change) in asked {
            self.command(Command::Change { call, fan, change }, out);
        }
    }

    /// Once a tick: new limits to the relay, and to both sides of each call where they stand.
    pub(super) fn tell(&mut self, now: MonotonicMs, out: &mut Vec<Output>) {
        for wallet in self.wallets.values() {
            renew_limits(&mut self.calls, wallet, out);
            let Some(funds) = wallet.funds else { continue };
            for call in &wallet.calls {
                let Some(meter) = self.calls.get_mut(call) else { continue };
                if !meter.is_running() {
                    continue;
                }
                if !meter.evidence.is_possible(now) {
                    let rule = "media_within_connected";
                    self.totals.violated(rule);
                    out.push(Output::Notice(Notice::Violated { rule, call: *call }));
                }
                out.push(meter.metered(now, funds));
                if let Some(warning) = meter.warning() {
                    self.totals.warnings += 1;
                    out.push(warning);
                }
                if meter.evidence.unconfirmed() >= self.settings.unconfirmed {
                    let reason = EndReason::Unconfirmed;
                    out.push(Output::GiveUp { call: *call, reason });
                }
            }
        }
    }
}

/// Divides a wallet's funds between its running calls. Until the store has told the funds, the
/// relay goes by the limits of the meter before.
pub(super) fn renew_limits(
    calls: &mut BTreeMap<CallId, Meter>,
    wallet: &Wallet,
    out: &mut Vec<Output>,
) {
    let Some(funds) = wallet.funds else { return };
    let draws: Vec<Draw<'_>> =
        wallet.calls.iter().filter_map(|call| calls.get(call)).map(Meter::draw).collect();
    let left = time_left(funds, &draws);
    for call in &wallet.calls {
        let Some(meter) = calls.get_mut(call) else { continue };
        if meter.is_running()
            && let Some(funded) = meter.renew_limit(left)
        {
            out.push(Output::Limit { call: *call, funded });
        }
    }
}
