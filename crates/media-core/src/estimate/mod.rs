//! How much the path to one client carries, from its transport-wide feedback: Google congestion
//! control (draft-ietf-rmcat-gcc-02), as far as it restricts.
//!
//! A sender knows only its own way to us. What the listener's way carries less than that, it must
//! be told. As long as nothing shows that the path is full there is no limit, so that nobody's
//! start is held up; the first sign sets one, and from there it grows until the next.

mod throughput;
mod trend;

use throughput::Throughput;
use trend::{Sign, Trend};
use units::{ElapsedMs, MonotonicUs};

/// What part of the throughput is left to a full path, so that its queue drains (section 5.5:
/// beta).
const BACK_OFF: f64 = 0.85;

/// A queue in which packets wait no longer than this is none: radios and busy machines make as much
/// of a delay, and so does a frame that goes out in one burst on a narrow path.
const WAITS_MIN_MS: f64 = 80.0;

/// A sender that uses no more than this part of its limit did not fill the path by it, or a narrower
/// path would have shown a longer queue: it is held back a little, not to what it happens to send.
const USED: f64 = 0.75;
const BACK_OFF_UNUSED: f64 = 0.93;

/// The longest that packets may wait in a queue, and the part that is left to a path whose queue is
/// longer: it would take too long to drain at the usual one, and talking over each other begins.
const WAITS_MAX_MS: f64 = 300.0;
const BACK_OFF_FULL: f64 = 0.6;

/// By how much a limit grows in a second far from the known capacity, and how much it grows near it
/// in bit/s: about a packet in each response time (section 5.5).
const GROWTH_PER_S: f64 = 1.08;
const GROWTH_NEAR_BPS: f64 = 40_000.0;

/// A limit that is not used up says nothing about the path: it stays within this factor of the
/// throughput (section 5.5).
const HEADROOM: f64 = 1.5;
const HEADROOM_BPS: f64 = 10_000.0;

/// The least that anybody is told. Less would stop video, and with it all knowledge of the path.
const LEAST_BPS: f64 = 50_000.0;

/// How long a queue takes to drain before its delay is a sign again: a round trip and the time
/// between two reports.
const SETTLES_WITHIN: ElapsedMs = ElapsedMs(400);

/// Packets, and the time, over which loss is counted. Fewer would take one lost burst for a trend.
const LOSS_PACKETS_MIN: u64 = 30;
const LOSS_OVER: ElapsedMs = ElapsedMs(1_000);

/// Loss from which there is too much on the path, and below which there may be more (section 6).
const LOSS_HIGH: f64 = 0.10;
const LOSS_LOW: f64 = 0.02;

/// The estimate of one path.
#[derive(Debug, Default)]
pub(crate) struct Estimate {
    trend: Trend,
    throughput: Throughput,
    /// By delay, and by loss, in bit/s.
    by_delay: Option<f64>,
    by_loss: Option<f64>,
    /// What the path carried when it was full.
    capacity: Option<f64>,
    overused: bool,
    /// Whether a queue drains: what it holds is let through before more is sent.
    draining: bool,
    backed_off: Option<MonotonicUs>,
    grown: Option<MonotonicUs>,
    received: u64,
    lost: u64,
    counting_since: Option<MonotonicUs>,
}

impl Estimate {
    /// A packet of `bytes` that was sent at `sent` has arrived, at `arrived_us` on the client's
    /// clock. To be told in the order of sending.
    pub(crate) fn arrived(&mut self, sent: MonotonicUs, arrived_us: i64, bytes: usize) {
        self.received += 1;
        self.throughput.arrived(arrived_us, bytes);
        match self.trend.arrived(sent, arrived_us) {
            Some(Sign::Overuse) => self.overused = true,
            Some(sign) => self.draining = sign == Sign::Underuse,
            None => {}
        }
    }

    /// So many packets have not.
    pub(crate) const fn lost(&mut self, packets: u64) {
        self.lost += packets;
    }

    /// Takes a report to its end.
    pub(crate) fn reported(&mut self, now: MonotonicUs) {
        let Some(throughput) = self.throughput.bits_per_s() else { return };
        let grows_s = self.grown.replace(now).map_or(0.0, |then| seconds(now, then).min(1.0));
        let settling = self.backed_off.is_some_and(|at| now < at + SETTLES_WITHIN);
        let full = self.trend.waits_ms() > WAITS_MAX_MS;
        let waits = self.trend.waits_ms() > WAITS_MIN_MS;
        if (std::mem::take(&mut self.overused) && waits) || full {
            if !settling {
                self.back_off(now, throughput, full);
            }
        } else if !settling && !self.draining {
            self.grow(throughput, grows_s);
        }
        self.weigh_loss(now, throughput);
    }

    /// The most that may be sent, in bit/s; none as long as the path was never full.
    pub(crate) fn limit_bps(&self) -> Option<u64> {
        let limits = [self.by_delay, self.by_loss].into_iter().flatten();
        let least = limits.reduce(f64::min)?;
        Some(least.max(LEAST_BPS) as u64)
    }

    fn back_off(&mut self, now: MonotonicUs, throughput: f64, full: bool) {
        let known = self.capacity.unwrap_or(throughput);
        self.capacity = Some(known + 0.2 * (throughput - known));
        let reduced = throughput * if full { BACK_OFF_FULL } else { BACK_OFF };
        self.by_delay = Some(match self.by_delay {
            Some(limit) if !full && throughput < USED * limit => {
                reduced.max(BACK_OFF_UNUSED * limit)
            }
            Some(limit) => limit.min(reduced),
            None => reduced,
        });
        self.backed_off = Some(now);
    }

    fn grow(&mut self, throughput: f64, passed_s: f64) {
        let Some(limit) = self.by_delay else { return };
        // Where twice the known capacity gets through, it is another path.
        self.capacity = self.capacity.filter(|capacity| throughput < 2.0 * capacity);
        let near = self.capacity.is_some_and(|known| limit > 0.9 * known && limit < 1.2 * known);
        let grown = if near {
            limit + GROWTH_NEAR_BPS * passed_s
        } else {
            limit * GROWTH_PER_S.powf(passed_s)
        };
        self.by_delay = Some(grown.min(headroom(throughput)).max(limit));
    }

    fn weigh_loss(&mut self, now: MonotonicUs, throughput: f64) {
        let since = *self.counting_since.get_or_insert(now);
        let all = self.received + self.lost;
        if all < LOSS_PACKETS_MIN || now < since + LOSS_OVER {
            return;
        }
        let loss = self.lost as f64 / all as f64;
        (self.received, self.lost, self.counting_since) = (0, 0, Some(now));
        if loss > LOSS_HIGH {
            let sent = throughput / (1.0 - loss);
            let before = self.by_loss.map_or(sent, |limit| limit.min(sent));
            self.by_loss = Some(before * (1.0 - 0.5 * loss));
        } else if loss < LOSS_LOW
            && let Some(limit) = self.by_loss
        {
            self.by_loss = Some((limit * GROWTH_PER_S).min(headroom(throughput)).max(limit));
        }
    }
}

fn headroom(throughput: f64) -> f64 {
    HEADROOM * throughput + HEADROOM_BPS
}

fn seconds(now: MonotonicUs, then: MonotonicUs) -> f64 {
    now.us_since(then) as f64 / 1e6
}

#[cfg(test)]
mod tests;
