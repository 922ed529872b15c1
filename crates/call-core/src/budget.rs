//! How many messages a client may send, and how many bad ones, before it is told off and cut off.

use units::MonotonicMs;

/// Messages a client may send at once. A page that starts sends about ten; more would let one
/// client hold up the switchboard, which handles one message at a time.
const BURST: u32 = 100;
/// Messages per second in the long run. People click; only a broken loop sends more.
const PER_SECOND: u32 = 50;
/// Wide requests a client may send at once: those whose work grows with everybody who is there,
/// since they list every host or tell every watcher. A page sends one or two; a hostile client
/// that sends a hundred would multiply each by thousands.
const WIDE_BURST: u32 = 20;
/// Wide requests per second in the long run.
const WIDE_PER_SECOND: u32 = 1;
/// Bad frames a client may send at once. A client in development sends some; more would let a
/// hostile one keep the server answering.
const BAD_BURST: u32 = 20;
/// Bad frames per second in the long run.
const BAD_PER_SECOND: u32 = 2;

/// A token bucket: full at the start, `per_second` tokens come back up to `capacity`.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    capacity: u32,
    per_second: u32,
    /// In thousandths, so that a refill of one millisecond is exact.
    milli_tokens: u64,
    filled_at: MonotonicMs,
}

impl Bucket {
    fn new(now: MonotonicMs, capacity: u32, per_second: u32) -> Self {
        let milli_tokens = u64::from(capacity) * 1_000;
        Self { capacity, per_second, milli_tokens, filled_at: now }
    }

    /// Takes one token, if there is one.
    fn take(&mut self, now: MonotonicMs) -> bool {
        let refill = now.since(self.filled_at).0.saturating_mul(self.per_second.into());
        let full = u64::from(self.capacity) * 1_000;
        self.milli_tokens = self.milli_tokens.saturating_add(refill).min(full);
        self.filled_at = now;
        match self.milli_tokens.checked_sub(1_000) {
            Some(rest) => {
                self.milli_tokens = rest;
                true
            }
            None => false,
        }
    }
}

/// What one session may still send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    messages: Bucket,
    wide: Bucket,
    bad: Bucket,
}

impl Budget {
    pub(crate) fn new(now: MonotonicMs) -> Self {
        Self {
            messages: Bucket::new(now, BURST, PER_SECOND),
            wide: Bucket::new(now, WIDE_BURST, WIDE_PER_SECOND),
            bad: Bucket::new(now, BAD_BURST, BAD_PER_SECOND),
        }
    }

    /// Counts a message; whether it may be handled.
    pub(crate) fn message(&mut self, now: MonotonicMs) -> bool {
        self.messages.take(now)
    }

    /// Counts a wide request; whether it may be handled.
    pub(crate) fn wide(&mut self, now: MonotonicMs) -> bool {
        self.wide.take(now)
    }

    /// Counts a bad frame; whether the client may stay.
    pub(crate) fn bad(&mut self, now: MonotonicMs) -> bool {
        self.bad.take(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of `count` messages pass that come every `every_ms`.
    fn passed(count: u32, every_ms: u64) -> u32 {
        let mut budget = Budget::new(MonotonicMs(0));
        let times = (0..u64::from(count)).map(|n| MonotonicMs(n * every_ms));
        u32::try_from(times.filter(|now| budget.message(*now)).count()).unwrap()
    }

    #[test]
    fn a_burst_passes_and_then_the_steady_rate() {
        assert_eq!(passed(1_000, 0), BURST);
        assert_eq!(passed(1_000, 20), 1_000);
        // 10 s at twice the rate: the burst and half of the rest.
        assert_eq!(passed(1_000, 10), BURST + 499);
    }

    #[test]
    fn the_twenty_first_bad_frame_is_one_too_many() {
        let mut budget = Budget::new(MonotonicMs(0));
        assert!((0..BAD_BURST).all(|_| budget.bad(MonotonicMs(0))));
        assert!(!budget.bad(MonotonicMs(499)));
        assert!(budget.bad(MonotonicMs(500)));
    }
}
