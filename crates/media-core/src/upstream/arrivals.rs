//! When a client's packets arrived, until it is told by transport-wide feedback.

use crate::rtcp::{Arrival, write_transport_feedback};
use units::{ElapsedMs, MonotonicUs};

/// How often arrivals are reported to who sends video, and to who sends only sound, of which there
/// is little to estimate. Seldom slows the client's estimate; more often costs a datagram each.
///
/// Reports are due at multiples of it, for all clients at once: a worker wakes once for all.
const VIDEO_EVERY: ElapsedMs = ElapsedMs(50);
const AUDIO_EVERY: ElapsedMs = ElapsedMs(100);

/// Arrivals that may wait for a report: at 50 ms this is 10,000 packets a second.
const WAITING_MAX: usize = 512;

/// Arrivals that wait to be reported.
#[derive(Debug)]
pub(crate) struct Arrivals {
    every_us: u64,
    highest: Option<u64>,
    /// The first number that no report has covered yet.
    unreported: u64,
    waiting: Vec<Arrival>,
    due: Option<MonotonicUs>,
    reports: u8,
}

impl Arrivals {
    /// Of a client that sends video, or only sound.
    pub(crate) const fn new(video: bool) -> Self {
        Self {
            every_us: every_us(video),
            highest: None,
            unreported: 0,
            waiting: Vec::new(),
            due: None,
            reports: 0,
        }
    }

    /// What it sends from now on.
    pub(crate) const fn sends(&mut self, video: bool) {
        self.every_us = every_us(video);
    }

    /// Notes that the packet with this transport-wide number has arrived.
    pub(crate) fn note(&mut self, now: MonotonicUs, number: u16) {
        let number = match self.highest {
            // One turn above zero, so that earlier numbers have room below.
            None => (1 << 16) + u64::from(number),
            Some(highest) => {
                let ahead = number.wrapping_sub(highest as u16).cast_signed();
                match highest.checked_add_signed(ahead.into()) {
                    Some(number) => number,
                    None => return,
                }
            }
        };
        if self.highest.is_none() {
            self.unreported = number;
        }
        self.highest = self.highest.max(Some(number));
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push((number, now));
            self.due.get_or_insert(MonotonicUs((now.0 / self.every_us + 1) * self.every_us));
        }
    }

    /// When the next report is due.
    pub(crate) const fn due(&self) -> Option<MonotonicUs> {
        self.due
    }

    /// Writes one report on what waits, and is to be called until it returns `false`.
    pub(crate) fn report(&mut self, bytes: &mut Vec<u8>, ssrcs: (u32, u32)) -> bool {
        if self.due.take().is_some() {
            self.waiting.sort_unstable();
            self.waiting.dedup_by_key(|(number, _)| *number);
        }
        let Some((first, _)) = self.waiting.first() else { return false };
        // From the first uncovered number on, so that what is missing is told as lost.
        let base = self.unreported.min(*first);
        let told = write_transport_feedback(bytes, ssrcs, self.reports, base, &self.waiting);
        self.reports = self.reports.wrapping_add(1);
        self.unreported = self.unreported.max(self.waiting[told - 1].0 + 1);
        self.waiting.drain(..told);
        true
    }
}

const fn every_us(video: bool) -> u64 {
    1_000 * if video { VIDEO_EVERY.0 } else { AUDIO_EVERY.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{Packet, packets};

    /// Every number that the next reports tell as arrived.
    fn told(arrivals: &mut Arrivals) -> Vec<u16> {
        let mut numbers = Vec::new();
        let mut bytes = Vec::new();
        while arrivals.report(&mut bytes, (1, 2)) {}
        for packet in packets(&bytes).unwrap() {
            let Packet::TransportFeedback(feedback) = packet else { panic!("{packet:?}") };
            numbers.extend(feedback.arrivals().map(|(number, _)| number));
        }
        numbers
    }

    #[test]
    fn reports_to_all_are_due_at_once() {
        for (video, at, due) in [
            (true, 1_000_000, 1_050_000),
            (true, 1_049_999, 1_050_000),
            (true, 1_050_000, 1_100_000),
            (false, 1_050_000, 1_100_000),
            (false, 1_000_000, 1_100_000),
        ] {
            let mut arrivals = Arrivals::new(video);
            arrivals.note(MonotonicUs(at), 1);
            arrivals.note(MonotonicUs(at + 60_000), 2);
            assert_eq!(arrivals.due(), Some(MonotonicUs(due)), "{video} {at}");
        }
    }

    #[test]
    fn arrivals_are_told_once_in_order() {
        let mut arrivals = Arrivals::new(true);
        assert_eq!(arrivals.due(), None);
        for number in [65_534, 0, 65_535, 3, 0] {
            arrivals.note(MonotonicUs(1_000_000), number);
        }
        assert_eq!(arrivals.due(), Some(MonotonicUs(1_050_000)));
        assert_eq!(told(&mut arrivals), [65_534, 65_535, 0, 3]);
        assert_eq!(arrivals.due(), None);
        arrivals.note(MonotonicUs(1_100_000), 2);
        assert_eq!(told(&mut arrivals), [2]);
    }

    #[test]
    fn jumps_and_floods_are_bounded() {
        let mut arrivals = Arrivals::new(true);
        for number in 0..5_000u16 {
            arrivals.note(MonotonicUs(0), number.wrapping_mul(20_011));
        }
        assert_eq!(arrivals.waiting.len(), WAITING_MAX);
        assert!(told(&mut arrivals).len() <= WAITING_MAX);
        assert!(arrivals.waiting.is_empty());
    }
}
