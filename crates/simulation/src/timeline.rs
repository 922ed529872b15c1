//! Virtual time: it moves only when nothing is left to do at this moment.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use units::MonotonicMs;

/// The world's clock, and the moments that somebody sleeps until.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timeline(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    now: u64,
    sleepers: BTreeMap<u64, Vec<Waker>>,
}

impl Timeline {
    /// Milliseconds since the world began.
    #[must_use]
    pub(crate) fn now(&self) -> MonotonicMs {
        MonotonicMs(self.state().now)
    }

    /// Moves the clock, never back, and wakes whoever slept until then.
    pub(crate) fn advance_to(&self, at: MonotonicMs) {
        let mut state = self.state();
        state.now = state.now.max(at.0);
        let next = state.now + 1;
        let later = state.sleepers.split_off(&next);
        let due = std::mem::replace(&mut state.sleepers, later);
        drop(state);
        due.into_values().flatten().for_each(Waker::wake);
    }

    /// When the next sleeper wants to go on.
    #[must_use]
    pub(crate) fn next_wake(&self) -> Option<MonotonicMs> {
        self.state().sleepers.keys().next().copied().map(MonotonicMs)
    }

    /// Sleeps for `ms`. The world polls all sleepers whenever it has moved the clock.
    #[must_use = "nobody sleeps unless it is awaited"]
    pub(crate) fn sleep(&self, ms: u64) -> Sleep {
        Sleep { timeline: self.clone(), until: self.now().0 + ms }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A pause in virtual time.
#[derive(Debug)]
pub(crate) struct Sleep {
    timeline: Timeline,
    until: u64,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.timeline.state();
        if state.now >= self.until {
            return Poll::Ready(());
        }
        state.sleepers.entry(self.until).or_default().push(context.waker().clone());
        Poll::Pending
    }
}
