//! What the operator decides about all calls.

use crate::{Plan, Proven, Tariff};
use units::{ElapsedMs, Medium, MicroCoins, Rates, ShareBps};

/// What the operator decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The host's part of each charge.
    pub host_share: ShareBps,
    /// Media time at the start of each call that costs nothing.
    pub free: ElapsedMs,
    /// Charged time is rounded up to a multiple of this; 0 and 1 bill the exact millisecond.
    pub pulse: ElapsedMs,
    /// The least time that is charged, once any is.
    pub least_charged: ElapsedMs,
    /// Charged once, as soon as any time is charged.
    pub connect_fee: MicroCoins,
    /// A call is opened only if the funds buy this much charged media time.
    pub minimum: ElapsedMs,
    /// How often charges are taken from hot balances.
    pub tick: ElapsedMs,
    /// How often they are made durable, with their evidence.
    pub checkpoint: ElapsedMs,
    /// How much media may go out with nothing of it confirmed before the call is ended.
    pub unconfirmed: ElapsedMs,
    pub ownership: Ownership,
}

/// Whose the wallets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// All are this meter's for as long as it runs, and the relay dies with it: calls that are
    /// found open at the start are settled as interrupted before anything else.
    Alone,
    /// Several meters share the shards. A lease ends `ttl` after it was last prolonged, which is
    /// tried every `renew`.
    Shared { ttl: ElapsedMs, renew: ElapsedMs },
}

impl Settings {
    /// The tariff of a call at these prices.
    #[must_use]
    pub const fn tariff(&self, rates: Rates) -> Tariff {
        Tariff {
            rates,
            free: self.free,
            pulse: self.pulse,
            minimum: self.least_charged,
            connect_fee: self.connect_fee,
        }
    }

    /// The funds below which no call is opened at these prices (BILLING.md, rule 6).
    #[must_use]
    pub fn minimum_funds(&self, rates: Rates, medium: Medium) -> MicroCoins {
        let media = self.free + self.minimum;
        let proven = match medium {
            Medium::Voice => Proven::voice(media),
            Medium::Video => Proven::video(media),
        };
        Plan::new(self.tariff(rates)).charge(proven)
    }
}
