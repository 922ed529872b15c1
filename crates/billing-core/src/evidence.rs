//! What the relay has counted of one call (BILLING.md, rule 3).

use crate::{CALL_MS_MAX, MediaTime};
use std::collections::VecDeque;
use units::{ElapsedMs, MonotonicMs};

/// How late a proof may come: twice what the relay promises. Forwarded time that is still unproven
/// after this counts as lost. Less would forgive time that is proven later, and so let a call run
/// past its funds; more would cut calls early after a frozen stretch shortly before the end.
const PROOF_LAG_MAX: ElapsedMs = ElapsedMs(4_000);

/// How long proven time may stand still before a call counts as paused: the relay's 2 s of lag and
/// half of a report's interval. Less would flicker; more would show a pause later.
const PAUSED_AFTER: ElapsedMs = ElapsedMs(2_500);

/// Bound on the remembered reports of [`PROOF_LAG_MAX`]; the relay sends about one a second.
const RECENT_MAX: usize = 16;

/// Cumulative media time, merged by maximum: late and repeated reports change nothing.
#[derive(Debug)]
pub(crate) struct Evidence {
    media: MediaTime,
    grew_at: MonotonicMs,
    /// Forwarded time at recent reports, oldest first.
    recent: VecDeque<(MonotonicMs, ElapsedMs)>,
    /// Forwarded time that will never be proven, as far as is known.
    lost: ElapsedMs,
}

impl Evidence {
    pub(crate) fn starting(now: MonotonicMs) -> Self {
        let (media, lost) = (MediaTime::default(), ElapsedMs::ZERO);
        Self { media, grew_at: now, recent: VecDeque::new(), lost }
    }

    pub(crate) fn count(&mut self, now: MonotonicMs, media: MediaTime) {
        let forwarded = self.media.forwarded.max(media.forwarded.min(CALL_MS_MAX));
        let proven = self.media.proven.max(media.proven.min(forwarded));
        if proven > self.media.proven {
            self.grew_at = now;
        }
        self.media = MediaTime { forwarded, proven };
        while let Some(&(at, forwarded)) = self.recent.front()
            && now.since(at) >= PROOF_LAG_MAX
        {
            // At least this much: newer proof may stand for newer time. So it only grows.
            self.lost = self.lost.max(forwarded.saturating_sub(proven));
            self.recent.pop_front();
        }
        if self.recent.len() < RECENT_MAX {
            self.recent.push_back((now, forwarded));
        }
    }

    pub(crate) const fn proven(&self) -> ElapsedMs {
        self.media.proven
    }

    pub(crate) const fn forwarded(&self) -> ElapsedMs {
        self.media.forwarded
    }

    /// Forwarded time that will never be proven, as far as is known: frozen seconds are free, so
    /// the relay's limit moves on by as much (BILLING.md, rule 12). Never falls.
    pub(crate) const fn lost(&self) -> ElapsedMs {
        self.lost
    }

    /// Media time that is billed or may still be.
    pub(crate) fn billable(&self) -> ElapsedMs {
        self.media.forwarded.saturating_sub(self.lost).max(self.media.proven)
    }

    pub(crate) fn paused(&self, now: MonotonicMs) -> bool {
        now.since(self.grew_at) > PAUSED_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reports as `at forwarded proven` in milliseconds; then forwarded, proven, lost.
    fn play(reports: &[(u64, u64, u64)]) -> (u64, u64, u64) {
        let mut evidence = Evidence::starting(MonotonicMs(0));
        for &(at, forwarded, proven) in reports {
            let media = MediaTime { forwarded: ElapsedMs(forwarded), proven: ElapsedMs(proven) };
            evidence.count(MonotonicMs(at), media);
        }
        (evidence.forwarded().0, evidence.proven().0, evidence.lost().0)
    }

    #[test]
    fn reports_merge_by_maximum() {
        for (reports, expected) in [
            (vec![(1_000, 1_000, 900), (2_000, 2_000, 1_900)], (2_000, 1_900, 0)),
            (vec![(1_000, 2_000, 1_900), (2_000, 1_000, 900)], (2_000, 1_900, 0)),
            (vec![(1_000, 1_000, 900), (1_000, 1_000, 900)], (1_000, 900, 0)),
            // Proof of what was not sent is no proof.
            (vec![(1_000, 1_000, 5_000)], (1_000, 1_000, 0)),
            (vec![(1_000, u64::MAX, u64::MAX)], (CALL_MS_MAX.0, CALL_MS_MAX.0, 0)),
        ] {
            assert_eq!(play(&reports), expected, "{reports:?}");
        }
    }

    #[test]
    fn frozen_seconds_are_lost_when_their_proof_is_overdue() {
        let frozen: Vec<_> = (1..=10).map(|s| (s * 1_000, s * 1_000, s.min(3) * 1_000)).collect();
        assert_eq!(play(&frozen[..6]), (6_000, 3_000, 0));
        assert_eq!(play(&frozen), (10_000, 3_000, 3_000));
    }
}
