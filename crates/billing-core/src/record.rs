//! What is written down: calls, targets, settlements, credits, receipts.
//!
//! A store keeps these; the [`Biller`](crate::Biller) asks for them. All are cumulative or named
//! by an id, so that each may be written twice.

use crate::{Split, Tariff};
use serde::{Deserialize, Serialize};
use units::{CallId, ElapsedMs, Medium, MicroCoins, ShareBps, UnixMs, UserId};

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
    Open { charged: MicroCoins, media: ElapsedMs, funds: MicroCoins },
    /// The funds are below the minimum; nothing was written.
    NoFunds,
    /// The call was settled already.
    Settled(Receipt),
    /// A call of that id is there at other terms; nothing was written.
    OtherTerms,
}

/// What a call costs by now, in all. The target is its own idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    pub call: CallId,
    /// The cumulative charge for `media`.
    pub charge: MicroCoins,
    /// Proven media time, cumulative.
    pub media: ElapsedMs,
}

/// What a store made of a batch of [`Target`]s.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The charge of each call now. A call that is not there or not open is missing.
    pub charged: Vec<(CallId, MicroCoins)>,
    /// What is left in each wallet that was touched, after the whole batch.
    pub funds: Vec<(UserId, MicroCoins)>,
}

/// A call's end, to be posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The last word on charge and media; what is durable stays if it is more.
    pub target: Target,
    pub reason: EndReason,
    pub ended_at: UnixMs,
}

/// What a call cost. Written once, never changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub call: CallId,
    pub terms: Terms,
    pub reason: EndReason,
    pub opened_at: UnixMs,
    pub ended_at: UnixMs,
    /// Proven media time.
    pub media: ElapsedMs,
    /// What the fan paid: the tariff's charge for `media`, never more than they had.
    pub charged: MicroCoins,
}

impl Receipt {
    /// Who got which part.
    #[must_use]
    pub fn split(&self) -> Split {
        Split::of(self.charged, self.terms.host_share)
    }
}

/// A store's answer to a [`Settlement`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    pub receipt: Receipt,
    /// What is left in the fan's wallet.
    pub funds: MicroCoins,
}

/// Coins to add to a wallet, once per `id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credit {
    pub id: String,
    pub user: UserId,
    pub amount: MicroCoins,
    pub at: UnixMs,
}

/// A store's answer to a [`Credit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crediting {
    /// Added now; the funds afterwards.
    Added { funds: MicroCoins },
    /// Added before; the funds now.
    Repeated { funds: MicroCoins },
    /// The id was used for another user or amount; nothing was added.
    OtherCredit,
    /// The wallet's credits would pass [`MicroCoins::MAX`]; nothing was added.
    TooLarge,
}

/// The clamp (BILLING.md, rule 10): a call's charge after `target` was asked for, with `funds` left
/// in the wallet.
///
/// `max(charged, min(target, charged + funds))`: never falls, never spends what is not there, and
/// asking again changes nothing.
#[must_use]
pub fn advance(charged: MicroCoins, target: MicroCoins, funds: MicroCoins) -> MicroCoins {
    let affordable = charged.checked_add(funds).unwrap_or(MicroCoins::MAX);
    charged.max(target.min(affordable))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_never_falls_and_never_passes_the_funds() {
        for (charged, target, funds, expected) in [
            ("1", "2", "5", "2"),
            ("1", "2", "1", "2"),
            ("1", "2", "0.5", "1.5"),
            ("1", "2", "0", "1"),
            ("2", "1", "5", "2"),
            ("2", "2", "0", "2"),
        ] {
            let [charged, target, funds, expected]: [MicroCoins; 4] =
                [charged, target, funds, expected].map(|coins| coins.parse().unwrap());
            assert_eq!(advance(charged, target, funds), expected);
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
