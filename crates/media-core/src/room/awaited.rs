//! Packets that one client has been sent, by their transport-wide numbers, until they are
//! confirmed.

use crate::evidence::Mark;
use std::collections::VecDeque;
use units::MonotonicUs;

/// Packets below the latest confirmed one that may still be confirmed: networks reorder within a
/// few. More costs 40 bytes each; less would take what came late for lost.
const LATE_MAX: u64 = 128;

/// A packet that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Numbered {
    /// The line that it went out on, and its sequence number there.
    pub(super) line: u16,
    pub(super) sequence: u16,
    /// What its confirmation counts by as evidence, if it does.
    pub(super) mark: Option<Mark>,
    pub(super) at: MonotonicUs,
    /// Its length.
    pub(super) bytes: u16,
}

/// What was sent, in the order of the transport-wide numbers.
#[derive(Debug)]
pub(super) struct Awaited {
    packets: VecDeque<Numbered>,
    packets_max: usize,
    next: u64,
    /// The number after the highest confirmed.
    confirmed_to: u64,
    /// Packets below that which were not confirmed in their turn, and not told yet.
    passed_over: u64,
}

impl Awaited {
    /// Room for at most so many.
    pub(super) const fn new(packets_max: usize) -> Self {
        Self { packets: VecDeque::new(), packets_max, next: 0, confirmed_to: 0, passed_over: 0 }
    }

    /// The transport-wide number of the next packet.
    pub(super) const fn next(&self) -> u16 {
        self.next as u16
    }

    /// Notes that the next packet was sent.
    pub(super) fn sent(&mut self, packet: Numbered) {
        self.packets.push_back(packet);
        self.next += 1;
        while self.packets.len() > self.packets_max {
            self.packets.pop_front();
        }
    }

    /// A packet that the client says it got, and whether it came in its turn. `None` if it was never
    /// sent, or is too long ago.
    pub(super) fn confirmed(&mut self, number: u16) -> Option<(Numbered, bool)> {
        let last = self.next.checked_sub(1)?;
        let number = last.checked_sub(u64::from((last as u16).wrapping_sub(number)))?;
        let packet = *self.packets.get(number.checked_sub(self.first())? as usize)?;
        let in_turn = number >= self.confirmed_to;
        if in_turn {
            self.passed_over += number - self.confirmed_to;
            self.confirmed_to = number + 1;
        }
        Some((packet, in_turn))
    }

    /// How many packets were passed over since this was asked: lost, but for a few that come late.
    pub(super) const fn passed_over(&mut self) -> u64 {
        std::mem::replace(&mut self.passed_over, 0)
    }

    /// Gives up what will not be confirmed any more.
    pub(super) fn forget(&mut self) {
        let late = self.confirmed_to.saturating_sub(LATE_MAX).saturating_sub(self.first());
        self.packets.drain(..late as usize);
        if self.packets.len() < self.packets.capacity() / 8 {
            self.packets.shrink_to(self.packets.capacity() / 2);
        }
    }

    fn first(&self) -> u64 {
        self.next - self.packets.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn packet(sequence: u16) -> Numbered {
        Numbered { line: 1, sequence, mark: None, at: MonotonicUs(7), bytes: 100 }
    }

    fn confirmed(awaited: &mut Awaited, number: u16) -> Option<Numbered> {
        awaited.confirmed(number).map(|(packet, _)| packet)
    }

    #[test]
    fn what_is_passed_over_is_counted_once() {
        let mut awaited = Awaited::new(100);
        (0..10).for_each(|at| awaited.sent(packet(at)));
        let in_turn = |awaited: &mut Awaited, number| awaited.confirmed(number).unwrap().1;
        assert!(in_turn(&mut awaited, 0) && in_turn(&mut awaited, 3));
        assert_eq!((awaited.passed_over(), awaited.passed_over()), (2, 0));
        assert!(!in_turn(&mut awaited, 3) && !in_turn(&mut awaited, 2));
        assert!(in_turn(&mut awaited, 4));
        assert_eq!(awaited.passed_over(), 0);
    }

    #[test]
    fn only_what_was_sent_lately_is_confirmed() {
        let mut awaited = Awaited::new(4);
        assert_eq!(confirmed(&mut awaited, 0), None);
        for at in 0..65_540u64 {
            assert_eq!(awaited.next(), at as u16);
            awaited.sent(packet(at as u16));
        }
        // The last four are 65,536 to 65,539.
        assert_eq!(confirmed(&mut awaited, 0), Some(packet(0)));
        assert_eq!(confirmed(&mut awaited, 3), Some(packet(3)));
        assert_eq!(confirmed(&mut awaited, 4), None);
        assert_eq!(confirmed(&mut awaited, 65_534), None);
    }

    #[test]
    fn what_is_long_confirmed_takes_no_room() {
        let mut awaited = Awaited::new(2_048);
        for at in 0..2_000u16 {
            awaited.sent(packet(at));
        }
        for at in 0..500 {
            assert_eq!(confirmed(&mut awaited, at), Some(packet(at)));
        }
        awaited.forget();
        assert_eq!(awaited.packets.len(), 2_000 - 500 + 128);
        assert_eq!(confirmed(&mut awaited, 371), None);
        assert_eq!(confirmed(&mut awaited, 372), Some(packet(372)), "late");
        assert_eq!(confirmed(&mut awaited, 1_999), Some(packet(1_999)));
        awaited.forget();
        assert_eq!(awaited.packets.len(), 128);
        (0..8).for_each(|_| awaited.forget());
        assert!(awaited.packets.capacity() <= 1_024, "{}", awaited.packets.capacity());
    }
}
