//! Media time: what the bill rests on.
//!
//! For each direction of a call two sums are kept, in microseconds:
//!
//! * **Forwarded** time: a forwarded packet at time t adds `t - previous` if that is at most
//!   [`GAP_MAX_US`], else nothing. Packets are RTP of audio or video, authenticated and not
//!   replayed; retransmissions and padding are none.
//! * **Proven** time: the same sum over those packets alone that the receiving client confirmed by
//!   its RTCP. A confirmation of a packet from before the latest confirmed one changes nothing.
//!
//! So proven <= forwarded <= time passed; each only grows; and it does not matter how confirmations
//! are cut into reports or how often they are repeated. Time in which nothing was forwarded, or
//! nothing arrived, is in neither.
//!
//! **The cut.** No sum passes its ceiling. The packet by which forwarded time would reach the
//! ceiling is stamped with the moment at which it did, so that forwarded time is exactly the
//! ceiling, and so is proven time once that packet is confirmed.
//!
//! A client that joins again continues the sums: the time between counts like any other gap.

use units::{ElapsedMs, MonotonicUs};

/// The longest time between two packets that is still media: Opus sends one packet every 400 ms
/// in silence (DTX), and half an interval is left for jitter. Less would make silence free; more
/// would bill outages.
pub(crate) const GAP_MAX_US: u64 = 600_000;

/// Media time to one receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Evidence {
    forwarded: Sum,
    proven: Sum,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    us: u64,
    latest: Option<MonotonicUs>,
}

impl Sum {
    /// Adds the time since the latest packet, up to the ceiling; returns the moment it was added
    /// to.
    fn add(&mut self, at: MonotonicUs, ceiling_us: u64) -> MonotonicUs {
        let gap = self.latest.map_or(0, |latest| at.us_since(latest));
        let step = if gap <= GAP_MAX_US { gap } else { 0 };
        let added = step.min(ceiling_us.saturating_sub(self.us));
        self.us += added;
        let moment = MonotonicUs(at.0 - (step - added));
        self.latest = Some(moment);
        moment
    }
}

impl Evidence {
    /// Counts a packet that was forwarded at `now`; returns the moment by which its confirmation
    /// is to be counted.
    pub(crate) fn forward(&mut self, now: MonotonicUs, ceiling: ElapsedMs) -> MonotonicUs {
        self.forwarded.add(now, us(ceiling))
    }

    /// Counts the confirmation of the packet that was forwarded at `moment`.
    pub(crate) fn confirm(&mut self, moment: MonotonicUs, ceiling: ElapsedMs) {
        if self.proven.latest.is_none_or(|latest| latest < moment) {
            self.proven.add(moment, us(ceiling));
            self.proven.latest = Some(moment);
        }
    }

    /// Whether forwarded time has reached `ceiling`.
    pub(crate) const fn reaches(&self, ceiling: ElapsedMs) -> bool {
        self.forwarded.us >= us(ceiling)
    }

    /// Whether no confirmation that may still come can change anything.
    pub(crate) fn is_settled(&self) -> bool {
        self.proven.latest == self.forwarded.latest
    }

    /// Whether anything was confirmed.
    pub(crate) const fn is_proven(&self) -> bool {
        self.proven.latest.is_some()
    }

    /// Whole milliseconds forwarded.
    pub(crate) const fn forwarded(&self) -> ElapsedMs {
        ElapsedMs(self.forwarded.us / 1_000)
    }

    /// Whole milliseconds proven.
    pub(crate) const fn proven(&self) -> ElapsedMs {
        ElapsedMs(self.proven.us / 1_000)
    }
}

const fn us(span: ElapsedMs) -> u64 {
    span.0.saturating_mul(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OPEN: ElapsedMs = ElapsedMs(u64::MAX);

    /// Forwards packets at these milliseconds, confirms those whose number stands in `confirmed`,
    /// and returns `forwarded/proven`.
    fn play(ceiling: ElapsedMs, sent_ms: &[u64], confirmed: &[usize]) -> String {
        let mut evidence = Evidence::default();
        let moments: Vec<_> =
            sent_ms.iter().map(|ms| evidence.forward(MonotonicUs(ms * 1_000), ceiling)).collect();
        for at in confirmed {
            evidence.confirm(moments[*at], ceiling);
        }
        format!("{}/{}", evidence.forwarded().0, evidence.proven().0)
    }

    #[test]
    fn time_between_packets_counts_up_to_the_longest_gap() {
        for (sent, confirmed, sums) in [
            (&[][..], &[][..], "0/0"),
            (&[7_000], &[0], "0/0"),
            (&[0, 20, 40], &[0, 1, 2], "40/40"),
            // Silence with DTX is media.
            (&[0, 400, 800], &[0, 1, 2], "800/800"),
            (&[0, 600], &[0, 1], "600/600"),
            // An outage is not.
            (&[0, 601], &[0, 1], "0/0"),
            (&[0, 20, 5_000, 5_020], &[0, 1, 2, 3], "40/40"),
            // What was not confirmed is not proven...
            (&[0, 20, 40, 60], &[0, 1], "60/20"),
            (&[0, 500, 1_000, 1_500], &[0, 3], "1500/0"),
            // ...but a lost packet between two that arrived is no gap.
            (&[0, 20, 40, 60], &[0, 3], "60/60"),
            // Late and repeated confirmations change nothing.
            (&[0, 500, 1_000, 1_500], &[0, 3, 1, 2, 3], "1500/0"),
            (&[0, 20, 40], &[0, 0, 2, 1, 2], "40/40"),
        ] {
            assert_eq!(play(OPEN, sent, confirmed), sums, "{sent:?} {confirmed:?}");
        }
    }

    #[test]
    fn the_cut_is_exact() {
        let limit = ElapsedMs(50);
        assert_eq!(play(limit, &[0, 20, 40, 60], &[0, 1, 2, 3]), "50/50");
        assert_eq!(play(limit, &[0, 20, 40, 60], &[0, 1, 2]), "50/40");
        // Lost time is not made good by what lies beyond the cut.
        assert_eq!(play(ElapsedMs(1_050), &[0, 500, 1_000, 1_100], &[0, 1, 2, 3]), "1050/1050");
        assert_eq!(play(ElapsedMs(1_250), &[0, 500, 1_000, 1_500], &[2, 3]), "1250/250");
        assert_eq!(play(ElapsedMs(0), &[0, 500], &[0, 1]), "0/0");
    }

    #[test]
    fn a_lowered_limit_takes_nothing_back_and_adds_nothing() {
        let mut evidence = Evidence::default();
        let first = evidence.forward(MonotonicUs(0), OPEN);
        let last = evidence.forward(MonotonicUs(500_000), OPEN);
        evidence.confirm(first, OPEN);
        evidence.confirm(last, ElapsedMs(200));
        assert_eq!((evidence.forwarded(), evidence.proven()), (ElapsedMs(500), ElapsedMs(200)));
        assert!(evidence.reaches(ElapsedMs(200)) && evidence.is_settled());
    }

    proptest! {
        #[test]
        fn sums_are_independent_of_how_confirmations_are_cut(
            steps in prop::collection::vec((0u64..900_000, any::<bool>()), 1..200),
            funded in 0u64..100_000,
            cuts in prop::collection::vec(1usize..20, 1..50),
        ) {
            let ceiling = ElapsedMs(funded);
            let (mut evidence, mut now) = (Evidence::default(), 5);
            let mut arrived = Vec::new();
            for (step, arrives) in &steps {
                if evidence.reaches(ceiling) {
                    break;
                }
                now += step;
                let before = evidence.forwarded();
                let moment = evidence.forward(MonotonicUs(now), ceiling);
                prop_assert!(before <= evidence.forwarded());
                if *arrives {
                    arrived.push(moment);
                }
            }
            prop_assert!(evidence.forwarded().0 <= now / 1_000);
            prop_assert!(evidence.forwarded() <= ceiling);
            prop_assert_eq!(evidence.reaches(ceiling), evidence.forwarded() == ceiling);

            let mut at_once = evidence;
            arrived.iter().for_each(|moment| at_once.confirm(*moment, ceiling));

            // Cut into reports, each of which is repeated, and tells again all that came before.
            let mut cut = evidence;
            let (mut told, mut proven) = (0, ElapsedMs::ZERO);
            for len in cuts.iter().cycle() {
                told = (told + len).min(arrived.len());
                for _ in 0..2 {
                    arrived[..told].iter().for_each(|moment| cut.confirm(*moment, ceiling));
                }
                prop_assert!(proven <= cut.proven());
                proven = cut.proven();
                if told == arrived.len() {
                    break;
                }
            }
            prop_assert_eq!(cut, at_once);
            prop_assert!(cut.proven() <= cut.forwarded());
        }
    }
}
