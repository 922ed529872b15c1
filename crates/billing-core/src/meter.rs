//! One open call: its evidence, its charge, its warnings, its changes of price, its end.

use crate::evidence::Evidence;
use crate::funds::Draw;
use crate::overheard::Overheard;
use crate::{
    Change, Checkpoint, Counted, End, EndReason, EvidenceRecord, LiveCall, Output, Plan, Proven,
    Settlement, Split, Target, Terms,
};
use units::{CallId, Coins, ElapsedMs, Medium, MicroCoins, MonotonicMs, Rates, Shard, UnixMs};

/// Remaining time at which both sides are warned, longest first (BILLING.md, rule 14).
const WARNINGS: [ElapsedMs; 4] = [
    ElapsedMs::from_secs(120),
    ElapsedMs::from_secs(60),
    ElapsedMs::from_secs(30),
    ElapsedMs::from_secs(10),
];

/// How often a target is sent again that brings nothing new: hot balances may have lost it with the
/// time of the last checkpoint (BILLING.md, rule 66). More often would send more targets of calls
/// that are paused; less often would leave the coins they took to others for longer.
const SENT_AGAIN: ElapsedMs = ElapsedMs(10_000);

/// How long after the end to wait for the relay's last report (BILLING.md, rule 17). Less would
/// lose proof that is on its way (the relay waits 2 s for it); more would delay receipts of calls
/// whose relay is gone.
const LAST_REPORT_WAIT: ElapsedMs = ElapsedMs(5_000);

/// How long an adopted call may go without a report before it counts as interrupted. The relay
/// reports each second; more would leave fans of a relay that is gone waiting for their receipt.
const ADOPTION_WAIT: ElapsedMs = ElapsedMs(5_000);

/// How long any call may go without one. Its opening may have been overtaken by its end, or its end
/// have died with who should have told it; more would hold the fan's coins for it longer, less would
/// end calls whose relay is only cut off for a moment.
const REPORT_WAIT: ElapsedMs = ElapsedMs::from_secs(60);

/// Media between two settlements of a call that goes on. More would leave longer calls out of the
/// hosts' books; less would write more rows.
const INTERIM_EVERY: ElapsedMs = ElapsedMs::from_secs(15 * 60);

/// How much media from now a new price begins: time to make it durable first, so that no media is
/// priced before its price is written down. More would delay changes; less would hold charges up
/// while a slow store writes.
const CHANGE_LEAD: ElapsedMs = ElapsedMs(3_000);

/// First pause before a settlement that failed is tried again by itself; doubles.
const SETTLE_AGAIN: ElapsedMs = ElapsedMs(250);

/// Longest such pause.
const SETTLE_AGAIN_MAX: ElapsedMs = ElapsedMs(5_000);

/// How a call ended.
#[derive(Clone, Copy, Debug)]
struct Ending {
    end: End,
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

/// A price that is not durable yet.
#[derive(Clone, Copy, Debug)]
struct Pending {
    change: Change,
    /// Whether it is with the store.
    asked: bool,
}

/// The meter of one call.
#[derive(Debug)]
pub(crate) struct Meter {
    call: CallId,
    pub(crate) terms: Terms,
    pub(crate) shard: Shard,
    plan: Plan,
    /// The plan with the dearer prices that are being written down: what limits go by.
    ahead: Option<Plan>,
    pending: Option<Pending>,
    /// A price that waits until the relay has said how far the call is.
    wanted: Option<Rates>,
    pub(crate) evidence: Evidence,
    /// The store's word.
    charged: Coins,
    /// When its target was last given to be sent.
    sent_at: MonotonicMs,
    /// Media time that hot balances have, and that the ledger has with its charge.
    applied: Proven,
    durable: (Proven, Coins),
    /// Media time that is in the books.
    posted: ElapsedMs,
    posting: bool,
    stage: Stage,
    ending: Option<Ending>,
    last_report_in: bool,
    /// When another meter's call came here, until its first report.
    adopted_at: Option<(MonotonicMs, UnixMs)>,
    opened_at: UnixMs,
    /// The relay's limit as last given.
    limit: ElapsedMs,
    /// How many of [`WARNINGS`] are behind.
    warned: usize,
    /// Whether it was refused though it may be durable: it is settled, and nobody hears of it.
    retracted: bool,
    /// Whether the latest answer of the store lacked it.
    missing: bool,
    /// Settlements that failed in a row, and when to try again.
    failures: u32,
    retry_at: MonotonicMs,
}

impl Meter {
    pub(crate) fn opening(call: CallId, terms: Terms, now: MonotonicMs) -> Self {
        let picture = terms.medium == Medium::Video;
        Self {
            call,
            shard: Shard::of(&terms.fan),
            plan: Plan::new(terms.tariff),
            terms,
            ahead: None,
            pending: None,
            wanted: None,
            evidence: Evidence::starting(now, picture),
            charged: Coins::ZERO,
            sent_at: now,
            applied: Proven::ZERO,
            durable: (Proven::ZERO, Coins::ZERO),
            posted: ElapsedMs::ZERO,
            posting: false,
            stage: Stage::Opening,
            ending: None,
            last_report_in: false,
            adopted_at: None,
            opened_at: UnixMs(0),
            limit: ElapsedMs::ZERO,
            warned: 0,
            retracted: false,
            missing: false,
            failures: 0,
            retry_at: MonotonicMs(0),
        }
    }

    /// Another meter opened it.
    pub(crate) fn adopted(live: LiveCall, now: MonotonicMs) -> Self {
        let mut meter = Self::opening(live.call, live.terms.clone(), now);
        meter.adopted_at = Some((now, live.seen_at));
        meter.opened(live);
        meter.evidence.take_over();
        meter
    }

    /// The store has it, with what was charged before.
    pub(crate) fn opened(&mut self, live: LiveCall) {
        self.stage = Stage::Open;
        self.opened_at = live.opened_at;
        self.terms = live.terms;
        self.plan = Plan { tariff: self.terms.tariff, changes: live.changes };
        self.charged = later(self.charged, live.charged);
        self.applied = self.applied.merge(live.proven);
        self.durable = (live.proven, live.charged);
        self.posted = live.proven.media;
        let before = live.seen_at - live.opened_at;
        self.evidence.resume(live.proven, (live.records, live.last.as_deref()), before);
    }

    pub(crate) fn count(&mut self, now: MonotonicMs, counted: Counted) {
        self.evidence.count(now, counted);
    }

    /// The relay carries it: it is not over.
    pub(crate) fn is_carried(&mut self) {
        self.adopted_at = None;
        if let Some(rates) = self.wanted.take() {
            self.change(rates);
        }
    }

    pub(crate) const fn no_more_reports(&mut self) {
        self.last_report_in = true;
    }

    /// The first end counts.
    pub(crate) fn end(&mut self, now: MonotonicMs, reason: EndReason, at: UnixMs) {
        let settle_at = now + LAST_REPORT_WAIT;
        self.ending.get_or_insert(Ending { end: End { reason, at }, settle_at });
    }

    /// The store failed to open it, or nobody knows: its asker is refused, and what may be durable
    /// is settled at nothing.
    pub(crate) fn retract(&mut self, now: MonotonicMs, at: UnixMs) {
        self.stage = Stage::Open;
        (self.retracted, self.last_report_in) = (true, true);
        self.ending = None;
        self.end(now, EndReason::NotConnected, at);
    }

    pub(crate) const fn is_retracted(&self) -> bool {
        self.retracted
    }

    /// Whether its settlement is not with the store.
    pub(crate) fn may_open_again(&self) -> bool {
        self.stage == Stage::Open
    }

    /// What another meter should know of it.
    pub(crate) fn known(&self) -> Overheard {
        Overheard {
            counted: Some(*self.evidence.counted()),
            last_report_in: self.last_report_in,
            ended: self.ending.map(|ending| (ending.end.reason, ending.end.at)),
            ..Overheard::default()
        }
    }

    /// Ends an adopted call that the relay does not know: at what is durable, when it was last
    /// seen. `at_once`: the relay is known to be gone.
    pub(crate) fn interrupt_if_silent(&mut self, now: MonotonicMs, at_once: bool) -> bool {
        let Some((since, seen_at)) = self.adopted_at else { return false };
        if self.ending.is_some() || (!at_once && now.since(since) < ADOPTION_WAIT) {
            return false;
        }
        self.end(now, EndReason::Interrupted, seen_at);
        self.last_report_in = true;
        true
    }

    /// Ends a call of which no relay has reported for long: at what is proven, when it was last
    /// heard of.
    pub(crate) fn interrupt_if_forgotten(&mut self, now: MonotonicMs) -> bool {
        let (silent, heard_after) = self.evidence.silence(now);
        if !self.is_running() || silent < REPORT_WAIT {
            return false;
        }
        let at = UnixMs(self.opened_at.0.saturating_add(heard_after.0));
        self.end(now, EndReason::Interrupted, at);
        self.last_report_in = true;
        true
    }

    pub(crate) const fn call(&self) -> CallId {
        self.call
    }

    /// Whether these are its terms. The share is not the asker's to choose.
    pub(crate) fn is_at(&self, terms: &Terms) -> bool {
        *terms == Terms { host_share: terms.host_share, ..self.terms.clone() }
    }

    /// Takes a record for the receipt, if it is time.
    pub(crate) fn record(&mut self, now: MonotonicMs) {
        if self.stage == Stage::Open {
            self.evidence.record(now, self.total(), false);
        }
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

    pub(crate) const fn charged(&self) -> Coins {
        self.charged
    }

    fn total(&self) -> MicroCoins {
        self.charged.total().unwrap_or(MicroCoins::MAX)
    }

    /// What the plan asks for what is proven. No media is priced beyond a change that is not
    /// durable yet.
    fn target(&self) -> Target {
        let proven = self.evidence.proven();
        let priced = match self.pending {
            Some(Pending { change, .. }) => Proven {
                media: proven.media.min(change.from.media),
                video: proven.video.min(change.from.video),
            },
            None => proven,
        };
        let charge = self.plan.charge(priced);
        Target { call: self.call, fan: self.terms.fan.clone(), charge, proven }
    }

    /// What the store does not know yet, or could not charge before for lack of `funds`. Asked
    /// also where the funds are not known, since the answer tells them. What it has been told it may
    /// have lost: that is sent again from time to time, and always where others draw on the wallet
    /// as well, who could spend the coins meanwhile.
    pub(crate) fn unwritten(
        &mut self,
        now: MonotonicMs,
        funds: Option<MicroCoins>,
        alone: bool,
    ) -> Option<Target> {
        if self.stage != Stage::Open {
            return None;
        }
        let news = funds.is_none() || self.evidence.proven() != self.applied;
        let target = self.target();
        let short = target.charge > self.total() && funds != Some(MicroCoins::ZERO);
        let again = !alone || now.since(self.sent_at) >= SENT_AGAIN;
        if !(news || short || again) {
            return None;
        }
        self.sent_at = now;
        Some(target)
    }

    /// What its wallet owes it before anything else is taken.
    pub(crate) fn due(&self) -> Option<Target> {
        (self.stage == Stage::Open).then(|| self.target())
    }

    /// The store's answer lacks it. Whether for the second time in a row.
    pub(crate) const fn missed(&mut self) -> bool {
        std::mem::replace(&mut self.missing, true)
    }

    /// The store's answer. Whether the charge is within what was asked for.
    pub(crate) fn written(&mut self, target: &Target, charged: Coins) -> bool {
        self.missing = false;
        self.applied = self.applied.merge(target.proven);
        self.charged = later(self.charged, charged);
        let within = self.total() <= self.plan.charge(self.evidence.proven());
        within || self.adopted_at.is_some()
    }

    /// What is not durable yet.
    pub(crate) fn checkpoint(&self) -> Option<Checkpoint> {
        let progress = (self.applied, self.charged) != self.durable;
        let evidence = self.evidence.waiting();
        if self.stage != Stage::Open || (!progress && evidence.is_empty()) {
            return None;
        }
        Some(Checkpoint {
            call: self.call,
            fan: self.terms.fan.clone(),
            proven: self.applied,
            charged: self.charged,
            evidence: evidence.to_vec(),
        })
    }

    pub(crate) fn checkpointed(&mut self, row: &Checkpoint) {
        self.durable = (row.proven, row.charged);
        if let Some(EvidenceRecord { n, .. }) = row.evidence.last() {
            self.evidence.written(*n);
        }
    }

    /// When the last report is waited for no longer.
    pub(crate) fn settle_at(&self) -> Option<MonotonicMs> {
        let ending = self.ending.as_ref()?;
        match self.stage {
            // A price that may be durable already must be known before the bill is made.
            Stage::Open if self.pending.is_some() => None,
            Stage::Open if self.last_report_in => Some(self.retry_at),
            Stage::Open => Some(ending.settle_at.max(self.retry_at)),
            Stage::Opening | Stage::Settling => None,
        }
    }

    /// Hands the bill to the store, if it is time.
    pub(crate) fn settle(&mut self, now: MonotonicMs) -> Option<Settlement> {
        if self.settle_at()? > now {
            return None;
        }
        let end = Some(self.ending?.end);
        self.stage = Stage::Settling;
        self.evidence.record(now, self.total(), true);
        let evidence = self.evidence.waiting().to_vec();
        Some(Settlement { target: self.target(), end, evidence })
    }

    /// Posts what was charged so far of a long call, if it is time.
    pub(crate) fn post(&mut self, now: MonotonicMs) -> Option<Settlement> {
        let media = self.applied.media;
        let due = media.saturating_sub(self.posted) >= INTERIM_EVERY;
        if !due || self.posting || now < self.retry_at || !self.is_running() {
            return None;
        }
        self.posting = true;
        Some(Settlement { target: self.target(), end: None, evidence: Vec::new() })
    }

    /// The store has posted it, or not.
    pub(crate) fn posted(&mut self, done: bool) {
        if std::mem::take(&mut self.posting) && done {
            self.posted = self.applied.media;
        }
    }

    /// The store could not settle it: once more, later, and by itself.
    pub(crate) fn settle_again(&mut self, now: MonotonicMs) {
        if self.stage == Stage::Settling {
            self.stage = Stage::Open;
        }
        let pause = ElapsedMs(SETTLE_AGAIN.0 << self.failures.min(8)).min(SETTLE_AGAIN_MAX);
        self.failures = self.failures.saturating_add(1);
        self.retry_at = now + pause;
    }

    /// Settlements of it that failed in a row.
    pub(crate) const fn failures(&self) -> u32 {
        self.failures
    }

    /// A new price is wanted. Nothing while another one is being written down.
    pub(crate) fn change(&mut self, rates: Rates) {
        if self.pending.is_some() || !self.is_running() || self.plan.rates() == rates {
            return;
        }
        // What was carried while no meter was there must not be priced anew.
        if self.adopted_at.is_some() {
            self.wanted = Some(rates);
            return;
        }
        let at = self.evidence.provable();
        // The camera may come on meanwhile.
        let from = self
            .plan
            .change_from(Proven { media: at.media + CHANGE_LEAD, video: at.video + CHANGE_LEAD });
        let n = self.plan.changes.last().map_or(1, |change| change.n + 1);
        let change = Change { n, from, rates };
        let mut ahead = self.plan.clone();
        ahead.changes.push(change);
        // A lower price moves the limit only once it is durable: until then, it may never hold.
        let is_dearer = rates.highest() > self.plan.rates().highest();
        self.ahead = is_dearer.then_some(ahead);
        self.pending = Some(Pending { change, asked: false });
    }

    /// The change that the store has not been asked for.
    pub(crate) fn ask_change(&mut self) -> Option<Change> {
        let pending = self.pending.as_mut()?;
        (!std::mem::replace(&mut pending.asked, true)).then_some(pending.change)
    }

    pub(crate) const fn change_failed(&mut self) {
        if let Some(pending) = &mut self.pending {
            pending.asked = false;
        }
    }

    /// The change as it is durable. Whether it is news.
    pub(crate) fn changed(&mut self, change: Change) -> bool {
        (self.pending, self.ahead) = (None, None);
        let known = self.plan.changes.iter().any(|known| known.n == change.n);
        if !known {
            self.plan.changes.push(change);
        }
        !known
    }

    pub(crate) fn draw(&self) -> Draw<'_> {
        Draw {
            plan: self.ahead.as_ref().unwrap_or(&self.plan),
            charged: self.total(),
            media: self.evidence.provable(),
            picture: self.evidence.picture(),
            running: self.is_running(),
        }
    }

    /// Sets the relay's limit, `left` before the wallet is spent. Returns it if it changed.
    pub(crate) fn renew_limit(&mut self, left: ElapsedMs) -> Option<ElapsedMs> {
        let limit = self.draw().limit(left);
        let changed = self.limit != limit;
        self.limit = limit;
        changed.then_some(limit)
    }

    fn remaining(&self) -> ElapsedMs {
        self.limit.saturating_sub(self.evidence.provable().media)
    }

    pub(crate) fn metered(&self, now: MonotonicMs, balance: MicroCoins) -> Output {
        Output::Metered {
            call: self.call,
            proven: self.evidence.proven(),
            charged: self.total(),
            host_earned: Split::of_coins(self.charged, self.terms.host_share).host,
            balance,
            remaining: self.remaining(),
            paused: self.evidence.paused(now),
        }
    }

    /// The warning that is due, if one is. Of several at once only the most urgent.
    pub(crate) fn warning(&mut self) -> Option<Output> {
        let behind = self.warnings_behind();
        let flows = self.evidence.counted().to_fan.forwarded > ElapsedMs::ZERO;
        if !flows || behind <= self.warned {
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

/// The store's later word on a charge, unless it is behind: after a failover the same total may be
/// made up of other coins, so kinds are never merged one by one.
fn later(known: Coins, told: Coins) -> Coins {
    if told.total() >= known.total() { told } else { known }
}
