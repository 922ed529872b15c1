//! What the clients were told and what they saw: the side of the story that no server can rewrite.

use loadtest::Evidence;
use protocol::client::{CallView, EndReason, Party, Receipt};
use service_kit::Clock;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use units::{CallId, MonotonicMs, UserId};

/// Media that one Opus packet carries, in milliseconds.
const PACKET_MS: u64 = 20;

/// One call, as both clients know it. Amounts are micro-coins.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    pub(crate) fan: UserId,
    pub(crate) host: UserId,
    pub(crate) per_minute: u64,
    /// The most that anybody was told it had cost: these coins are spent.
    pub(crate) told: u64,
    /// Media that reached the fan, by the fan's own stack; `None` if the call was never connected.
    pub(crate) received_ms: Option<u64>,
    /// The longest that this process stood still meanwhile: so much can the fan's count be behind.
    pub(crate) stalled_ms: u64,
    /// Every bill that came, whoever got it.
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) reason: Option<EndReason>,
    /// What happened, for whoever has to find out why it is wrong.
    pub(crate) lines: String,
}

/// A credit that was asked for, maybe many times.
#[derive(Clone, Debug)]
pub(crate) struct Promise {
    pub(crate) user: UserId,
    pub(crate) micro: u64,
    /// The server said that it is there.
    pub(crate) acknowledged: bool,
    pub(crate) asked: u32,
}

#[derive(Debug)]
struct Pages {
    stories: BTreeMap<CallId, Story>,
    /// When calls that became live had been rung.
    live: Vec<(UserId, MonotonicMs)>,
    /// When anybody was last told of more coins than before.
    billed_at: MonotonicMs,
    promises: BTreeMap<String, Promise>,
}

/// What all clients of a test write down.
#[derive(Debug)]
pub(crate) struct Book {
    pub(crate) clock: Clock,
    pages: Mutex<Pages>,
}

impl Book {
    pub(crate) fn new(clock: Clock) -> Self {
        let pages = Pages {
            stories: BTreeMap::new(),
            live: Vec::new(),
            billed_at: MonotonicMs(0),
            promises: BTreeMap::new(),
        };
        Self { clock, pages: Mutex::new(pages) }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn in_story(&self, call: CallId, write: impl FnOnce(&mut Story)) {
        if let Some(story) = self.pages().stories.get_mut(&call) {
            write(story);
        }
    }

    /// A call that `user` is in, from now on.
    pub(crate) fn begin(&self, user: &UserId, view: &CallView) {
        let (mine, other) = (user.clone(), view.peer.user.clone());
        let (fan, host) = match view.you {
            Party::Fan => (mine, other),
            Party::Host => (other, mine),
        };
        let per_minute = view.rate_micro_per_min.micro_per_minute();
        self.pages().stories.entry(view.call).or_insert_with(|| Story {
            fan,
            host,
            per_minute,
            told: 0,
            received_ms: None,
            stalled_ms: 0,
            receipts: Vec::new(),
            reason: None,
            lines: String::new(),
        });
        self.note(view.call, user, &format!("{:?} call", view.state));
    }

    /// Something that happened to a call.
    pub(crate) fn note(&self, call: CallId, user: &UserId, what: &str) {
        let now = self.clock.now().0;
        // Writing to a String can't fail.
        self.in_story(call, |story| {
            let _ = writeln!(story.lines, "  {now:>7} {user}: {what}");
        });
    }

    /// This process stood still.
    pub(crate) fn stalled(&self, ms: u64) {
        let mut pages = self.pages();
        for story in pages.stories.values_mut().filter(|story| story.received_ms.is_none()) {
            story.stalled_ms = story.stalled_ms.max(ms);
        }
    }

    /// A round, told in every story, so that each can be read by itself.
    pub(crate) fn round(&self, what: &str) {
        let now = self.clock.now().0;
        println!("{now:>7} {what}");
        for story in self.pages().stories.values_mut().filter(|story| story.reason.is_none()) {
            let _ = writeln!(story.lines, "  {now:>7} --- {what}");
        }
    }

    /// A fan's call has become live.
    pub(crate) fn live(&self, fan: &UserId, rung_at: MonotonicMs) {
        self.pages().live.push((fan.clone(), rung_at));
    }

    /// Who got a call through that was rung at or after `since`.
    pub(crate) fn got_through(&self, since: MonotonicMs) -> Vec<UserId> {
        let pages = self.pages();
        let since = pages.live.iter().filter(|(_, rung_at)| *rung_at >= since);
        since.map(|(fan, _)| fan.clone()).collect()
    }

    /// A client was told that so much of a call is spent.
    pub(crate) fn told(&self, call: CallId, user: &UserId, micro: u64, proven_ms: u64) {
        self.note(call, user, &format!("told {micro} for {proven_ms} ms"));
        let now = self.clock.now();
        let mut pages = self.pages();
        let Some(story) = pages.stories.get_mut(&call) else { return };
        if micro > story.told {
            story.told = micro;
            pages.billed_at = now;
        }
    }

    /// When anybody was last told of more coins than before.
    pub(crate) fn billed_at(&self) -> MonotonicMs {
        self.pages().billed_at
    }

    /// A call has ended, or its bill came.
    pub(crate) fn ended(
        &self,
        call: CallId,
        user: &UserId,
        reason: EndReason,
        receipt: Option<Receipt>,
    ) {
        let bill = receipt.as_ref().map(|bill| (bill.charged_micro.micro(), bill.proven_ms.0));
        self.note(call, user, &format!("ended, {reason:?}, bill {bill:?}"));
        self.in_story(call, |story| {
            story.reason = Some(reason);
            story.receipts.extend(receipt);
        });
    }

    /// What the fan's own stack counted.
    ///
    /// Media time is measured between arrivals; where this process stood still for longer than a
    /// gap may be, they come in a burst and the packets themselves tell how much they carry.
    pub(crate) fn received(&self, call: CallId, user: &UserId, evidence: &Evidence) {
        let (measured, packets) = (evidence.received.media_ms.0, evidence.received.audio_packets);
        self.note(call, user, &format!("received {measured} ms in {packets} packets"));
        let carried = measured.max(packets * PACKET_MS);
        self.in_story(call, |story| {
            story.received_ms = Some(story.received_ms.unwrap_or_default() + carried);
        });
    }

    /// A credit is asked for (again).
    pub(crate) fn asked(&self, id: &str, user: &UserId, micro: u64) {
        let mut pages = self.pages();
        let promise = pages.promises.entry(id.to_owned()).or_insert_with(|| Promise {
            user: user.clone(),
            micro,
            acknowledged: false,
            asked: 0,
        });
        promise.asked += 1;
    }

    /// The server said that a credit is there.
    pub(crate) fn acknowledged(&self, id: &str) {
        if let Some(promise) = self.pages().promises.get_mut(id) {
            promise.acknowledged = true;
        }
    }

    /// Everything that was written down.
    pub(crate) fn read(&self) -> (BTreeMap<CallId, Story>, BTreeMap<String, Promise>) {
        let pages = self.pages();
        (pages.stories.clone(), pages.promises.clone())
    }
}
