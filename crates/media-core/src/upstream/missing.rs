//! Which packets of a publisher are missing, and when to ask for them (RFC 4585 section 6.2.1).

use units::{ElapsedMs, MonotonicUs};

/// Packets that may be missing at once. A larger gap is no loss but an outage: a key frame mends it
/// sooner than hundreds of repetitions.
const MISSING_MAX: usize = 128;

/// How long to wait for a repetition before asking again: a long round trip in one country.
const RETRY_EVERY: ElapsedMs = ElapsedMs(100);

/// How often one packet is asked for. More helps nobody: the listener's player has given up.
const ASKED_MAX: u8 = 8;

#[derive(Clone, Copy, Debug)]
struct Lost {
    index: u64,
    asked: u8,
    due: MonotonicUs,
}

/// The missing packets of one source, in ascending order.
#[derive(Debug, Default)]
pub(crate) struct Missing {
    lost: Vec<Lost>,
}

impl Missing {
    /// Adds the packets from `first` up to but not including `end`. Returns `false` if that is more
    /// than can be asked for; then all are given up, and a key frame is needed.
    #[must_use]
    pub(crate) fn add(&mut self, now: MonotonicUs, first: u64, end: u64) -> bool {
        let gap = usize::try_from(end.saturating_sub(first)).unwrap_or(usize::MAX);
        if gap.saturating_add(self.lost.len()) > MISSING_MAX {
            self.lost.clear();
            return false;
        }
        self.lost.extend((first..end).map(|index| Lost { index, asked: 0, due: now }));
        true
    }

    /// Strikes a packet off that has come.
    pub(crate) fn found(&mut self, index: u64) {
        self.lost.retain(|lost| lost.index != index);
    }

    /// Gives all up.
    pub(crate) fn clear(&mut self) {
        self.lost.clear();
    }

    /// When to ask next.
    pub(crate) fn due(&self) -> Option<MonotonicUs> {
        self.lost.iter().map(|lost| lost.due).min()
    }

    /// The sequence numbers to ask for now, ascending; those asked for too often are given up.
    pub(crate) fn ask(&mut self, now: MonotonicUs) -> Vec<u16> {
        let mut wanted = Vec::new();
        self.lost.retain_mut(|lost| {
            if lost.due > now {
                return true;
            }
            if lost.asked == ASKED_MAX {
                return false;
            }
            lost.asked += 1;
            lost.due = now + RETRY_EVERY;
            wanted.push(lost.index as u16);
            true
        });
        wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> MonotonicUs {
        MonotonicUs(ms * 1_000)
    }

    #[test]
    fn asks_at_once_then_again_until_it_comes_or_never_will() {
        let mut missing = Missing::default();
        assert!(missing.add(ms(0), 65_535, 65_538));
        assert_eq!(missing.due(), Some(ms(0)));
        assert_eq!(missing.ask(ms(0)), [65_535, 0, 1]);
        assert_eq!(missing.ask(ms(99)), [0u16; 0]);
        missing.found(65_536);
        for asked in 1..8 {
            assert_eq!(missing.ask(ms(100 * asked)), [65_535, 1]);
        }
        assert_eq!(missing.ask(ms(800)), [0u16; 0]);
        assert_eq!(missing.due(), None);
    }

    #[test]
    fn an_outage_is_given_up() {
        let mut missing = Missing::default();
        assert!(missing.add(ms(0), 0, 128));
        assert!(!missing.add(ms(0), 200, 201));
        assert_eq!(missing.due(), None);
        assert!(!missing.add(ms(0), 0, u64::MAX));
    }
}
