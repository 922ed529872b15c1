//! Randomness that follows from a seed.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::{Arc, Mutex, PoisonError};

/// A source of chance that all parts of one world draw from, in the order of events: the same seed
/// gives the same world.
#[derive(Clone, Debug)]
pub(crate) struct Chance(Arc<Mutex<ChaCha8Rng>>);

impl Chance {
    /// The chance of `seed`.
    #[must_use]
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(ChaCha8Rng::seed_from_u64(seed))))
    }

    /// A number from `low` to `high`, ends included.
    #[must_use]
    pub(crate) fn between(&self, low: u64, high: u64) -> u64 {
        let span = high.saturating_sub(low).saturating_add(1);
        low + self.draw() % span
    }

    /// True once in `n` times.
    #[must_use]
    pub(crate) fn one_in(&self, n: u64) -> bool {
        self.draw().is_multiple_of(n)
    }

    /// An index below `len`.
    ///
    /// # Panics
    /// If there is nothing to pick from.
    #[must_use]
    pub(crate) fn index(&self, len: usize) -> usize {
        let last = len.checked_sub(1).expect("something to pick from");
        usize::try_from(self.between(0, last as u64)).expect("below a length")
    }

    /// A fresh id.
    #[must_use]
    pub(crate) fn id(&self) -> uuid::Uuid {
        uuid::Uuid::from_u64_pair(self.draw(), self.draw())
    }

    fn draw(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).next_u64()
    }
}
