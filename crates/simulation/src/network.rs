//! Messages between processes: late, doubled, overtaken, but sent again until they arrive.

use crate::Chance;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use units::MonotonicMs;

/// What is under way, by when it arrives.
#[derive(Debug)]
pub(crate) struct Network<M> {
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    messages: std::collections::BTreeMap<u64, M>,
    sent: u64,
    /// Once in how many messages one is lost at first, doubled or late; 0: never.
    pub(crate) trouble: u64,
}

impl<M: Clone> Network<M> {
    pub(crate) fn new(trouble: u64) -> Self {
        Self {
            queue: BinaryHeap::new(),
            messages: std::collections::BTreeMap::new(),
            sent: 0,
            trouble,
        }
    }

    /// Has `message` arrive exactly at `at`.
    pub(crate) fn at(&mut self, at: u64, message: M) {
        self.sent += 1;
        self.queue.push(Reverse((at, self.sent)));
        self.messages.insert(self.sent, message);
    }

    /// Sends a message: it arrives in a while. One that is lost is sent again by its sender.
    pub(crate) fn send(&mut self, now: MonotonicMs, chance: &Chance, message: M) {
        let troubled = self.trouble > 0 && chance.one_in(self.trouble);
        if troubled && chance.one_in(3) {
            self.at(now.0 + chance.between(1, 5_000), message.clone());
        }
        let delay = if troubled { chance.between(200, 4_000) } else { chance.between(0, 5) };
        self.at(now.0 + delay, message);
    }

    /// When the next one arrives.
    pub(crate) fn next(&self) -> Option<u64> {
        self.queue.peek().map(|Reverse((at, _))| *at)
    }

    /// The next one that has arrived.
    pub(crate) fn take(&mut self, now: MonotonicMs) -> Option<M> {
        let Reverse((at, number)) = *self.queue.peek()?;
        if at > now.0 {
            return None;
        }
        self.queue.pop();
        self.messages.remove(&number)
    }
}
