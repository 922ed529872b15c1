//! One open call: its evidence, its charge, its warnings, its end.

use crate::evidence::Evidence;
use crate::funds::Draw;
use crate::{EndReason, MediaTime, Output, Settlement, Split, Target, Terms};
use units::{CallId, ElapsedMs, MicroCoins, MonotonicMs, UnixMs};

/// Remaining time at which both sides are warned, longest first (BILLING.md, rule 14).
const WARNINGS: [ElapsedMs; 3] =
    [ElapsedMs::from_secs(60), ElapsedMs::from_secs(30), ElapsedMs::from_secs(10)];

/// How long after the end to wait for the relay's last report (BILLING.md, rule 17). Less would
/// lose proof that is on its way (the relay waits 2 s for it); more would delay receipts of calls
/// whose relay is gone.
const LAST_REPORT_WAIT: ElapsedMs = ElapsedMs(5_000);

/// How a call ended.
#[derive(Clone, Copy, Debug)]
struct Ending {
    reason: EndReason,
    at: UnixMs,
    settle_at: MonotonicMs,
}

/// What the store is known to hold of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Being written down.
    Opening,
    /// Durable.
    Open,
    /// The settlement is with the store.
    Settling,
}

/// The meter of one call.
#[derive(Debug)]
pub(crate) struct Meter {
    call: CallId,
    pub(crate) terms: Terms,
    evidence: Evidence,
    /// The store's word.
    charged: MicroCoins,
    /// Media time that the store has.
    durable: ElapsedMs,
    stage: Stage,
    ending: Option<Ending>,
    last_report_in: bool,
    /// The relay's limit as last given.
    limit: ElapsedMs,
    /// How many of [`WARNINGS`] are behind.
    warned: usize,
}

impl Meter {
    pub(crate) fn opening(call: CallId, terms: Terms, now: MonotonicMs) -> Self {
        Self {
            call,
            terms,
            evidence: Evidence::starting(now),
            charged: MicroCoins::ZERO,
            durable: ElapsedMs::ZERO,
            stage: Stage::Opening,
            ending: None,
            last_report_in: false,
            limit: ElapsedMs::ZERO,
            warned: 0,
        }
    }

    /// The store has it, with what was charged before.
    pub(crate) fn opened(&mut self, now: MonotonicMs, charged: MicroCoins, media: ElapsedMs) {
        self.stage = Stage::Open;
        self.charged = charged;
        self.durable = media;
        self.evidence.count(now, MediaTime { forwarded: media, proven: media });
    }

    pub(crate) fn count(&mut self, now: MonotonicMs, media: MediaTime, last: bool) {
        self.evidence.count(now, media);
        self.last_report_in |= last;
    }

    pub(crate) const fn no_more_reports(&mut self) {
        self.last_report_in = true;
    }

    /// The first end counts.
    pub(crate) fn end(&mut self, now: MonotonicMs, reason: EndReason, at: UnixMs) {
        let settle_at = now + LAST_REPORT_WAIT;
        self.ending.get_or_insert(Ending { reason, at, settle_at });
    }

    pub(crate) fn is_opening(&self) -> bool {
        self.stage == Stage::Opening
    }

    /// Durable, not ended.
    pub(crate) fn is_running(&self) -> bool {
        self.stage == Stage::Open && self.ending.is_none()
    }

    pub(crate) const fn limit(&self) -> ElapsedMs {
        self.limit
    }

    fn target(&self) -> Target {
        let media = self.evidence.proven();
        Target { call: self.call, charge: self.terms.tariff.charge(media), media }
    }

    /// What the store does not know yet, or could not charge before for lack of `funds`.
    pub(crate) fn unwritten(&self, funds: MicroCoins) -> Option<Target> {
        let target = self.target();
        let owed = target.charge > self.charged && funds > MicroCoins::ZERO;
        let news = target.media > self.durable;
        (self.stage == Stage::Open && (news || owed)).then_some(target)
    }

    pub(crate) fn written(&mut self, media: ElapsedMs, charged: MicroCoins) {
        self.durable = self.durable.max(media);
        self.charged = self.charged.max(charged);
    }

    /// When the last report is waited for no longer.
    pub(crate) fn settle_at(&self) -> Option<MonotonicMs> {
        let ending = self.ending.as_ref()?;
        match self.stage {
            Stage::Open if self.last_report_in => Some(MonotonicMs(0)),
            Stage::Open => Some(ending.settle_at),
            Stage::Opening | Stage::Settling => None,
        }
    }

    /// Hands the bill to the store, if it is time.
    pub(crate) fn settle(&mut self, now: MonotonicMs) -> Option<Settlement> {
        if self.settle_at()? > now {
            return None;
        }
        let ending = self.ending?;
        self.stage = Stage::Settling;
        Some(Settlement { target: self.target(), reason: ending.reason, ended_at: ending.at })
    }

    /// The store could not settle it: once more, later.
    pub(crate) fn settle_again(&mut self) {
        if self.stage == Stage::Settling {
            self.stage = Stage::Open;
        }
    }

    pub(crate) fn draw(&self) -> Draw {
        Draw {
            tariff: self.terms.tariff,
            charged: self.charged,
            media: self.evidence.billable(),
            running: self.is_running(),
        }
    }

    /// Sets the relay's limit, `left` before the wallet is spent. Returns it if it changed.
    pub(crate) fn renew_limit(&mut self, left: ElapsedMs) -> Option<ElapsedMs> {
        let limit = self.draw().limit(left) + self.evidence.lost();
        let changed = self.limit != limit;
        self.limit = limit;
        changed.then_some(limit)
    }

    fn remaining(&self) -> ElapsedMs {
        self.limit.saturating_sub(self.evidence.forwarded())
    }

    pub(crate) fn metered(&self, now: MonotonicMs, balance: MicroCoins) -> Output {
        Output::Metered {
            call: self.call,
            proven: self.evidence.proven(),
            charged: self.charged,
            host_earned: Split::of(self.charged, self.terms.host_share).host,
            balance,
            remaining: self.remaining(),
            paused: self.evidence.paused(now),
        }
    }

    /// The warning that is due, if one is. Of several at once only the most urgent.
    pub(crate) fn warning(&mut self) -> Option<Output> {
        let behind = self.warnings_behind();
        if self.evidence.forwarded() == ElapsedMs::ZERO || behind <= self.warned {
            return None;
        }
        self.warned = behind;
        let threshold = *WARNINGS.get(behind.checked_sub(1)?)?;
        Some(Output::LowFunds { call: self.call, threshold, remaining: self.remaining() })
    }

    /// After a top-up: warns again at the thresholds that are ahead once more.
    pub(crate) fn rearm_warnings(&mut self) {
        self.warned = self.warned.min(self.warnings_behind());
    }

    fn warnings_behind(&self) -> usize {
        WARNINGS.iter().filter(|threshold| self.remaining() <= **threshold).count()
    }
}
