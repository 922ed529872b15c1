//! A rate with room for bursts.

use units::MonotonicUs;

/// Bytes that may still be sent, or taken in: they come back at a steady rate, up to the burst.
#[derive(Clone, Debug)]
pub struct TokenBucket {
    bytes_per_s: u64,
    burst_us: u64,
    /// When the bucket is or was full, as a moment that sending pushes into the future.
    full_at: MonotonicUs,
}

impl TokenBucket {
    /// A full bucket. The rate is at least one byte per second.
    #[must_use]
    pub fn new(bytes_per_s: u64, burst_bytes: u64) -> Self {
        let bytes_per_s = bytes_per_s.max(1);
        let burst_us = burst_bytes.saturating_mul(1_000_000) / bytes_per_s;
        Self { bytes_per_s, burst_us, full_at: MonotonicUs(0) }
    }

    /// Takes `bytes` if they are there.
    #[must_use = "what is not there may not be used"]
    pub fn take(&mut self, now: MonotonicUs, bytes: usize) -> bool {
        let cost_us = (bytes as u64).saturating_mul(1_000_000) / self.bytes_per_s;
        let full_at = self.full_at.0.max(now.0) + cost_us;
        let allowed = full_at - now.0 <= self.burst_us;
        if allowed {
            self.full_at = MonotonicUs(full_at);
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let mut bucket = TokenBucket::new(1_000, 300);
        let mut taken = |ms: u64, bytes| bucket.take(MonotonicUs(ms * 1_000), bytes);
        assert!(taken(0, 200) && taken(0, 100));
        assert!(!taken(0, 1) && !taken(99, 100));
        assert!(taken(100, 100));
        assert!(!taken(10_000, 301));
        assert!(taken(10_000, 300));
    }
}
