//! Which calls are this meter's: taking over, leaving, stopping.

use super::Biller;
use crate::meter::Meter;
use crate::{Command, EndReason, Held, Notice, Output};
use std::collections::BTreeSet;
use units::{CallId, MonotonicMs, Shard, UnixMs};

impl Biller {
    /// Prolongs leases that are due, and lets go of those that ended.
    pub(super) fn leases_due(&mut self, now: MonotonicMs, out: &mut Vec<Output>) {
        let ended = self.leases.expire(now);
        if !ended.is_empty() {
            self.lose(now, &ended, out);
            // The store lets go as well, so that it tells of their calls when they are taken again.
            self.command(Command::Release(ended), out);
        }
        if let Some(hold) = self.leases.ask(now) {
            self.command(hold, out);
        }
        if self.draining && !self.leases.is_alone() {
            self.leave_all(now, out);
        }
    }

    pub(super) fn held(&mut self, now: MonotonicMs, held: Held, out: &mut Vec<Output>) {
        let lost = self.leases.held(now, &held);
        self.lose(now, &lost, out);
        let mut adopted = 0;
        for live in held.adopted {
            let call = live.call;
            if self.calls.contains_key(&call) || !self.leases.holds(Shard::of(&live.terms.fan)) {
                continue;
            }
            self.insert(now, Meter::adopted(live, now));
            self.adopted.insert(call);
            if self.leases.is_alone() {
                self.recovering.insert(call);
            }
            self.recall(now, call);
            adopted += 1;
        }
        if adopted > 0 {
            out.push(Output::Notice(Notice::Adopted { calls: adopted }));
            self.interrupt_silent(now);
        }
        if !self.draining {
            let busy: BTreeSet<Shard> = self.calls.values().map(|meter| meter.shard).collect();
            let surplus = self.leases.give_away(|shard| busy.contains(&shard));
            self.release(now, surplus, out);
        }
    }

    /// What was heard of a call before it came here. Whether a relay still carries it, only its
    /// next report says.
    pub(super) fn recall(&mut self, now: MonotonicMs, call: CallId) {
        let Some(heard) = self.others.take(call) else { return };
        let Some(meter) = self.calls.get_mut(&call) else { return };
        if let Some(counted) = heard.counted {
            meter.count(heard.heard_at, counted);
        }
        if heard.last_report_in {
            meter.no_more_reports();
        }
        if let Some((reason, at)) = heard.ended {
            meter.end(now, reason, at);
            self.ended.insert(call);
        }
        self.endings_changed = true;
    }

    /// Adopted calls that the relay does not know are over (BILLING.md, rule 42).
    pub(super) fn interrupt_silent(&mut self, now: MonotonicMs) {
        let at_once = self.leases.is_alone();
        let calls = &mut self.calls;
        let silent: Vec<CallId> = self
            .adopted
            .iter()
            .copied()
            .filter(|call| {
                calls.get_mut(call).is_some_and(|meter| meter.interrupt_if_silent(now, at_once))
            })
            .collect();
        for call in silent {
            self.ended.insert(call);
            self.adopted.remove(&call);
            self.endings_changed = true;
        }
    }

    fn calls_of(&self, shards: &[Shard]) -> Vec<CallId> {
        let shards: BTreeSet<Shard> = shards.iter().copied().collect();
        let of = |(call, meter): (&CallId, &Meter)| shards.contains(&meter.shard).then_some(*call);
        self.calls.iter().filter_map(of).collect()
    }

    fn lose(&mut self, now: MonotonicMs, shards: &[Shard], out: &mut Vec<Output>) {
        if shards.is_empty() {
            return;
        }
        let calls = self.calls_of(shards);
        out.push(Output::Notice(Notice::LeasesLost { shards: shards.len(), calls: calls.len() }));
        for call in calls {
            self.leave(now, call);
        }
    }

    /// Meters a call no longer, but remembers what is known of it: it may come back.
    fn leave(&mut self, now: MonotonicMs, call: CallId) {
        if let Some(meter) = self.calls.get(&call) {
            self.others.left(now, call, meter.known());
        }
        self.forget(call);
    }

    /// Leaves these shards to other meters, with all that is known of their calls.
    fn release(&mut self, now: MonotonicMs, shards: Vec<Shard>, out: &mut Vec<Output>) {
        if shards.is_empty() {
            return;
        }
        let calls = self.calls_of(&shards);
        let rows: Vec<_> = calls
            .iter()
            .filter_map(|call| self.calls.get(call).and_then(Meter::checkpoint))
            .collect();
        if !rows.is_empty() {
            self.command(Command::Checkpoint(rows), out);
        }
        for call in calls {
            self.leave(now, call);
        }
        self.command(Command::Release(shards), out);
    }

    /// Stops: alone, it ends its calls; of several meters, the others go on with them.
    pub(super) fn drain(&mut self, now: MonotonicMs, at: UnixMs, out: &mut Vec<Output>) {
        self.draining = true;
        if self.leases.is_alone() {
            self.end_all(now, at);
        } else {
            self.leave_all(now, out);
        }
    }

    /// Ends every call of this meter, as an interrupted one.
    pub(super) fn end_all(&mut self, now: MonotonicMs, at: UnixMs) {
        self.ended = self.calls.keys().copied().collect();
        self.endings_changed = true;
        self.calls.values_mut().for_each(|call| call.end(now, EndReason::Interrupted, at));
    }

    /// Leaves every shard that has no bill to be made.
    fn leave_all(&mut self, now: MonotonicMs, out: &mut Vec<Output>) {
        let busy: BTreeSet<Shard> = self
            .ended
            .iter()
            .filter_map(|call| self.calls.get(call))
            .map(|meter| meter.shard)
            .collect();
        let shards = self.leases.close(|shard| busy.contains(&shard));
        self.release(now, shards, out);
    }
}
