//! What a meter has counted since it started, for its operators.

use crate::{Counted, Receipt, Split};
use std::collections::BTreeMap;
use units::{Coins, ElapsedMs, MicroCoins, MonotonicMs, ShareBps};

/// Sums since the start, and how it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub open_calls: usize,
    /// Calls that have ended and wait for their bill.
    pub unsettled: usize,
    pub shards: usize,
    pub opened: u64,
    pub settled: u64,
    pub ticks: u64,
    /// How late the latest tick was.
    pub tick_late: ElapsedMs,
    pub checkpointed_at: Option<MonotonicMs>,
    pub store_failures: u64,
    pub warnings: u64,
    /// Taken from fans, in micro-coins, and the hosts' part of it.
    pub charged_micro: u64,
    pub earned_micro: u64,
    /// Proven media that the funds did not cover, at its price: what the platform carried.
    pub absorbed_micro: u64,
    /// Media of settled calls that cost nothing: by tariff, and since it was never confirmed.
    pub free_ms: u64,
    pub unproven_ms: u64,
    /// How often something that must hold did not, by rule.
    pub violations: BTreeMap<&'static str, u64>,
}

impl Totals {
    pub(crate) fn violated(&mut self, rule: &'static str) {
        *self.violations.entry(rule).or_default() += 1;
    }

    pub(crate) fn charged(&mut self, before: Coins, after: Coins, share: ShareBps) {
        let after = before.max(after);
        let total = |coins: Coins| coins.total().unwrap_or(MicroCoins::MAX).micro();
        let host = |coins: Coins| Split::of_coins(coins, share).host.micro();
        self.charged_micro += total(after) - total(before);
        self.earned_micro += host(after) - host(before);
    }

    pub(crate) fn settled(&mut self, receipt: &Receipt, counted: &Counted) {
        self.settled += 1;
        let plan = receipt.plan();
        let asked = plan.charge(receipt.proven);
        self.absorbed_micro += asked.saturating_sub(receipt.total()).micro();
        self.free_ms += receipt.proven.media.min(plan.tariff.free).0;
        let forwarded = counted.to_fan.forwarded;
        self.unproven_ms += forwarded.saturating_sub(receipt.proven.media).0;
    }
}
