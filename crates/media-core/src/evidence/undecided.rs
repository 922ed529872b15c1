//! How far forwarded time was at some moments, until they are too old to be proven.

use std::collections::VecDeque;
use units::{ElapsedMs, MonotonicUs};

/// How far the noted moments lie apart. More would let lost time go unnoticed that much longer;
/// less costs 16 bytes each.
const NOTE_EVERY: ElapsedMs = ElapsedMs(500);

/// Moments in ascending order, with the sum of forwarded time at each. As long as old ones are
/// taken out, there are about as many as fit between them and now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Undecided {
    notes: VecDeque<(MonotonicUs, u64)>,
}

impl Undecided {
    /// Notes the sum at a moment, unless another was noted just before.
    pub(super) fn note(&mut self, moment: MonotonicUs, forwarded_us: u64) {
        if self.notes.back().is_none_or(|(latest, _)| *latest + NOTE_EVERY <= moment) {
            self.notes.push_back((moment, forwarded_us));
        }
    }

    /// Takes out the oldest moment if it is `old`; returns its sum.
    pub(super) fn take_if(&mut self, old: impl Fn(MonotonicUs) -> bool) -> Option<u64> {
        let (_, sum) = self.notes.pop_front_if(|(moment, _)| old(*moment))?;
        Some(sum)
    }
}
