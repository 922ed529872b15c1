//! What goes into the [`Biller`](crate::Biller) and what comes out.
//!
//! Inputs are facts, outputs are imperatives. What is asked of the store stands in
//! [`Command`](crate::Command).

use crate::{Answer, Command, Counted, Credit, EndReason, Proven, Receipt, RuleCredit};
use units::{CallId, ElapsedMs, Medium, MicroCoins, Rates, ShareBps, SpendId, UnixMs, UserId};

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Somebody asks what a call would cost.
    QuoteAsked { request: u64, fan: UserId, host: UserId, medium: Medium, rates: Rates },
    /// Somebody asks for a balance.
    BalanceAsked { request: u64, user: UserId },
    /// A call is about to start.
    OpenAsked { call: CallId, fan: UserId, host: UserId, medium: Medium, rates: Rates, at: UnixMs },
    /// Coins were bought, given or given back.
    CreditAsked { request: u64, credit: Credit },
    /// A fan makes a present.
    GiftAsked {
        request: u64,
        id: SpendId,
        fan: UserId,
        host: UserId,
        amount: MicroCoins,
        at: UnixMs,
    },
    /// A bank took a purchase back.
    ChargedBack { request: u64, id: SpendId, fan: UserId, amount: MicroCoins, at: UnixMs },
    /// A call that goes on shall cost this from now on.
    ChangeAsked { call: CallId, rates: Rates },
    /// A call is over. `told` is the proven time that its people were told of it.
    Ended { call: CallId, fan: UserId, reason: EndReason, told: Proven, at: UnixMs },
    /// All calls are over, as interrupted ones: whoever could end them has forgotten them.
    AllEnded { at: UnixMs },
    /// The relay counted. With `last`, nothing will be added any more.
    MediaCounted { call: CallId, counted: Counted, last: bool },
    /// The relay is gone: nothing will be counted any more.
    RelayLost,
    /// The store carried out a command.
    Answered(Answer),
    /// The store could not carry it out. Whether it took effect is not known.
    StoreFailed(Command),
    /// The process stops: open nothing more; end what is open, or leave it to other meters.
    Draining { at: UnixMs },
    /// It is [`next_wake`](crate::Biller::next_wake).
    WokeUp,
}

/// What a call would cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    pub free: ElapsedMs,
    /// Funds below this open no call.
    pub minimum: MicroCoins,
    pub balance: MicroCoins,
    /// Media time that the balance buys, free time included.
    pub lasts: ElapsedMs,
    pub host_share: ShareBps,
}

/// Why something was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The funds are below the minimum.
    NoFunds,
    /// The fan owes for a purchase that the bank took back.
    Blocked,
    /// The store does not answer.
    Unavailable,
    /// The process is stopping.
    Draining,
    /// The id was used for something else.
    IdReused,
    /// The wallet can't hold as much.
    TooLarge,
    /// The call is not settled, not this fan's, or cost less than what would be given back.
    NotRefundable,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// To the store.
    Store(Command),
    /// To the relay: forward the host's media until this much of it is or can still be proven.
    Limit {
        call: CallId,
        funded: ElapsedMs,
    },
    Quoted {
        request: u64,
        quote: Quote,
    },
    Failed {
        request: u64,
        refusal: Refusal,
    },
    Opened {
        call: CallId,
        funded: ElapsedMs,
    },
    NotOpened {
        call: CallId,
        refusal: Refusal,
    },
    /// The state of a running call, once a tick.
    Metered {
        call: CallId,
        proven: Proven,
        charged: MicroCoins,
        host_earned: MicroCoins,
        balance: MicroCoins,
        remaining: ElapsedMs,
        paused: bool,
    },
    LowFunds {
        call: CallId,
        threshold: ElapsedMs,
        remaining: ElapsedMs,
    },
    /// New prices are durable, and hold from this media time on.
    Changed {
        call: CallId,
        rates: Rates,
        from: ElapsedMs,
    },
    /// End this call: said again each tick until [`Input::Ended`] comes.
    GiveUp {
        call: CallId,
        reason: EndReason,
    },
    /// A bill is final. `counted` is what is known here of its media beside what the bill says.
    Settled {
        receipt: Receipt,
        counted: Counted,
    },
    /// The fan got coins back by rule. Follows the bill.
    Credited {
        call: CallId,
        fan: UserId,
        host: UserId,
        credits: Vec<RuleCredit>,
    },
    /// Request 0: news, not an answer.
    Balance {
        request: u64,
        user: UserId,
        balance: MicroCoins,
    },
    /// For the operator.
    Notice(Notice),
}

/// What an operator should know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The store lost an open call; it is metered no longer.
    Orphaned { call: CallId },
    /// These shards' calls are metered here now.
    Adopted { calls: usize },
    /// Leases ended before they could be prolonged. Their calls are left, not settled, to
    /// whoever takes the shards next.
    LeasesLost { shards: usize, calls: usize },
    /// Something that must hold does not.
    Violated { rule: &'static str, call: CallId },
    /// How many figures of hot balances and ledger differ, by rule.
    Reconciled(Vec<(&'static str, u64)>),
}
