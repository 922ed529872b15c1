//! What the relay has counted of one call, and the records of it that go into its receipt
//! (BILLING.md, rules 3 and 12).

use crate::{CALL_MS_MAX, Counted, EvidenceRecord, Proven};
use units::{ElapsedMs, MicroCoins, MonotonicMs};

/// How long proven time may stand still before a call counts as paused: the relay's 2 s of lag and
/// half of a report's interval. Less would flicker; more would show a pause later.
const PAUSED_AFTER: ElapsedMs = ElapsedMs(2_500);

/// One record a second, whose tick may come a little early. More records would make receipts
/// longer than people look at; fewer would prove less.
const RECORD_EVERY: ElapsedMs = ElapsedMs(900);

/// Most records that wait to be made durable: ten minutes of a store that is away, about 130 bytes
/// each. Then the last is overwritten: it is cumulative, so that only its second is lost.
const WAITING_MAX: usize = 600;

/// How far the relay's clock may run ahead of this one before media counts as more than there was
/// time for.
const CLOCK_SLACK: ElapsedMs = ElapsedMs(2_000);

/// Cumulative counts, merged by maximum: late and repeated reports change nothing.
#[derive(Debug)]
pub(crate) struct Evidence {
    counted: Counted,
    /// Whether there was picture in the latest proven time.
    picture: bool,
    grew_at: MonotonicMs,
    /// When the relay last reported; before it ever did, when the call began.
    reported_at: MonotonicMs,
    /// Forwarded time when proven time last grew.
    confirmed_at: ElapsedMs,
    started_at: MonotonicMs,
    /// Time from the opening to `started_at`, for a call that another meter opened.
    before: ElapsedMs,
    /// Whether `before` ends where the other meter was last heard of, and nothing was counted since.
    taken_over: bool,
    /// Records that are not durable yet.
    waiting: Vec<EvidenceRecord>,
    next_n: u32,
    recorded: Option<(MonotonicMs, Counted, MicroCoins)>,
}

impl Evidence {
    /// Of a call that has just begun; `picture` is what it was sold with.
    pub(crate) fn starting(now: MonotonicMs, picture: bool) -> Self {
        Self {
            counted: Counted::default(),
            picture,
            grew_at: now,
            reported_at: now,
            confirmed_at: ElapsedMs::ZERO,
            started_at: now,
            before: ElapsedMs::ZERO,
            taken_over: false,
            waiting: Vec::new(),
            next_n: 0,
            recorded: None,
        }
    }

    /// Goes on where another meter stopped, `before` after the opening, with so many records of
    /// which this was the last.
    pub(crate) fn resume(
        &mut self,
        proven: Proven,
        (records, last): (u32, Option<&EvidenceRecord>),
        before: ElapsedMs,
    ) {
        let proven = proven.bounded();
        if let Some(EvidenceRecord { at, counted, charged, .. }) = last.copied() {
            self.counted = self.counted.merge(counted);
            self.before = self.before.max(at);
            self.recorded = Some((self.started_at, counted, charged));
        }
        self.counted = self.counted.merge(Counted::proven(proven));
        self.confirmed_at = self.counted.to_fan.forwarded;
        self.next_n = self.next_n.max(records);
        self.before = self.before.max(before);
    }

    /// Another meter stopped: nobody knows how long ago. But there was time for all the media that
    /// the first count brings.
    pub(crate) const fn take_over(&mut self) {
        self.taken_over = true;
    }

    /// Takes a count that was heard at `now`.
    pub(crate) fn count(&mut self, now: MonotonicMs, counted: Counted) {
        self.reported_at = now;
        let before = self.counted;
        let mut merged = before.merge(counted);
        let to_fan = &mut merged.to_fan;
        to_fan.forwarded = to_fan.forwarded.min(CALL_MS_MAX);
        to_fan.proven = to_fan.proven.min(to_fan.forwarded);
        let proven = to_fan.proven;
        if std::mem::take(&mut self.taken_over) {
            let by_then = proven + self.started_at.since(now);
            let before = by_then.saturating_sub(now.since(self.started_at));
            self.before = self.before.max(before);
        }
        for part in [&mut merged.video, &mut merged.silent, &mut merged.frozen] {
            *part = (*part).min(proven);
        }
        if proven > before.to_fan.proven {
            self.grew_at = now;
            self.confirmed_at = merged.to_fan.forwarded;
            self.picture = merged.video > before.video;
        }
        self.counted = merged;
    }

    /// How long the relay has said nothing, and how far into the call it last did.
    pub(crate) fn silence(&self, now: MonotonicMs) -> (ElapsedMs, ElapsedMs) {
        (now.since(self.reported_at), self.before + self.reported_at.since(self.started_at))
    }

    pub(crate) fn proven(&self) -> Proven {
        self.counted.billable()
    }

    pub(crate) const fn counted(&self) -> &Counted {
        &self.counted
    }

    /// Media that is billed or may still be, if it goes on as it is: what is proven and what is on
    /// its way to be.
    pub(crate) fn provable(&self) -> Proven {
        let proven = self.proven();
        let flow = self.counted.to_fan;
        let media = flow.forwarded.saturating_sub(flow.lost).max(proven.media);
        let ahead = if self.picture { media.saturating_sub(proven.media) } else { ElapsedMs::ZERO };
        Proven { media, video: proven.video + ahead }
    }

    pub(crate) const fn picture(&self) -> bool {
        self.picture
    }

    pub(crate) fn paused(&self, now: MonotonicMs) -> bool {
        now.since(self.grew_at) > PAUSED_AFTER
    }

    /// Media that went out since the fan's client last confirmed any.
    pub(crate) const fn unconfirmed(&self) -> ElapsedMs {
        self.counted.to_fan.forwarded.saturating_sub(self.confirmed_at)
    }

    fn since_opening(&self, now: MonotonicMs) -> ElapsedMs {
        self.before + now.since(self.started_at)
    }

    /// Whether there was time for what is proven.
    pub(crate) fn is_possible(&self, now: MonotonicMs) -> bool {
        self.counted.to_fan.proven <= self.since_opening(now) + CLOCK_SLACK
    }

    /// Takes a record, if there is news and it is time; with `last`, if there is news.
    pub(crate) fn record(&mut self, now: MonotonicMs, charged: MicroCoins, last: bool) {
        if let Some((at, counted, known)) = self.recorded {
            let news = counted != self.counted || known != charged;
            if !news || (!last && now.since(at) < RECORD_EVERY) {
                return;
            }
        } else if self.counted == Counted::default() {
            return;
        }
        let (at, counted) = (self.since_opening(now), self.counted);
        self.recorded = Some((now, counted, charged));
        if self.waiting.len() >= WAITING_MAX
            && let Some(record) = self.waiting.last_mut()
        {
            *record = EvidenceRecord { at, counted, charged, ..*record };
            return;
        }
        self.waiting.push(EvidenceRecord { n: self.next_n, at, counted, charged });
        self.next_n += 1;
    }

    /// Records that are not durable yet.
    pub(crate) fn waiting(&self) -> &[EvidenceRecord] {
        &self.waiting
    }

    /// Those up to number `n` are durable.
    pub(crate) fn written(&mut self, n: u32) {
        self.waiting.retain(|record| record.n > n);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Flow;

    fn counted(forwarded: u64, proven: u64, video: u64) -> Counted {
        let to_fan =
            Flow { forwarded: ElapsedMs(forwarded), proven: ElapsedMs(proven), ..Flow::default() };
        Counted { to_fan, video: ElapsedMs(video), ..Counted::default() }
    }

    #[test]
    fn reports_merge_by_maximum() {
        // `at forwarded proven` in milliseconds; then forwarded, proven.
        for (reports, expected) in [
            (vec![(1_000, 1_000, 900), (2_000, 2_000, 1_900)], (2_000, 1_900)),
            (vec![(1_000, 2_000, 1_900), (2_000, 1_000, 900)], (2_000, 1_900)),
            (vec![(1_000, 1_000, 900), (1_000, 1_000, 900)], (1_000, 900)),
            // Proof of what was not sent is no proof.
            (vec![(1_000, 1_000, 5_000)], (1_000, 1_000)),
            (vec![(1_000, u64::MAX, u64::MAX)], (CALL_MS_MAX.0, CALL_MS_MAX.0)),
        ] {
            let mut evidence = Evidence::starting(MonotonicMs(0), false);
            for &(at, forwarded, proven) in &reports {
                evidence.count(MonotonicMs(at), counted(forwarded, proven, 0));
            }
            let flow = evidence.counted().to_fan;
            assert_eq!((flow.forwarded.0, flow.proven.0), expected, "{reports:?}");
        }
    }

    #[test]
    fn there_was_time_for_what_was_proven_while_nobody_metered() {
        // A call with 5 s of media, 6 s after its opening; taken over at 20 s of our clock. Then
        // reports of `at, proven`; then whether there was time for the last.
        for (reports, expected) in [
            (vec![(20_500, 25_000)], true),
            (vec![(20_500, 25_000), (21_500, 26_000)], true),
            (vec![(20_500, 25_000), (21_500, 27_900)], true),
            (vec![(20_500, 25_000), (21_500, 28_100)], false),
            // Heard before the takeover, and not again for a while.
            (vec![(12_000, 17_000), (24_000, 29_000)], true),
            (vec![(12_000, 17_000), (24_000, 31_100)], false),
            // Nothing was missed.
            (vec![(20_500, 5_000), (21_500, 8_600)], true),
            (vec![(20_500, 5_000), (21_500, 9_600)], false),
        ] {
            let mut evidence = Evidence::starting(MonotonicMs(20_000), false);
            evidence.resume(Proven::voice(ElapsedMs(5_000)), (5, None), ElapsedMs(6_000));
            evidence.take_over();
            for &(at, proven) in &reports {
                evidence.count(MonotonicMs(at), counted(proven, proven, 0));
            }
            let (at, _) = *reports.last().unwrap();
            assert_eq!(evidence.is_possible(MonotonicMs(at)), expected, "{reports:?}");
        }
    }

    #[test]
    fn picture_is_what_the_latest_proof_had() {
        // Reports of `forwarded, proven, video, lost`; then provable media and picture time.
        for (reports, expected) in [
            (vec![], (0, 0)),
            (vec![(1_000, 0, 0, 0)], (1_000, 1_000)),
            (vec![(2_000, 1_000, 1_000, 0)], (2_000, 2_000)),
            (vec![(2_000, 1_000, 0, 0)], (2_000, 0)),
            (vec![(2_000, 1_000, 1_000, 0), (4_000, 3_000, 1_000, 0)], (4_000, 1_000)),
            (vec![(4_000, 3_000, 1_000, 0), (6_000, 5_000, 2_500, 0)], (6_000, 3_500)),
            // What is lost is not on its way.
            (vec![(5_000, 1_000, 1_000, 3_000)], (2_000, 2_000)),
            (vec![(5_000, 4_000, 4_000, 3_000)], (4_000, 4_000)),
        ] {
            let mut evidence = Evidence::starting(MonotonicMs(0), true);
            for &(forwarded, proven, video, lost) in &reports {
                let mut counted = counted(forwarded, proven, video);
                counted.to_fan.lost = ElapsedMs(lost);
                evidence.count(MonotonicMs(0), counted);
            }
            let provable = evidence.provable();
            assert_eq!((provable.media.0, provable.video.0), expected, "{reports:?}");
        }
    }

    #[test]
    fn records_are_taken_once_a_second_and_only_of_news() {
        let mut evidence = Evidence::starting(MonotonicMs(0), false);
        let mut record = |at, proven, last| {
            evidence.count(MonotonicMs(at), counted(proven, proven, 0));
            evidence.record(MonotonicMs(at), MicroCoins::ZERO, last);
            evidence.waiting().iter().map(|record| (record.n, record.at.0)).collect::<Vec<_>>()
        };
        assert_eq!(record(500, 0, false), []);
        assert_eq!(record(1_000, 400, false), [(0, 1_000)]);
        assert_eq!(record(1_500, 900, false), [(0, 1_000)]);
        assert_eq!(record(2_000, 900, false), [(0, 1_000), (1, 2_000)]);
        assert_eq!(record(3_000, 900, false), [(0, 1_000), (1, 2_000)]);
        assert_eq!(record(3_100, 901, true), [(0, 1_000), (1, 2_000), (2, 3_100)]);
        assert_eq!(record(3_200, 901, true), [(0, 1_000), (1, 2_000), (2, 3_100)]);
        evidence.written(1);
        assert_eq!(evidence.waiting().len(), 1);
    }

    #[test]
    fn who_takes_over_writes_on_from_the_last_record() {
        let last = EvidenceRecord {
            n: 4,
            at: ElapsedMs(6_500),
            counted: counted(5_400, 5_000, 1_000),
            charged: MicroCoins::new(80_000).unwrap(),
        };
        let mut evidence = Evidence::starting(MonotonicMs(20_000), false);
        evidence.resume(Proven::voice(ElapsedMs(5_000)), (5, Some(&last)), ElapsedMs(6_000));
        // Nothing is new.
        evidence.record(MonotonicMs(21_000), last.charged, true);
        assert_eq!(evidence.waiting(), []);
        evidence.record(MonotonicMs(21_000), MicroCoins::new(90_000).unwrap(), true);
        let [next] = evidence.waiting() else { panic!("{:?}", evidence.waiting()) };
        assert_eq!((next.n, next.at.0, next.counted), (5, 7_500, last.counted));
    }

    #[test]
    fn a_store_that_is_away_keeps_the_records_bounded_and_numbered_without_gaps() {
        let mut evidence = Evidence::starting(MonotonicMs(0), false);
        evidence.resume(Proven::voice(ElapsedMs(9)), (5, None), ElapsedMs(7_000));
        for second in 1..=2_000 {
            let at = MonotonicMs(second * 1_000);
            evidence.count(at, counted(at.0, at.0, 0));
            evidence.record(at, MicroCoins::ZERO, false);
        }
        let numbers: Vec<u32> = evidence.waiting().iter().map(|record| record.n).collect();
        assert_eq!(numbers, (5..605).collect::<Vec<u32>>());
        let last = evidence.waiting().last().unwrap();
        assert_eq!((last.at.0, last.counted.to_fan.proven.0), (2_007_000, 2_000_000));
    }
}
