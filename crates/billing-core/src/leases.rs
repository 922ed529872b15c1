//! Which shards are this meter's, and until when (BILLING.md, rule 40).
//!
//! Pure: the store keeps the leases and fences off who lost them; this decides when to prolong,
//! how many to claim, what to give away, and when to stop by itself. It trusts only its own
//! monotonic clock, counted from before the store was asked: so it stops before the lease ends,
//! however long the answer took.

use crate::{Command, Held, Ownership};
use std::collections::BTreeSet;
use units::{ElapsedMs, MonotonicMs, Shard};

/// How long before its end a lease counts as lost here. More would stop a meter during pauses that
/// it could survive; less would let a command that is under way arrive after the end, where only
/// the store's fence holds it back.
const MARGIN: ElapsedMs = ElapsedMs(2_000);

/// Pause after the store could not prolong. Longer would waste the lease's last seconds.
const RETRY: ElapsedMs = ElapsedMs(500);

/// Longest lease: for a meter that is alone. A century, so that the sums stay far from overflow.
const ENDLESS: ElapsedMs = ElapsedMs::from_secs(100 * 365 * 24 * 3_600);

/// Shards that are given to newcomers at once. More would move the load sooner; less would
/// interrupt fewer calls' ticks at the same moment.
const GIVEN_AT_ONCE: usize = 64;

/// The leases of this meter.
#[derive(Debug)]
pub(crate) struct Leases {
    ownership: Ownership,
    held: BTreeSet<Shard>,
    owners: u16,
    /// When what is held counts as lost, on our clock.
    until: MonotonicMs,
    /// When the store was asked to prolong, while it has not answered.
    asked_at: Option<MonotonicMs>,
    /// When to ask next.
    next: MonotonicMs,
    /// Whether the store has ever answered.
    answered: bool,
    /// Everything is given away: nothing is claimed or prolonged any more.
    closed: bool,
    /// Leases ended while the store was being asked: its answer may name them, but their calls are
    /// gone.
    void: bool,
    /// What ended is being given back: until the store has let go of it, asking would find it held,
    /// and nobody would adopt its calls.
    giving_back: bool,
}

impl Leases {
    pub(crate) const fn new(ownership: Ownership) -> Self {
        Self {
            ownership,
            held: BTreeSet::new(),
            owners: 1,
            until: MonotonicMs(0),
            asked_at: None,
            next: MonotonicMs(0),
            answered: false,
            closed: false,
            void: false,
            giving_back: false,
        }
    }

    pub(crate) const fn is_alone(&self) -> bool {
        matches!(self.ownership, Ownership::Alone)
    }

    pub(crate) fn holds(&self, shard: Shard) -> bool {
        self.held.contains(&shard)
    }

    pub(crate) fn count(&self) -> usize {
        self.held.len()
    }

    /// Whether the store has answered, and what it gave is still ours.
    pub(crate) fn stand(&self, now: MonotonicMs) -> bool {
        self.answered && now < self.until
    }

    fn ttl(&self) -> ElapsedMs {
        match self.ownership {
            Ownership::Alone => ENDLESS,
            Ownership::Shared { ttl, .. } => ttl,
        }
    }

    /// Shards that are this meter's due, with as many owners as there are.
    fn fair(&self) -> usize {
        usize::from(Shard::COUNT.div_ceil(self.owners.max(1)))
    }

    /// The command that prolongs and claims, if it is time.
    pub(crate) fn ask(&mut self, now: MonotonicMs) -> Option<Command> {
        if self.closed || self.giving_back || self.asked_at.is_some() || now < self.next {
            return None;
        }
        self.asked_at = Some(now);
        let claim = self.fair().saturating_sub(self.held.len());
        let claim = u16::try_from(claim).unwrap_or(Shard::COUNT);
        let known = self.held.iter().copied().collect();
        Some(Command::Hold { known, claim, ttl: self.ttl() })
    }

    /// The store's answer. Returns the shards that were held before and are lost.
    pub(crate) fn held(&mut self, now: MonotonicMs, answer: &Held) -> Vec<Shard> {
        let asked_at = self.asked_at.take().unwrap_or(now);
        if self.closed {
            return Vec::new();
        }
        if std::mem::take(&mut self.void) {
            self.next = now;
            return Vec::new();
        }
        self.answered = true;
        self.owners = answer.owners.max(1);
        self.until = asked_at + self.ttl().saturating_sub(MARGIN);
        self.next = match self.ownership {
            Ownership::Alone if answer.shards.len() == usize::from(Shard::COUNT) => self.until,
            Ownership::Alone => now + RETRY,
            Ownership::Shared { renew, .. } => asked_at + renew,
        };
        let shards: BTreeSet<Shard> = answer.shards.iter().copied().collect();
        let before = std::mem::replace(&mut self.held, shards);
        before.difference(&self.held).copied().collect()
    }

    pub(crate) fn failed(&mut self, now: MonotonicMs) {
        self.asked_at = None;
        self.void = false;
        self.next = now + RETRY;
    }

    /// Asks again at once: the store says that something is not ours.
    pub(crate) const fn doubt(&mut self, now: MonotonicMs) {
        self.next = now;
    }

    /// Lets go of what could not be prolonged in time. It is to be given back.
    pub(crate) fn expire(&mut self, now: MonotonicMs) -> Vec<Shard> {
        if now < self.until || self.held.is_empty() {
            return Vec::new();
        }
        self.void = self.asked_at.is_some();
        self.giving_back = true;
        std::mem::take(&mut self.held).into_iter().collect()
    }

    /// The store has let go of what was given back, whether or not the ledger heard of it.
    pub(crate) const fn given_back(&mut self) {
        self.giving_back = false;
    }

    /// What is more than this meter's due, to be given to who wants it; those that are not `busy`
    /// first. They are held no longer.
    pub(crate) fn give_away(&mut self, busy: impl Fn(Shard) -> bool) -> Vec<Shard> {
        let surplus = self.held.len().saturating_sub(self.fair()).min(GIVEN_AT_ONCE);
        let mut candidates: Vec<Shard> = self.held.iter().copied().collect();
        candidates.sort_by_key(|shard| busy(*shard));
        candidates.truncate(surplus);
        for shard in &candidates {
            self.held.remove(shard);
        }
        candidates
    }

    /// Gives away everything that is not `busy`, for good: nothing is prolonged any more.
    pub(crate) fn close(&mut self, busy: impl Fn(Shard) -> bool) -> Vec<Shard> {
        self.closed = true;
        self.held.extract_if(.., |shard| !busy(*shard)).collect()
    }

    /// When something is due.
    pub(crate) fn next_wake(&self) -> Option<MonotonicMs> {
        let asks = !self.closed && !self.giving_back && self.asked_at.is_none();
        let ask = asks.then_some(self.next);
        let end = (!self.held.is_empty()).then_some(self.until);
        ask.into_iter().chain(end).min()
    }
}

#[cfg(test)]
mod tests;
