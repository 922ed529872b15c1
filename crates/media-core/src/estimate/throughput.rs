//! What arrives per second.

/// How long arrivals are added up. Less would follow single bursts of a key frame; more would be
/// late where a path becomes narrower.
const OVER_US: i64 = 300_000;

/// A longer silence says nothing: counting begins anew.
const SILENCE_US: i64 = 2_000_000;

/// The rate at which packets arrive, smoothed.
#[derive(Debug, Default)]
pub(super) struct Throughput {
    since_us: Option<i64>,
    latest_us: i64,
    bytes: usize,
    bits_per_s: Option<f64>,
}

impl Throughput {
    /// A packet arrived, on the receiver's clock.
    pub(super) fn arrived(&mut self, at_us: i64, bytes: usize) {
        let since = *self.since_us.get_or_insert(at_us);
        let silent = at_us - self.latest_us > SILENCE_US || at_us < since;
        self.latest_us = at_us;
        if silent {
            (self.since_us, self.bytes) = (Some(at_us), 0);
            return;
        }
        // The first packet begins the time and is not part of what came in it.
        if at_us > since {
            self.bytes += bytes;
        }
        let passed = at_us - since;
        if passed >= OVER_US {
            let rate = self.bytes as f64 * 8e6 / passed as f64;
            self.bits_per_s = Some(self.bits_per_s.map_or(rate, |before| 0.5 * (before + rate)));
            (self.since_us, self.bytes) = (Some(at_us), 0);
        }
    }

    pub(super) const fn bits_per_s(&self) -> Option<f64> {
        self.bits_per_s
    }
}
