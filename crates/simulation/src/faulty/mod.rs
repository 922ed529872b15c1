//! Stores that fail as real ones do: slowly, not at all, or after they did what was asked.

use crate::{Chance, Timeline};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use store::Error;

mod hot;
mod ledger;

pub(crate) use hot::FaultyHot;
pub(crate) use hot::{Ghosts, arrive};
pub(crate) use ledger::FaultyLedger;

/// Longest time that a server takes to answer, in ordinary times.
const SLOW_MS: u64 = 40;

/// How long a client waits for a server that is away.
const TIMEOUT_MS: u64 = 2_000;

/// The way to a server, and its moods. Clones share the server's switch, not the way.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) chance: Chance,
    pub(crate) timeline: Timeline,
    /// Whether the server is away, for everybody.
    pub(crate) away: Arc<AtomicBool>,
    /// Whether the way from this process to it is cut.
    pub(crate) cut: Arc<AtomicBool>,
    /// Once in how many requests something goes wrong; 0: never.
    pub(crate) trouble: Arc<std::sync::atomic::AtomicU64>,
}

/// What becomes of a request that reaches the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Answered,
    /// It was done, but nobody hears of it.
    AnswerLost,
}

impl Way {
    /// Travels to the server.
    async fn there(&self) -> Result<Fate, Error> {
        self.timeline.sleep(self.chance.between(0, SLOW_MS / 2)).await;
        if self.unreachable() {
            self.timeline.sleep(TIMEOUT_MS).await;
            return Err(Error::Unavailable("no way to the server"));
        }
        match self.trouble.load(Ordering::Relaxed) {
            0 => Ok(Fate::Answered),
            n if self.chance.one_in(n) => Err(Error::Unavailable("the request was lost")),
            n if self.chance.one_in(n) => Ok(Fate::AnswerLost),
            _ => Ok(Fate::Answered),
        }
    }

    /// Travels back with what the server said.
    async fn back<T>(&self, fate: Fate, answer: Result<T, Error>) -> Result<T, Error> {
        self.timeline.sleep(self.chance.between(0, SLOW_MS / 2)).await;
        if fate == Fate::AnswerLost || self.unreachable() {
            return Err(Error::Unavailable("the answer was lost"));
        }
        answer
    }

    fn unreachable(&self) -> bool {
        self.away.load(Ordering::Relaxed) || self.cut.load(Ordering::Relaxed)
    }
}
