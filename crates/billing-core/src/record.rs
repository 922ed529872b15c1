//! What is written down: calls, targets, settlements, credits, receipts.
//!
//! A store keeps these; the [`Biller`](crate::Biller) asks for them. All are cumulative or named
//! by an id, so that each may be written twice.

use crate::{Change, Counted, Plan, Proven, RuleCredit, Split, Tariff};
use serde::{Deserialize, Serialize};
use units::{CallId, Coins, ElapsedMs, Medium, MicroCoins, ShareBps, SpendId, UnixMs, UserId};

/// What a call is sold at, locked before its first packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Who pays.
    pub fan: UserId,
    /// Who earns.
    pub host: UserId,
    pub medium: Medium,
    pub tariff: Tariff,
    /// The host's part of each charge.
    pub host_share: ShareBps,
}

macro_rules! end_reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// Why a call ended. Moves no money; it stands in the receipt.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum EndReason { $($(#[$doc])* $variant,)* }

        impl EndReason {
            /// Every reason.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name used in the database.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// The reason of that [`name`](Self::name), or `None`.
            #[must_use]
            pub fn parse(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|reason| reason.name() == name)
            }
        }
    };
}

end_reasons! {
    Cancelled = "cancelled",
    Declined = "declined",
    Unanswered = "unanswered",
    HungUpByFan = "hung_up_by_fan",
    HungUpByHost = "hung_up_by_host",
    FundsExhausted = "funds_exhausted",
    FanLost = "fan_lost",
    HostLost = "host_lost",
    NotConnected = "not_connected",
    /// A server stopped in the middle.
    Interrupted = "interrupted",
    /// The fan's client confirmed nothing while media went out.
    Unconfirmed = "unconfirmed",
}

/// A call to write down before media may flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenCall {
    pub call: CallId,
    pub terms: Terms,
    /// Refuse below these funds.
    pub minimum: MicroCoins,
    pub at: UnixMs,
}

/// A store's answer to an [`OpenCall`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// The call is durable, now or since before. `funds` is what the wallet has left.
    Open { live: LiveCall, funds: MicroCoins },
    /// The funds are below the minimum; nothing was written.
    NoFunds,
    /// The fan owes for a chargeback; nothing was written.
    Blocked,
    /// The call was settled already.
    Settled(Receipt),
    /// A call of that id is there at other terms; nothing was written.
    OtherTerms,
}

/// A call that is written down and not settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveCall {
    pub call: CallId,
    pub terms: Terms,
    /// The tariff's changes so far.
    pub changes: Vec<Change>,
    pub opened_at: UnixMs,
    /// When it was last written; when it was opened, if never.
    pub seen_at: UnixMs,
    pub proven: Proven,
    /// What the fan was charged so far.
    pub charged: Coins,
    /// How many evidence records are durable: the `n` of the next one.
    pub records: u32,
    /// The last of them, where a meter is to go on from it.
    pub last: Option<Box<EvidenceRecord>>,
}

/// What a call costs by now, in all. The target is its own idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub call: CallId,
    pub fan: UserId,
    /// The cumulative charge for `proven`.
    pub charge: MicroCoins,
    /// Proven media time, cumulative.
    pub proven: Proven,
}

/// What a store made of a batch of [`Target`]s.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The charge of each call now. A call that is not there or not open is missing.
    pub charged: Vec<(CallId, Coins)>,
    /// What is left in each wallet that was touched, after the whole batch.
    pub funds: Vec<(UserId, MicroCoins)>,
}

/// A call's state, to be made durable. Cumulative: written by maximum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub call: CallId,
    pub fan: UserId,
    pub proven: Proven,
    pub charged: Coins,
    /// Evidence since the last one that was written: records follow each other by their `n`.
    pub evidence: Vec<EvidenceRecord>,
}

/// What was known of a call at a moment; all of it cumulative. One a second stands in the receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceRecord {
    /// Counts the records of a call from 0.
    pub n: u32,
    /// Time since the call was opened, on the meter's monotonic clock.
    pub at: ElapsedMs,
    pub counted: Counted,
    /// What the fan was charged.
    pub charged: MicroCoins,
}

/// A call's end, to be posted; or, without `end`, what was charged so far of one that goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The last word on charge and media; what is durable stays if it is more.
    pub target: Target,
    /// `None`: post what was charged so far, and let the call go on.
    pub end: Option<End>,
    /// Evidence that no checkpoint has brought yet.
    pub evidence: Vec<EvidenceRecord>,
}

/// How and when a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    pub reason: EndReason,
    pub at: UnixMs,
}

/// What a call cost. Written once, never changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub call: CallId,
    pub terms: Terms,
    pub changes: Vec<Change>,
    pub reason: EndReason,
    pub opened_at: UnixMs,
    pub ended_at: UnixMs,
    /// Proven media time.
    pub proven: Proven,
    /// What the fan paid: the plan's charge for `proven`, never more than they had.
    pub charged: Coins,
}

impl Receipt {
    /// What the call was sold at.
    #[must_use]
    pub fn plan(&self) -> Plan {
        Plan { tariff: self.terms.tariff, changes: self.changes.clone() }
    }

    /// The fan's coins of both kinds.
    ///
    /// # Panics
    /// Never: a charge is at most [`MicroCoins::MAX`].
    #[must_use]
    pub fn total(&self) -> MicroCoins {
        self.charged.total().expect("a charge is an amount")
    }

    /// Who got which part.
    #[must_use]
    pub fn split(&self) -> Split {
        Split::of_coins(self.charged, self.terms.host_share)
    }
}

/// A store's answer to a [`Settlement`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The call is over.
    Final {
        receipt: Receipt,
        /// What is left in the fan's wallet.
        funds: MicroCoins,
        /// What the fan got back by rule, in the same step as the bill. In `funds` already.
        credits: Vec<RuleCredit>,
    },
    /// The call goes on; this much of it is in the ledger.
    Interim { call: CallId, posted: Coins },
    /// There is no such call.
    Unknown(CallId),
}

/// Coins to add to a wallet, once per `id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credit {
    pub id: String,
    pub user: UserId,
    pub amount: MicroCoins,
    pub kind: CreditKind,
    pub at: UnixMs,
}

/// Where credited coins come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CreditKind {
    /// Bought: paid coins, less what the fan owes.
    Purchase,
    /// A present of the platform: promo coins.
    Promo,
    /// Given back for a call, at most what it cost in all: the coins that paid for it.
    Refund { call: CallId, payer: Payer, reason: RefundReason },
}

/// Who carries a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Payer {
    Platform,
    Host,
    /// Each what they got of it.
    Both,
}

/// Why coins were given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundReason {
    /// The host said nothing for too long.
    HostSilent,
    /// The host's picture stood still for too long.
    PictureFrozen,
    /// The call broke off at its beginning.
    EarlyDrop,
    /// A person decided.
    Support,
}

/// A store's answer to a [`Credit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crediting {
    /// Added now; the funds afterwards.
    Added { funds: MicroCoins },
    /// Added before; the funds now.
    Repeated { funds: MicroCoins },
    /// The id was used for another credit; nothing was added.
    OtherCredit,
    /// The wallet's credits would pass [`MicroCoins::MAX`]; nothing was added.
    TooLarge,
    /// A refund of a call that is not settled, not this user's, or that would then have been
    /// refunded beyond its cost; nothing was added.
    NotRefundable,
}

/// Coins to take from a wallet at once, once per `id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spend {
    pub id: SpendId,
    pub fan: UserId,
    pub amount: MicroCoins,
    pub kind: SpendKind,
    pub at: UnixMs,
}

/// What coins are taken for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SpendKind {
    /// A present to a host: all of it or nothing.
    Gift { host: UserId, host_share: ShareBps },
    /// The bank took a purchase back: whatever is there of paid coins, then of promo coins; the
    /// rest is owed.
    Chargeback,
}

/// A store's answer to a [`Spend`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spending {
    /// Taken, now or before; the funds now.
    Taken { coins: Coins, funds: MicroCoins },
    /// The funds are less than the amount; nothing was taken, now or before.
    NoFunds,
    /// The id was used for another spending; nothing was taken.
    OtherSpend,
}

/// The clamp (BILLING.md, rule 10): a call's charge after `target` was asked for, with `funds` left
/// in the wallet. Promo coins go first.
///
/// `max(charged, min(target, charged + funds))`: never falls, never spends what is not there, and
/// asking again changes nothing.
#[must_use]
pub fn advance(charged: Coins, target: MicroCoins, funds: Coins) -> Coins {
    let total = charged.total().unwrap_or(MicroCoins::MAX);
    let owed = target.saturating_sub(total);
    let promo = owed.min(funds.promo);
    let paid = owed.saturating_sub(promo).min(funds.paid);
    charged.checked_add(Coins { paid, promo }).unwrap_or(charged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_never_falls_and_never_passes_the_funds() {
        // charged, target, funds, expected; coins as `paid+promo`.
        for (charged, target, funds, expected) in [
            ("1+0", "2", "5+0", "2+0"),
            ("1+0", "2", "1+0", "2+0"),
            ("1+0", "2", "0.5+0", "1.5+0"),
            ("1+0", "2", "0+0", "1+0"),
            ("2+0", "1", "5+5", "2+0"),
            ("2+0", "2", "0+0", "2+0"),
            ("0+0", "2", "5+1.5", "0.5+1.5"),
            ("0+1", "2", "5+0.5", "0.5+1.5"),
            ("0+0", "9", "1+1", "1+1"),
        ] {
            let coins = |text: &str| {
                let (paid, promo) = text.split_once('+').unwrap();
                Coins { paid: paid.parse().unwrap(), promo: promo.parse().unwrap() }
            };
            let target = target.parse().unwrap();
            assert_eq!(advance(coins(charged), target, coins(funds)), coins(expected));
        }
    }

    #[test]
    fn reasons_are_read_back_by_name() {
        for reason in EndReason::ALL {
            assert_eq!(EndReason::parse(reason.name()), Some(*reason));
        }
        assert_eq!(EndReason::parse("bored"), None);
    }
}
