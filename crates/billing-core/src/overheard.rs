//! What is known of calls that other meters hold, for the case that they come here.
//!
//! Relay and signaling tell every meter everything. A meter that takes over a shard would otherwise
//! know nothing of its calls until the next report, and nothing at all of one that ended while
//! nobody held it. Cumulative facts of the last minutes close that gap, and so does what a meter
//! knew of calls that it had to leave.

use crate::{Counted, EndReason};
use std::collections::{BTreeMap, VecDeque};
use units::{CallId, ElapsedMs, MonotonicMs, UnixMs};

/// How long a call is remembered after it was last heard of: as long as the ledger may be away, since
/// nobody can take a shard meanwhile. Less would bill what ended just before an outage at its last
/// checkpoint; more would keep more calls in memory.
const REMEMBERED: ElapsedMs = ElapsedMs::from_secs(15 * 60);

/// Most calls that are remembered: about 250 bytes each. More would cost memory on every meter of
/// a large cluster; fewer would forget calls that a failed meter held.
const CALLS_MAX: usize = 250_000;

/// The latest of one call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Overheard {
    pub(crate) counted: Option<Counted>,
    pub(crate) last_report_in: bool,
    pub(crate) ended: Option<(EndReason, UnixMs)>,
    pub(crate) heard_at: MonotonicMs,
}

/// Calls of other meters.
#[derive(Debug, Default)]
pub(crate) struct Others {
    calls: BTreeMap<CallId, Overheard>,
    /// When to look again whether a call can be forgotten, about in order.
    order: VecDeque<(MonotonicMs, CallId)>,
}

impl Others {
    pub(crate) fn counted(&mut self, now: MonotonicMs, call: CallId, counted: Counted, last: bool) {
        let Some(heard) = self.hear(now, call) else { return };
        heard.counted = Some(heard.counted.unwrap_or_default().merge(counted));
        heard.last_report_in |= last;
    }

    pub(crate) fn ended(&mut self, now: MonotonicMs, call: CallId, reason: EndReason, at: UnixMs) {
        let Some(heard) = self.hear(now, call) else { return };
        heard.ended.get_or_insert((reason, at));
    }

    /// What this meter knew of a call that it had to leave.
    pub(crate) fn left(&mut self, now: MonotonicMs, call: CallId, known: Overheard) {
        let Some(heard) = self.hear(now, call) else { return };
        *heard = Overheard { heard_at: now, ..known };
    }

    /// What was heard of a call that comes here; it is somebody else's no longer.
    pub(crate) fn take(&mut self, call: CallId) -> Option<Overheard> {
        self.calls.remove(&call)
    }

    fn hear(&mut self, now: MonotonicMs, call: CallId) -> Option<&mut Overheard> {
        self.expire(now);
        if !self.calls.contains_key(&call) {
            if self.calls.len() >= CALLS_MAX {
                return None;
            }
            self.order.push_back((now, call));
        }
        let heard = self.calls.entry(call).or_default();
        heard.heard_at = now;
        Some(heard)
    }

    fn expire(&mut self, now: MonotonicMs) {
        while let Some(&(since, call)) = self.order.front()
            && now.since(since) >= REMEMBERED
        {
            self.order.pop_front();
            let Some(heard) = self.calls.get(&call) else { continue };
            if now.since(heard.heard_at) >= REMEMBERED {
                self.calls.remove(&call);
            } else {
                self.order.push_back((heard.heard_at, call));
            }
        }
    }
}

#[cfg(test)]
mod tests;
