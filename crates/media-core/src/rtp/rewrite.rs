//! Where a publisher's packet stands in the stream of one listener.
//!
//! * Sequence numbers: a gap that the network made is kept, so that the listener asks for what is
//!   missing; a packet that we dropped ourselves leaves no gap. A new source continues without one.
//! * Timestamps: a new source goes on where the old one would be by now, never back.

use std::collections::VecDeque;
use units::MonotonicUs;

/// The first outgoing index. Below 2^15, so that a listener that misses the first packets still
/// knows that the rollover counter is 0 (RFC 3711 section 3.3.1).
pub(crate) const FIRST: u64 = 4_096;

/// Changes of the mapping that late packets are still placed by. Each costs 16 bytes; packets from
/// before the oldest are dropped.
const SHIFTS_MAX: usize = 16;

/// A packet's place in the listener's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Outgoing index: rollover counter and sequence number.
    pub(crate) index: u64,
    pub(crate) timestamp: u32,
}

/// From some source index on, this is subtracted.
#[derive(Clone, Copy, Debug)]
struct Shift {
    from: u64,
    by: i64,
}

#[derive(Debug)]
struct Source {
    epoch: u64,
    /// The highest index placed or skipped.
    highest: u64,
    timestamp_offset: u32,
    /// Ascending. Packets from before the first have no place.
    shifts: VecDeque<Shift>,
}

/// Places packets of one track, over all its sources, in one listener's stream.
#[derive(Debug)]
pub(crate) struct Rewriter {
    clock_hz: u32,
    next: u64,
    source: Option<Source>,
    last: Option<(u32, MonotonicUs)>,
}

impl Rewriter {
    /// A stream that continues behind the highest index that its SSRC has used with its key.
    pub(crate) fn new(clock_hz: u32, used: Option<u64>) -> Self {
        let next = used.map_or(FIRST, |used| used + 1);
        Self { clock_hz, next, source: None, last: None }
    }

    /// Where the packet `index` with `timestamp` of the source `epoch` stands. `None` for one that
    /// is too late to have a place.
    pub(crate) fn place(
        &mut self,
        now: MonotonicUs,
        epoch: u64,
        index: u64,
        timestamp: u32,
    ) -> Option<Place> {
        if self.source.as_ref().is_none_or(|source| source.epoch < epoch) {
            self.begin(now, epoch, index, timestamp);
        }
        let source = self.source.as_mut().filter(|source| source.epoch == epoch)?;
        let shift = source.shifts.iter().rev().find(|shift| shift.from <= index)?;
        let placed = index.checked_add_signed(-shift.by)?;
        let timestamp = timestamp.wrapping_add(source.timestamp_offset);
        if index >= source.highest {
            source.highest = index;
            self.next = placed + 1;
            self.last = Some((timestamp, now));
        }
        Some(Place { index: placed, timestamp })
    }

    /// Leaves out the packet `index` of the source `epoch` without a gap, if nothing after it has
    /// been placed yet.
    pub(crate) fn skip(&mut self, epoch: u64, index: u64) {
        let Some(source) = self.source.as_mut().filter(|source| source.epoch == epoch) else {
            return;
        };
        if index <= source.highest {
            return;
        }
        let by = source.shifts.back().map_or(0, |shift| shift.by);
        source.highest = index;
        source.shifts.push_back(Shift { from: index + 1, by: by + 1 });
        if source.shifts.len() > SHIFTS_MAX {
            source.shifts.pop_front();
        }
    }

    /// Whether a packet of the source `epoch` has been placed since the last restart.
    pub(crate) fn follows(&self, epoch: u64) -> bool {
        self.source.as_ref().is_some_and(|source| source.epoch == epoch)
    }

    /// What is added to the timestamps of the source `epoch`.
    pub(crate) fn timestamp_offset(&self, epoch: u64) -> Option<u32> {
        let source = self.source.as_ref().filter(|source| source.epoch == epoch)?;
        Some(source.timestamp_offset)
    }

    /// Goes on without a gap after a time in which nothing was forwarded.
    pub(crate) fn restart(&mut self) {
        self.source = None;
    }

    fn begin(&mut self, now: MonotonicUs, epoch: u64, index: u64, timestamp: u32) {
        let timestamp_offset = self.last.map_or(0, |(last, at)| {
            let passed = u128::from(now.us_since(at)) * u128::from(self.clock_hz) / 1_000_000;
            last.wrapping_add((passed as u32).max(1)).wrapping_sub(timestamp)
        });
        let by = index.cast_signed() - self.next.cast_signed();
        let shifts = VecDeque::from([Shift { from: index, by }]);
        self.source = Some(Source { epoch, highest: index, timestamp_offset, shifts });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays `"10 11 -12 13"`: indexes placed, or left out where they have a minus. Returns the
    /// outgoing indexes relative to the first.
    fn play(rewriter: &mut Rewriter, epoch: u64, packets: &str) -> String {
        let mut placed = Vec::new();
        for word in packets.split(' ') {
            if let Some(skipped) = word.strip_prefix('-') {
                rewriter.skip(epoch, skipped.parse().unwrap());
                continue;
            }
            let place = rewriter.place(MonotonicUs(0), epoch, word.parse().unwrap(), 0);
            placed.push(place.map_or("late".into(), |place| (place.index - FIRST).to_string()));
        }
        placed.join(" ")
    }

    #[test]
    fn gaps_of_the_network_stay_and_ours_are_closed() {
        for (packets, placed) in [
            ("10 11 12", "0 1 2"),
            ("10 12 11", "0 2 1"),
            ("10 13", "0 3"),
            ("10 -11 12 13", "0 1 2"),
            ("10 -11 -12 13", "0 1"),
            // 12 was lost before the skip of 13: its gap stays, and it may still come.
            ("10 11 -13 14 12", "0 1 3 2"),
            ("10 12 -11 13", "0 2 3"),
            ("10 9", "0 late"),
            ("-9 10", "0"),
        ] {
            assert_eq!(play(&mut Rewriter::new(90_000, None), 1, packets), placed, "{packets}");
        }
    }

    #[test]
    fn a_new_source_continues_without_a_gap() {
        let mut rewriter = Rewriter::new(90_000, None);
        assert_eq!(play(&mut rewriter, 1, "10 11 13"), "0 1 3");
        assert_eq!(play(&mut rewriter, 2, "70000 70002 69999"), "4 6 late");
        assert_eq!(play(&mut rewriter, 1, "14"), "late");
    }

    #[test]
    fn a_pause_of_ours_leaves_no_gap() {
        let mut rewriter = Rewriter::new(90_000, None);
        assert_eq!(play(&mut rewriter, 1, "10 11"), "0 1");
        rewriter.restart();
        assert_eq!(play(&mut rewriter, 1, "500 501 499"), "2 3 late");
    }

    #[test]
    fn a_rejoining_listener_never_reuses_an_index() {
        let mut rewriter = Rewriter::new(90_000, Some(9_999));
        assert_eq!(rewriter.place(MonotonicUs(0), 1, 5, 0).unwrap().index, 10_000);
    }

    #[test]
    fn timestamps_go_on_by_the_time_that_passed() {
        let mut rewriter = Rewriter::new(90_000, None);
        let mut at = |ms: u64, epoch, index, timestamp| {
            rewriter.place(MonotonicUs(ms * 1_000), epoch, index, timestamp).unwrap().timestamp
        };
        assert_eq!(at(0, 1, 10, 1_000), 1_000);
        assert_eq!(at(1_000, 1, 11, 91_000), 91_000);
        assert_eq!(at(1_500, 2, 70_000, 5), 91_000 + 45_000);
        assert_eq!(at(1_500, 2, 70_001, 3_005), 91_000 + 48_000);
        assert_eq!(at(1_500, 3, 90_000, 77), 91_000 + 48_001);
    }

    #[test]
    fn memory_of_skips_is_bounded() {
        let mut rewriter = Rewriter::new(90_000, None);
        rewriter.place(MonotonicUs(0), 1, 0, 0);
        for index in 1..1_000 {
            rewriter.skip(1, index);
        }
        assert_eq!(rewriter.source.as_ref().unwrap().shifts.len(), SHIFTS_MAX);
        assert_eq!(play(&mut rewriter, 1, "1000 3"), "1 late");
    }
}
