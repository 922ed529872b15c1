//! What wants to be woken, and when: one alarm per session, call, ask and end that no bill has
//! answered, and one for what is kept for people who are not there.

use crate::words::AskId;
use std::collections::{BTreeMap, BTreeSet};
use units::{CallId, MonotonicMs, SessionId};

/// Whose time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Alarm {
    Session(SessionId),
    Call(CallId),
    Ask(AskId),
    Unsettled(CallId),
    Endings,
}

/// Alarms by time and by owner.
#[derive(Debug, Default)]
pub(crate) struct Alarms {
    by_time: BTreeSet<(MonotonicMs, Alarm)>,
    by_owner: BTreeMap<Alarm, MonotonicMs>,
}

impl Alarms {
    /// Sets the owner's only alarm, or clears it.
    pub(crate) fn set(&mut self, alarm: Alarm, at: Option<MonotonicMs>) {
        if let Some(earlier) = self.by_owner.remove(&alarm) {
            self.by_time.remove(&(earlier, alarm));
        }
        if let Some(at) = at {
            self.by_owner.insert(alarm, at);
            self.by_time.insert((at, alarm));
        }
    }

    /// The earliest alarm.
    pub(crate) fn next(&self) -> Option<MonotonicMs> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes out the earliest alarm that is due.
    pub(crate) fn pop_due(&mut self, now: MonotonicMs) -> Option<Alarm> {
        let (at, alarm) = self.by_time.first().copied()?;
        if at > now {
            return None;
        }
        self.set(alarm, None);
        Some(alarm)
    }

    /// How many are set.
    pub(crate) fn len(&self) -> usize {
        self.by_owner.len()
    }
}
