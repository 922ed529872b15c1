//! What a fan gets back by rule, without asking (BILLING.md, rule 39).
//!
//! Pure: the same receipt and evidence give the same credits under the same ids, so that they may
//! be worked out and issued any number of times.
//!
//! * Units: micro-coins; milliseconds of proven media.
//! * Rounding: down, once per credit.
//! * Errors: none. Evidence that contradicts itself credits less, never more than the charge.

use crate::plan::whole_micro;
use crate::tariff::MS_PER_MINUTE;
use crate::{
    Counted, Credit, CreditKind, EndReason, EvidenceRecord, Payer, Plan, Proven, Receipt,
    RefundReason,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use units::{ElapsedMs, MicroCoins};

/// How much of the time between two records, in tenths, has to be silent (or frozen) for it to
/// count. Less would take pauses between words for silence; more would let a crackle hide a silent
/// minute.
const MOSTLY_TENTHS: u64 = 9;

/// Which rules hold. A `[credits]` section of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CreditRules {
    pub host_silent: HostSilent,
    pub picture_frozen: PictureFrozen,
    pub early_drop: EarlyDrop,
}

/// The host says nothing for too long: those seconds are given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HostSilent {
    pub on: bool,
    /// Shorter stretches are part of a conversation: a host also listens.
    pub longer_than_ms: u64,
    pub payer: Payer,
}

/// The host's picture stands still for too long: those seconds cost no more than voice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PictureFrozen {
    pub on: bool,
    /// Shorter stretches are a network's hiccups.
    pub longer_than_ms: u64,
    pub payer: Payer,
    /// Whether the voice behind the still picture is paid for, as with a camera that is off.
    /// Otherwise the whole price is given back.
    pub keep_voice: bool,
}

/// The call breaks off at its beginning: all of it is given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EarlyDrop {
    pub on: bool,
    /// How much proven media is still a beginning.
    pub within_ms: u64,
    pub payer: Payer,
    /// The endings that are no one's wish. A host who hangs up is not among them unless set.
    pub reasons: BTreeSet<EndReason>,
}

impl Default for HostSilent {
    fn default() -> Self {
        Self { on: true, longer_than_ms: 60_000, payer: Payer::Both }
    }
}

impl Default for PictureFrozen {
    fn default() -> Self {
        Self { on: true, longer_than_ms: 5_000, payer: Payer::Both, keep_voice: true }
    }
}

impl Default for EarlyDrop {
    fn default() -> Self {
        let reasons = [EndReason::HostLost, EndReason::NotConnected, EndReason::Interrupted];
        Self { on: true, within_ms: 20_000, payer: Payer::Both, reasons: reasons.into() }
    }
}

/// A credit, and the evidence for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCredit {
    pub credit: Credit,
    /// The stretches of the call that are credited, in order.
    pub proof: Vec<Stretch>,
}

/// What happened between two evidence records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// The last record before it, and the last of it, by their `n`.
    pub from: u32,
    pub to: u32,
    /// The silent or frozen time within, or all proven time of a call that broke off.
    pub time: ElapsedMs,
}

/// The time between two neighbouring records.
#[derive(Clone, Copy)]
struct Step {
    from: u32,
    to: u32,
    before: Counted,
    after: Counted,
}

impl CreditRules {
    /// What the rules give back for a call that is settled. At most its charge in all.
    #[must_use]
    pub fn credits(&self, receipt: &Receipt, evidence: &[EvidenceRecord]) -> Vec<RuleCredit> {
        if let Some(whole) = self.early_drop(receipt, evidence) {
            return vec![whole];
        }
        let steps = steps(evidence);
        let bill = Bill::of(receipt);
        let silent = runs(&steps, self.host_silent.rule(), |counted| counted.silent);
        let frozen = runs(&steps, self.picture_frozen.rule(), |counted| counted.frozen);
        // What silence gives back already is not given back again.
        let given: BTreeSet<u32> = silent.iter().flatten().map(|(step, _)| step.to).collect();
        let frozen: Vec<Run> = frozen
            .into_iter()
            .map(|run| run.into_iter().filter(|(step, _)| !given.contains(&step.to)).collect())
            .filter(|run: &Run| !run.is_empty())
            .collect();
        let silent_price = priced(&silent, |step, time| bill.share(step, time));
        let frozen_price = priced(&frozen, |step, time| {
            if self.picture_frozen.keep_voice {
                bill.picture(step, time)
            } else {
                bill.share(step, time)
            }
        });
        let mut left = receipt.total();
        [
            (RefundReason::HostSilent, self.host_silent.payer, silent_price, &silent),
            (RefundReason::PictureFrozen, self.picture_frozen.payer, frozen_price, &frozen),
        ]
        .into_iter()
        .filter_map(|(reason, payer, price, runs)| {
            let amount = price.min(left);
            left = left.saturating_sub(amount);
            let proof = runs.iter().map(stretch).collect();
            rule_credit(receipt, reason, payer, amount, proof)
        })
        .collect()
    }

    fn early_drop(&self, receipt: &Receipt, evidence: &[EvidenceRecord]) -> Option<RuleCredit> {
        let EarlyDrop { on, within_ms, payer, reasons } = &self.early_drop;
        let early = receipt.proven.media.0 < *within_ms && reasons.contains(&receipt.reason);
        if !on || !early {
            return None;
        }
        let ends = evidence.first().zip(evidence.last());
        let time = receipt.proven.media;
        let proof = ends.map(|(first, last)| Stretch { from: first.n, to: last.n, time });
        let (reason, proof) = (RefundReason::EarlyDrop, proof.into_iter().collect());
        rule_credit(receipt, reason, *payer, receipt.total(), proof)
    }
}

impl HostSilent {
    fn rule(&self) -> Option<u64> {
        self.on.then_some(self.longer_than_ms)
    }
}

impl PictureFrozen {
    fn rule(&self) -> Option<u64> {
        self.on.then_some(self.longer_than_ms)
    }
}

/// Steps that follow each other, with the marked time of each.
type Run = Vec<(Step, ElapsedMs)>;

/// Runs of steps in which nearly all proven time is marked, whose marked time in all is longer than
/// the rule says. Time in which nothing was proven neither adds to a run nor ends it.
fn runs(steps: &[Step], longer_than_ms: Option<u64>, mark: fn(&Counted) -> ElapsedMs) -> Vec<Run> {
    let Some(longer_than_ms) = longer_than_ms else { return Vec::new() };
    let (mut runs, mut run) = (Vec::new(), Run::new());
    for step in steps {
        let proven = step.proven();
        let marked = mark(&step.after).saturating_sub(mark(&step.before)).0.min(proven);
        if proven > 0 && marked * 10 >= proven * MOSTLY_TENTHS {
            run.push((*step, ElapsedMs(marked)));
        } else if proven > 0 {
            runs.push(std::mem::take(&mut run));
        }
    }
    runs.push(run);
    runs.retain(|run| run.iter().map(|(_, marked)| marked.0).sum::<u64>() > longer_than_ms);
    runs
}

fn stretch(run: &Run) -> Stretch {
    let (from, to) = run.first().zip(run.last()).map_or((0, 0), |(a, b)| (a.0.from, b.0.to));
    Stretch { from, to, time: ElapsedMs(run.iter().map(|(_, time)| time.0).sum()) }
}

/// The evidence as steps between records. Counts never fall in it, whatever it says.
fn steps(evidence: &[EvidenceRecord]) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut records = evidence.iter();
    let Some(first) = records.next() else { return steps };
    let (mut from, mut before) = (first.n, first.counted);
    for record in records.filter(|record| record.n > first.n) {
        let after = before.merge(record.counted);
        steps.push(Step { from, to: record.n, before, after });
        (from, before) = (record.n, after);
    }
    steps
}

impl Step {
    fn proven(&self) -> u64 {
        self.after.billable().media.saturating_sub(self.before.billable().media).0
    }
}

/// What seconds of a call cost, as far as they were paid.
struct Bill {
    plan: Plan,
    /// What was paid, in micro-coins times 60,000.
    paid: u128,
}

impl Bill {
    fn of(receipt: &Receipt) -> Self {
        let paid = u128::from(receipt.total().micro()) * MS_PER_MINUTE;
        Self { plan: receipt.plan(), paid }
    }

    fn until(&self, proven: Proven) -> u128 {
        self.plan.exact_numerator(proven).min(self.paid)
    }

    /// `time`'s part of what the step cost.
    fn share(&self, step: &Step, time: ElapsedMs) -> u128 {
        let (before, after) = (step.before.billable(), step.after.billable());
        let price = self.until(after).saturating_sub(self.until(before));
        price * u128::from(time.0) / u128::from(step.proven().max(1))
    }

    /// What the picture of `time` cost beyond the voice.
    fn picture(&self, step: &Step, time: ElapsedMs) -> u128 {
        let (before, after) = (step.before.billable(), step.after.billable());
        let seen = after.video.saturating_sub(before.video).0.min(time.0);
        let unseen = Proven { video: ElapsedMs(after.video.0 - seen), ..after };
        self.until(after).saturating_sub(self.until(unseen))
    }
}

fn priced(runs: &[Run], price: impl Fn(&Step, ElapsedMs) -> u128) -> MicroCoins {
    whole_micro(runs.iter().flatten().map(|(step, time)| price(step, *time)).sum())
}

fn rule_credit(
    receipt: &Receipt,
    reason: RefundReason,
    payer: Payer,
    amount: MicroCoins,
    proof: Vec<Stretch>,
) -> Option<RuleCredit> {
    let name = match reason {
        RefundReason::HostSilent => "host_silent",
        RefundReason::PictureFrozen => "picture_frozen",
        RefundReason::EarlyDrop => "early_drop",
        RefundReason::Support => "support",
    };
    let credit = Credit {
        id: format!("auto:{}:{name}", receipt.call),
        user: receipt.terms.fan.clone(),
        amount,
        kind: CreditKind::Refund { call: receipt.call, payer, reason },
        at: receipt.ended_at,
    };
    (amount > MicroCoins::ZERO).then_some(RuleCredit { credit, proof })
}

#[cfg(test)]
mod tests;
