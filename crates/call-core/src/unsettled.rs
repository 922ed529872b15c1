//! Ends that no bill has answered yet.
//!
//! The meter that heard of an end may have died with it, and whoever takes its calls over may have
//! come too late to hear it. So an end is said again until its bill comes; a repeat changes nothing.

use crate::words::{EndReason, Proof};
use std::collections::BTreeMap;
use units::{CallId, ElapsedMs, MonotonicMs, UserId};

/// How often an end is said again. Less often would come later than the 5 s that a meter waits for
/// word of a call that it took over; more often would repeat ends whose bills only wait for the
/// last proof (2 s).
pub(crate) const AGAIN_EVERY: ElapsedMs = ElapsedMs(3_000);

/// How long an end is said again: as long as the links wait for a meter that is away. Longer would
/// go on about calls that nobody knows; shorter would leave out a meter that is restarted by hand.
const AGAIN_FOR: ElapsedMs = ElapsedMs(5 * 60 * 1_000);

#[derive(Debug)]
struct End {
    over: Over,
    until: MonotonicMs,
}

/// What a meter has to know of a call that is over.
#[derive(Clone, Debug)]
pub(crate) struct Over {
    pub(crate) fan: UserId,
    pub(crate) reason: EndReason,
    /// What its people were told: relay and meter may both have died with what they knew.
    pub(crate) proof: Proof,
}

/// Ends by call.
#[derive(Debug, Default)]
pub(crate) struct Unsettled {
    ends: BTreeMap<CallId, End>,
}

impl Unsettled {
    /// A call has ended; its first end counts.
    pub(crate) fn ended(&mut self, now: MonotonicMs, id: CallId, over: Over) {
        self.ends.entry(id).or_insert(End { over, until: now + AGAIN_FOR });
    }

    /// What its people were told since.
    pub(crate) fn told(&mut self, id: CallId, proof: Proof) {
        if let Some(End { over, .. }) = self.ends.get_mut(&id) {
            over.proof = over.proof.merge(proof);
        }
    }

    /// What to say again, unless it has been said for long enough: then it is forgotten.
    pub(crate) fn again(&mut self, now: MonotonicMs, id: CallId) -> Option<Over> {
        let End { over, until } = self.ends.get(&id)?;
        if now >= *until {
            self.ends.remove(&id);
            return None;
        }
        Some(over.clone())
    }

    /// The bill came, or there is nothing to bill.
    pub(crate) fn settled(&mut self, id: CallId) {
        self.ends.remove(&id);
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }
}
