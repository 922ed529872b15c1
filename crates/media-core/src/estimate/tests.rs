//! The estimate against paths of known width, on virtual time.

use super::*;
use std::collections::VecDeque;

/// A path with a queue, a fixed delay, and reports every 100 ms; its sender sends what it wants, or
/// what it is allowed.
struct Path {
    now_us: u64,
    width_bps: u64,
    queue_bytes: u64,
    drops: bool,
    /// Every n-th packet is lost.
    loses: Option<u64>,
    jitter: bool,
    free_at_us: u64,
    sent: u64,
    reported: VecDeque<Option<(u64, i64)>>,
    estimate: Estimate,
}

const PACKET: usize = 1_200;

impl Path {
    fn new(width_bps: u64) -> Self {
        Self {
            now_us: 1_000_000,
            width_bps,
            queue_bytes: 60_000,
            drops: true,
            loses: None,
            jitter: false,
            free_at_us: 0,
            sent: 0,
            reported: VecDeque::new(),
            estimate: Estimate::default(),
        }
    }

    /// Sends for a time; returns the rate at the end, in kbit/s, and the longest wait in ms.
    fn send(&mut self, wanted_bps: u64, seconds: u64) -> (u64, u64) {
        let (mut next_us, mut report_us) = (self.now_us, self.now_us + 100_000);
        let end_us = self.now_us + seconds * 1_000_000;
        let (mut rate, mut waits_us) = (0, 0);
        while next_us < end_us {
            self.now_us = next_us;
            waits_us = waits_us.max(self.carry(next_us));
            rate = self.estimate.limit_bps().unwrap_or(u64::MAX).min(wanted_bps);
            next_us += PACKET as u64 * 8_000_000 / rate;
            while report_us <= next_us {
                self.report(report_us);
                report_us += 100_000;
            }
        }
        self.now_us = end_us;
        (rate / 1_000, waits_us / 1_000)
    }

    fn carry(&mut self, at_us: u64) -> u64 {
        self.sent += 1;
        let begins = self.free_at_us.max(at_us);
        let wait_us = begins - at_us;
        let waiting = wait_us * self.width_bps / 8_000_000;
        let unlucky = self.loses.is_some_and(|nth| self.sent.is_multiple_of(nth));
        if (self.drops && waiting > self.queue_bytes) || unlucky {
            self.reported.push_back(None);
            return wait_us;
        }
        self.free_at_us = begins + PACKET as u64 * 8_000_000 / self.width_bps;
        let jitter = if self.jitter { ((self.sent * 2_654_435_761) >> 16) % 8_000 } else { 0 };
        let arrives = self.free_at_us + 40_000 + jitter;
        // The client's clock is another one.
        self.reported.push_back(Some((at_us, arrives.cast_signed() - 77_000_000)));
        wait_us
    }

    fn report(&mut self, at_us: u64) {
        let limit = at_us.cast_signed() - 77_000_000;
        while let Some(first) = self.reported.front() {
            match *first {
                Some((_, arrives)) if arrives > limit => break,
                Some((sent, arrives)) => {
                    self.estimate.arrived(MonotonicUs(sent), arrives, PACKET);
                }
                None => self.estimate.lost(1),
            }
            self.reported.pop_front();
        }
        self.estimate.reported(MonotonicUs(at_us));
    }
}

#[test]
fn a_wide_path_has_no_limit() {
    for jitter in [false, true] {
        let mut path = Path { jitter, ..Path::new(20_000_000) };
        path.send(300_000, 5);
        path.send(2_500_000, 30);
        assert_eq!(path.estimate.limit_bps(), None, "jitter {jitter}");
    }
}

#[test]
fn a_narrow_path_is_found_and_its_queue_stays_short() {
    for width in [250_000, 300_000, 600_000, 1_000_000] {
        let mut path = Path::new(width);
        path.send(2_500_000, 10);
        let (rate, waits) = path.send(2_500_000, 30);
        let around = width * 8 / 10_000..=width * 12 / 10_000;
        assert!(around.contains(&rate), "{rate} kbit/s of {width}");
        assert!(waits < 300, "{waits} ms at {width}");
    }
}

#[test]
fn a_path_that_becomes_wider_is_used_again_and_a_narrower_one_left() {
    let mut path = Path::new(400_000);
    path.send(2_500_000, 10);
    path.width_bps = 20_000_000;
    let (rate, _) = path.send(2_500_000, 60);
    assert!(rate > 2_000, "{rate} kbit/s");
    path.width_bps = 400_000;
    path.send(2_500_000, 5);
    let (rate, _) = path.send(2_500_000, 10);
    assert!((200..=420).contains(&rate), "{rate} kbit/s");
}

#[test]
fn a_little_loss_is_no_reason_and_much_is() {
    let mut path = Path { loses: Some(20), ..Path::new(20_000_000) };
    path.send(1_000_000, 20);
    assert_eq!(path.estimate.limit_bps(), None);
    path.loses = Some(5);
    let (rate, _) = path.send(1_000_000, 10);
    assert!(rate < 500, "{rate} kbit/s");
    path.loses = None;
    let (rate, _) = path.send(1_000_000, 40);
    assert!(rate > 900, "{rate} kbit/s");
}

#[test]
fn a_clock_that_jumps_is_no_queue() {
    let mut path = Path::new(20_000_000);
    path.send(1_000_000, 5);
    for jump in [5_000_000, -9_000_000_i64] {
        path.reported.iter_mut().flatten().for_each(|(_, arrives)| *arrives += jump);
        path.free_at_us = path.free_at_us.saturating_add_signed(jump.max(0));
        path.now_us = path.now_us.saturating_add_signed(jump.max(0));
        path.send(1_000_000, 5);
        assert_eq!(path.estimate.limit_bps(), None);
    }
}
