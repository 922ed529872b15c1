//! Signaling to and from the billing meter.

use crate::ErrorCode;
use crate::client::{CallCredit, CreditPayer, CreditReason, EndReason, Receipt};
use serde::{Deserialize, Serialize};
use units::{CallId, ElapsedMs, Medium, MicroCoins, Rates, ShareBps, SpendId, UserId};

/// What a call is sold at, fixed before its first packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallTerms {
    pub fan: UserId,
    pub host: UserId,
    pub medium: Medium,
    /// Of a voice call, both the same.
    pub rates: Rates,
}

/// Where credited coins come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum CreditKind {
    /// Bought: paid coins, less what the fan owes.
    #[default]
    Purchase,
    /// A present of the platform: promo coins.
    Promo,
    /// Given back for a call, at most what it cost in all: the coins that paid for it.
    Refund { call: CallId, payer: CreditPayer, reason: CreditReason },
}

/// The meter's answer to [`MeterCommand::Quote`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuoteFacts {
    pub free_ms: ElapsedMs,
    pub minimum: MicroCoins,
    pub balance: MicroCoins,
    pub lasts_ms: ElapsedMs,
    pub host_share: ShareBps,
}

/// Signaling to meter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum MeterCommand {
    /// Answered by [`MeterEvent::Quoted`] with the same `request`, or [`MeterEvent::Failed`].
    Quote { request: u64, terms: CallTerms },
    /// Write the call down, before media may flow. Answered by [`MeterEvent::Opened`] or
    /// [`MeterEvent::NotOpened`]; a repeat answers the same.
    Open { call: CallId, terms: CallTerms },
    /// The call is over. The meter settles once the relay's last report is in, or 5 s later.
    /// With it goes the proven media time that its people were told.
    End { call: CallId, fan: UserId, reason: EndReason, proven_ms: ElapsedMs, video_ms: ElapsedMs },
    /// Signaling has restarted and knows of no call: all are over, as interrupted ones.
    EndAll,
    /// Answered by [`MeterEvent::Balance`] with the same `request`.
    Balance { request: u64, user: UserId },
    /// Add coins. `id` names the credit: a repeat adds nothing. Answered by
    /// [`MeterEvent::Balance`] with the same `request`, or [`MeterEvent::Failed`].
    Credit {
        request: u64,
        user: UserId,
        amount: MicroCoins,
        id: String,
        #[serde(default)]
        kind: CreditKind,
    },
    /// A present from a fan to a host, all of it or nothing. `id` names it: a repeat takes nothing.
    /// Answered by [`MeterEvent::Balance`] with the same `request`, or [`MeterEvent::Failed`].
    Gift { request: u64, id: SpendId, fan: UserId, host: UserId, amount: MicroCoins },
    /// A bank took a purchase back: takes what is there; the rest is owed, and who owes opens no
    /// call. Answered as a gift is.
    Chargeback { request: u64, id: SpendId, fan: UserId, amount: MicroCoins },
    /// Other prices for a call that goes on. Answered by [`MeterEvent::Changed`] once they are
    /// durable; not answered if the call is over.
    Change { call: CallId, rates: Rates },
    /// A call's signed receipt. Answered by [`MeterEvent::Document`] with the same `request`.
    Document { request: u64, call: CallId },
}

/// A signed receipt, and who may have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedReceipt {
    pub fan: UserId,
    pub host: UserId,
    /// The document, to the byte.
    pub text: String,
}

/// Meter to signaling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum MeterEvent {
    /// Whether the balance covers `minimum` is the asker's to compare.
    Quoted { request: u64, facts: QuoteFacts },
    /// A request that could not be carried out.
    Failed { request: u64, code: ErrorCode },
    /// The call is durable and may carry this much media.
    Opened { call: CallId, funded_ms: ElapsedMs },
    /// The call must not start: `billing.no_funds` or `billing.unavailable`.
    NotOpened { call: CallId, code: ErrorCode },
    /// The state of a live call, about once a second.
    Metered {
        call: CallId,
        proven_ms: ElapsedMs,
        /// Of it, with picture.
        video_ms: ElapsedMs,
        charged: MicroCoins,
        host_earned: MicroCoins,
        balance: MicroCoins,
        remaining_ms: ElapsedMs,
        /// The proven time has stood still for 2.5 s.
        paused: bool,
    },
    /// New prices are durable and hold from this media time on.
    Changed { call: CallId, rates: Rates, from_ms: ElapsedMs },
    /// End this call for this reason. Said again until [`MeterCommand::End`] comes.
    GiveUp { call: CallId, reason: EndReason },
    /// The remaining time fell to this threshold.
    LowFunds { call: CallId, threshold_ms: ElapsedMs, remaining_ms: ElapsedMs },
    /// The bill is final and in the ledger.
    Settled { call: CallId, receipt: Receipt },
    /// Coins went back to the fan by rule, after the bill was final.
    Credited { call: CallId, fan: UserId, host: UserId, credits: Vec<CallCredit> },
    /// The signed receipt that was asked for; `None` if there is none of this call.
    Document { request: u64, document: Option<SignedReceipt> },
    /// An answer, or (request 0) news: coins were added to this wallet.
    Balance { request: u64, user: UserId, balance: MicroCoins },
}
