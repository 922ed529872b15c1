//! What a receiver report says of one source: RFC 3550 sections 6.4.1, A.3 and A.8.

use crate::rtcp::ReportBlock;
use units::MonotonicUs;

/// Reception of one SSRC. Repaired packets don't count: they came on another stream.
#[derive(Clone, Debug)]
pub(crate) struct Reception {
    clock_hz: u32,
    first: u64,
    highest: u64,
    received: u64,
    /// Interarrival jitter in clock units, times 16.
    jitter: u64,
    /// Arrival of the last packet in clock units, less its timestamp.
    transit: Option<u32>,
    expected_before: u64,
    received_before: u64,
    /// The middle 32 bits of the last sender report's NTP time, and when it came.
    sender_report: Option<(u32, MonotonicUs)>,
}

impl Reception {
    /// The source whose first packet has this index.
    pub(crate) const fn new(clock_hz: u32, first: u64) -> Self {
        Self {
            clock_hz,
            first,
            highest: first,
            received: 0,
            jitter: 0,
            transit: None,
            expected_before: 0,
            received_before: 0,
            sender_report: None,
        }
    }

    /// Counts one packet.
    pub(crate) fn packet(&mut self, now: MonotonicUs, index: u64, timestamp: u32) {
        self.first = self.first.min(index);
        self.highest = self.highest.max(index);
        self.received += 1;
        let arrival = (u128::from(now.0) * u128::from(self.clock_hz) / 1_000_000) as u32;
        let transit = arrival.wrapping_sub(timestamp);
        if let Some(before) = self.transit.replace(transit) {
            let change = u64::from(transit.wrapping_sub(before).cast_signed().unsigned_abs());
            self.jitter = self.jitter + change - (self.jitter + 8) / 16;
        }
    }

    /// Notes a sender report, for the round-trip time.
    pub(crate) const fn sender_report(&mut self, now: MonotonicUs, ntp: u64) {
        self.sender_report = Some(((ntp >> 16) as u32, now));
    }

    /// The report since the last one.
    pub(crate) fn report(&mut self, now: MonotonicUs, ssrc: u32) -> ReportBlock {
        let expected = self.highest - self.first + 1;
        let expected_now = expected - self.expected_before;
        let lost_now = expected_now.saturating_sub(self.received - self.received_before);
        self.expected_before = expected;
        self.received_before = self.received;
        let (last_report, delay) = match self.sender_report {
            Some((middle, at)) => {
                (middle, (u128::from(now.us_since(at)) * 65_536 / 1_000_000) as u32)
            }
            None => (0, 0),
        };
        let lost = expected.cast_signed() - self.received.cast_signed();
        ReportBlock {
            ssrc,
            fraction_lost: (lost_now * 256).checked_div(expected_now).unwrap_or(0).min(255) as u8,
            lost: lost.clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest: self.highest as u32,
            jitter: (self.jitter / 16) as u32,
            last_report,
            delay,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_loss_jitter_and_the_time_since_the_sender_report() {
        let mut reception = Reception::new(48_000, 65_530);
        for index in (65_530..65_540).filter(|index| index % 5 != 0) {
            // Every packet 20 ms apart, the last one 2 ms late.
            let late = if index == 65_539 { 2_000 } else { 0 };
            let now = MonotonicUs((index - 65_530) * 20_000 + late);
            reception.packet(now, index, index as u32 * 960);
        }
        reception.sender_report(MonotonicUs(500_000), 0x1111_2222_3333_4444);
        let block = reception.report(MonotonicUs(1_000_000), 7);
        assert_eq!((block.ssrc, block.highest), (7, 65_539));
        // 65,530 and 65,535 are missing; the first is before the first that came.
        assert_eq!((block.lost, block.fraction_lost), (2, 51));
        assert_eq!(block.jitter, 96 / 16);
        assert_eq!((block.last_report, block.delay), (0x2222_3333, 32_768));
        let block = reception.report(MonotonicUs(2_000_000), 7);
        assert_eq!((block.lost, block.fraction_lost), (2, 0));
    }

    #[test]
    fn duplicates_make_the_loss_negative() {
        let mut reception = Reception::new(48_000, 10);
        for _ in 0..3 {
            reception.packet(MonotonicUs(0), 10, 0);
        }
        assert_eq!(reception.report(MonotonicUs(0), 7).lost, -2);
    }
}
