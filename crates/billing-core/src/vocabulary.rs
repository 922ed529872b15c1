//! What goes into the [`Biller`](crate::Biller) and what comes out.
//!
//! Inputs are facts, outputs are imperatives. Store commands are carried out one at a time and in
//! order, and answered in that order: only so are the funds in an answer the latest.

use crate::{
    Applied, Credit, Crediting, EndReason, OpenCall, Opening, Receipt, Settled, Settlement, Target,
};
use units::{CallId, ElapsedMs, Medium, MicroCoins, Rate, ShareBps, UnixMs, UserId};

/// Media time from host to fan, in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MediaTime {
    /// What the relay sent on.
    pub forwarded: ElapsedMs,
    /// The part of it that the fan's own client confirmed. This is what is billed.
    pub proven: ElapsedMs,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Somebody asks what a call would cost.
    QuoteAsked { request: u64, fan: UserId, rate: Rate },
    /// Somebody asks for a balance.
    BalanceAsked { request: u64, user: UserId },
    /// A call is about to start.
    OpenAsked { call: CallId, fan: UserId, host: UserId, medium: Medium, rate: Rate, at: UnixMs },
    /// Coins were bought.
    CreditAsked { request: u64, credit: Credit },
    /// A call is over.
    Ended { call: CallId, reason: EndReason, at: UnixMs },
    /// The relay counted. With `last`, nothing will be added any more.
    MediaCounted { call: CallId, media: MediaTime, last: bool },
    /// The relay is gone: nothing will be counted any more.
    RelayLost,
    /// The store carried out a command.
    Answered(Answer),
    /// The store could not carry it out. Whether it took effect is not known.
    StoreFailed(Command),
    /// The process stops: open nothing more, end what is open.
    Draining { at: UnixMs },
    /// It is [`next_wake`](crate::Biller::next_wake).
    WokeUp,
}

/// What only the wallet's balance is missing for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    Quote { request: u64, fan: UserId, rate: Rate },
    Balance { request: u64, user: UserId },
}

impl Question {
    /// Whose wallet to look into.
    #[must_use]
    pub const fn wallet(&self) -> &UserId {
        match self {
            Self::Quote { fan, .. } => fan,
            Self::Balance { user, .. } => user,
        }
    }
}

/// What the store is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    Open(OpenCall),
    /// In one transaction.
    Apply(Vec<Target>),
    Settle(Settlement),
    Credit {
        request: u64,
        credit: Credit,
    },
    Read(Question),
}

/// What the store did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Opened {
        call: CallId,
        opening: Opening,
    },
    /// `targets` are those of the command.
    Applied {
        targets: Vec<Target>,
        applied: Applied,
    },
    /// `None`: the store knows no such call.
    Settled {
        call: CallId,
        settled: Option<Settled>,
    },
    Credited {
        request: u64,
        credit: Credit,
        crediting: Crediting,
    },
    Read {
        question: Question,
        funds: MicroCoins,
    },
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
    /// The store does not answer.
    Unavailable,
    /// The process is stopping.
    Draining,
    /// The id was used for something else, or the amount can't be held: the asker's bug.
    Conflict,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// To the store.
    Store(Command),
    /// To the relay: forward the host's media until this much of it has gone out, in all.
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
        proven: ElapsedMs,
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
    Settled {
        receipt: Receipt,
    },
    /// Request 0: news, not an answer.
    Balance {
        request: u64,
        user: UserId,
        balance: MicroCoins,
    },
    /// For the operator: the store lost an open call; it is metered no longer.
    Orphaned {
        call: CallId,
    },
}
