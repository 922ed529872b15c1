//! The objects that messages carry.

use serde::{Deserialize, Serialize};
use units::{CallId, ElapsedMs, Medium, MicroCoins, Rate, ShareBps, UnixMs, UserId};

/// A side of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// Who pays.
    Fan,
    /// Who earns.
    Host,
}

/// A host's prices in micro-coins per minute. An absent medium is not for sale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prices {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voice: Option<Rate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video: Option<Rate>,
}

/// The prices an operator allows for one medium, ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceBand {
    pub min_micro_per_min: Rate,
    pub max_micro_per_min: Rate,
}

/// The band of each medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceBands {
    pub voice: PriceBand,
    pub video: PriceBand,
}

/// Whether a host can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostState {
    Online,
    Busy,
    Offline,
}

/// A host as fans see them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostCard {
    pub user: UserId,
    pub name: String,
    pub state: HostState,
    pub prices: Prices,
}

/// What a call would cost and how far the balance goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    pub host: UserId,
    pub medium: Medium,
    pub rate_micro_per_min: Rate,
    /// Media time at the start of the call that costs nothing.
    pub free_ms: ElapsedMs,
    /// The balance below which the call is refused.
    pub minimum_micro: MicroCoins,
    pub balance_micro: MicroCoins,
    /// How long the balance lasts at this price, free time included.
    pub lasts_ms: ElapsedMs,
}

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    /// The host's client rings. Free.
    Ringing,
    /// Accepted; media is being connected. Free.
    Connecting,
    /// The host's media has reached the fan.
    Live,
    /// Media is closed, the bill is being settled.
    Ending,
}

/// The other side of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerView {
    pub user: UserId,
    pub name: String,
    /// Whether their client is connected to signaling at this moment.
    pub online: bool,
    /// What they say they send (`media.state`).
    pub audio: bool,
    pub video: bool,
}

/// A call as one of its sides sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallView {
    pub call: CallId,
    pub state: CallState,
    pub you: Party,
    pub peer: PeerView,
    pub medium: Medium,
    /// The price, locked when the fan rang.
    pub rate_micro_per_min: Rate,
    /// The host's part of each coin.
    pub host_share_bps: ShareBps,
    /// While ringing: how long until it counts as unanswered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring_ends_in_ms: Option<ElapsedMs>,
}

/// Why a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The fan stopped ringing.
    Cancelled,
    /// The host said no.
    Declined,
    /// Nobody answered in time.
    Unanswered,
    HungUpByFan,
    HungUpByHost,
    /// The fan's balance is spent.
    FundsExhausted,
    /// The fan's client went away for longer than the grace period.
    FanLost,
    /// The host's client went away for longer than the grace period.
    HostLost,
    /// Media never came up.
    NotConnected,
    /// A server stopped in the middle; settled from what was durable.
    Interrupted,
    /// The fan's client confirmed nothing while media went out.
    Unconfirmed,
}

/// What a call cost, to the micro-coin. Both sides get the same one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    pub call: CallId,
    pub fan: UserId,
    pub host: UserId,
    pub medium: Medium,
    /// The price of the call's medium when it was opened.
    pub rate_micro_per_min: Rate,
    /// The price of time without the host's picture: the same in a voice call.
    pub voice_rate_micro_per_min: Rate,
    pub reason: EndReason,
    pub accepted_at_unix_ms: UnixMs,
    pub ended_at_unix_ms: UnixMs,
    /// The host's media that the fan's own client confirmed: the time that is billed.
    pub proven_ms: ElapsedMs,
    /// The part of it with the host's picture.
    pub video_ms: ElapsedMs,
    /// The part of it in which the host was silent. Moves no money by itself.
    pub silent_ms: ElapsedMs,
    /// The part of it in which the host's picture stood still. Moves no money by itself.
    pub frozen_ms: ElapsedMs,
    /// The part of it at the start that cost nothing.
    pub free_ms: ElapsedMs,
    /// What the fan paid by the tariff (PROTOCOL.md, "The end"), never more than they had.
    pub charged_micro: MicroCoins,
    /// The part of the charge in coins that were bought.
    pub paid_micro: MicroCoins,
    /// The part of the charge in coins that the platform gave.
    pub promo_micro: MicroCoins,
    pub host_share_bps: ShareBps,
    /// The host's part of the charge, rounded down.
    pub host_micro: MicroCoins,
    /// The platform's part: the rest.
    pub platform_micro: MicroCoins,
}

/// Coins that a call gave back by itself, after its receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallCredit {
    pub reason: CreditReason,
    pub amount_micro: MicroCoins,
    pub payer: CreditPayer,
    /// The first record of the signed receipt that proves the reason.
    pub from_n: u32,
    /// The last such record.
    pub to_n: u32,
}

/// Why coins were given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CreditReason {
    /// The host said nothing for too long.
    HostSilent,
    /// The host's picture stood still for too long.
    PictureFrozen,
    /// The call broke off at its beginning.
    EarlyDrop,
    /// A person decided.
    Support,
}

/// Who carries what was given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CreditPayer {
    Platform,
    Host,
    /// Each what they got of it.
    Both,
}
