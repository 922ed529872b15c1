//! When to look at what.

use std::collections::BTreeSet;
use units::MonotonicUs;

/// At most one moment for each key, not later than its owner wants.
#[derive(Debug)]
pub(crate) struct Schedule<K> {
    wakes: BTreeSet<(MonotonicUs, K)>,
}

/// The moment that a key is scheduled for, kept by its owner.
pub(crate) type At = Option<MonotonicUs>;

impl<K: Copy + Ord> Schedule<K> {
    pub(crate) const fn new() -> Self {
        Self { wakes: BTreeSet::new() }
    }

    /// Makes sure that `key`, now scheduled `at`, is looked at when it is `due`.
    pub(crate) fn want(&mut self, key: K, at: &mut At, due: Option<MonotonicUs>) {
        let Some(due) = due.filter(|due| at.is_none_or(|at| *due < at)) else { return };
        if let Some(at) = at.replace(due) {
            self.wakes.remove(&(at, key));
        }
        self.wakes.insert((due, key));
    }

    /// Forgets a key that was scheduled `at`.
    pub(crate) fn forget(&mut self, key: K, at: At) {
        if let Some(at) = at {
            self.wakes.remove(&(at, key));
        }
    }

    /// The first moment.
    pub(crate) fn next(&self) -> Option<MonotonicUs> {
        self.wakes.first().map(|(at, _)| *at)
    }

    /// The key of the first moment, if that has come.
    pub(crate) fn due(&self, now: MonotonicUs) -> Option<K> {
        self.wakes.first().filter(|(at, _)| *at <= now).map(|(_, key)| *key)
    }

    /// Takes that key out; its owner is then scheduled no more.
    pub(crate) fn take_due(&mut self, now: MonotonicUs) -> Option<K> {
        let key = self.due(now)?;
        self.wakes.pop_first();
        Some(key)
    }
}
