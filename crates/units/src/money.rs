//! Coins, prices and shares as integers.
//!
//! * 1 coin = 1,000,000 micro-coins.
//! * An amount never exceeds [`MicroCoins::MAX`] = 2^53, so that JavaScript, JSON and Redis scripts
//!   hold it exactly.
//! * Decimals exist only at the edges: [`MicroCoins::try_from`] a [`Decimal`], and `Display`.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

const MICRO_PER_COIN: u64 = 1_000_000;

/// An amount of coins, in micro-coins: 0 to 2^53.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "u64", into = "u64")]
pub struct MicroCoins(u64);

/// Why a number is no amount, price or share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Above the largest value that is held exactly everywhere.
    #[error("larger than the largest amount")]
    TooLarge,
    /// Below zero.
    #[error("an amount is never negative")]
    Negative,
    /// Finer than a micro-coin.
    #[error("an amount has at most six decimals")]
    TooFine,
    /// Not a decimal number.
    #[error("not a decimal number")]
    Malformed,
}

impl MicroCoins {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest amount: 2^53 micro-coins, about 9.007 billion coins.
    pub const MAX: Self = Self(1 << 53);

    /// An amount of `micro` micro-coins.
    ///
    /// # Errors
    /// [`MoneyError::TooLarge`] above [`Self::MAX`].
    pub const fn new(micro: u64) -> Result<Self, MoneyError> {
        if micro <= Self::MAX.0 { Ok(Self(micro)) } else { Err(MoneyError::TooLarge) }
    }

    /// An amount of whole coins, for constants and tests.
    ///
    /// # Panics
    /// Above [`Self::MAX`].
    #[must_use]
    pub const fn coins(coins: u64) -> Self {
        assert!(coins <= Self::MAX.0 / MICRO_PER_COIN, "more coins than a wallet can hold");
        Self(coins * MICRO_PER_COIN)
    }

    /// The amount in micro-coins.
    #[must_use]
    pub const fn micro(self) -> u64 {
        self.0
    }

    /// The sum, or `None` above [`Self::MAX`].
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        Self::new(self.0.checked_add(other.0)?).ok()
    }

    /// The difference, or `None` if `other` is larger.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// The difference, or nothing if `other` is larger.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl TryFrom<u64> for MicroCoins {
    type Error = MoneyError;

    fn try_from(micro: u64) -> Result<Self, MoneyError> {
        Self::new(micro)
    }
}

impl From<MicroCoins> for u64 {
    fn from(amount: MicroCoins) -> Self {
        amount.0
    }
}

impl TryFrom<Decimal> for MicroCoins {
    type Error = MoneyError;

    /// Reads an amount in coins; refuses what micro-coins can't hold exactly.
    fn try_from(coins: Decimal) -> Result<Self, MoneyError> {
        if coins.is_sign_negative() && !coins.is_zero() {
            return Err(MoneyError::Negative);
        }
        let micro = coins.checked_mul(MICRO_PER_COIN.into()).ok_or(MoneyError::TooLarge)?;
        if micro.normalize().scale() > 0 {
            return Err(MoneyError::TooFine);
        }
        Self::new(micro.try_into().map_err(|_| MoneyError::TooLarge)?)
    }
}

impl From<MicroCoins> for Decimal {
    fn from(amount: MicroCoins) -> Self {
        Self::from_i128_with_scale(amount.0.into(), 6)
    }
}

impl FromStr for MicroCoins {
    type Err = MoneyError;

    /// Reads an amount in coins, such as `5.00`.
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        text.parse::<Decimal>().map_err(|_| MoneyError::Malformed)?.try_into()
    }
}

impl fmt::Display for MicroCoins {
    /// Writes coins with two to six decimals: `5.00`, `0.083333`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, micro) = (self.0 / MICRO_PER_COIN, self.0 % MICRO_PER_COIN);
        let decimals = format!("{micro:06}");
        let kept = decimals.trim_end_matches('0').len().max(2);
        write!(f, "{whole}.{}", &decimals[..kept])
    }
}

/// A price in micro-coins per minute of media.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "u64", into = "u64")]
pub struct Rate(u64);

impl Rate {
    /// The highest price: 100,000 coins per minute. Times the longest call it stays below 2^64.
    pub const MAX: Self = Self(100_000 * MICRO_PER_COIN);

    /// A price of `micro` micro-coins per minute.
    ///
    /// # Errors
    /// [`MoneyError::TooLarge`] above [`Self::MAX`].
    pub const fn per_minute(micro: u64) -> Result<Self, MoneyError> {
        if micro <= Self::MAX.0 { Ok(Self(micro)) } else { Err(MoneyError::TooLarge) }
    }

    /// The price in micro-coins per minute.
    #[must_use]
    pub const fn micro_per_minute(self) -> u64 {
        self.0
    }
}

impl TryFrom<u64> for Rate {
    type Error = MoneyError;

    fn try_from(micro: u64) -> Result<Self, MoneyError> {
        Self::per_minute(micro)
    }
}

impl From<Rate> for u64 {
    fn from(rate: Rate) -> Self {
        rate.0
    }
}

impl FromStr for Rate {
    type Err = MoneyError;

    /// Reads a price in coins per minute, such as `2.50`.
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        Self::per_minute(text.parse::<MicroCoins>()?.micro())
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        MicroCoins(self.0).fmt(f)
    }
}

/// What a minute costs, without and with the host's picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rates {
    /// A minute of voice alone: all of a voice call, and a video call whose camera is off.
    pub voice: Rate,
    /// A minute with picture. Of a voice call, the same as `voice`.
    pub video: Rate,
}

impl Rates {
    /// One price for both.
    #[must_use]
    pub const fn flat(rate: Rate) -> Self {
        Self { voice: rate, video: rate }
    }

    /// The dearer of the two.
    #[must_use]
    pub fn highest(self) -> Rate {
        self.voice.max(self.video)
    }

    /// The cheaper of the two.
    #[must_use]
    pub fn lowest(self) -> Rate {
        self.voice.min(self.video)
    }
}

/// An amount by kind of coin. Promo coins are spent first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Coins {
    /// Coins that were bought.
    pub paid: MicroCoins,
    /// Coins that the platform gave.
    pub promo: MicroCoins,
}

impl Coins {
    /// None of either.
    pub const ZERO: Self = Self { paid: MicroCoins::ZERO, promo: MicroCoins::ZERO };

    /// Both together, or `None` above [`MicroCoins::MAX`].
    #[must_use]
    pub fn total(self) -> Option<MicroCoins> {
        self.paid.checked_add(self.promo)
    }

    /// The sum kind by kind, or `None` if the total would pass [`MicroCoins::MAX`].
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let sum = Self {
            paid: self.paid.checked_add(other.paid)?,
            promo: self.promo.checked_add(other.promo)?,
        };
        sum.total().map(|_| sum)
    }

    /// The difference kind by kind, each at least nothing.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self {
            paid: self.paid.saturating_sub(other.paid),
            promo: self.promo.saturating_sub(other.promo),
        }
    }

    /// The larger of each kind: how cumulative amounts merge.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self { paid: self.paid.max(other.paid), promo: self.promo.max(other.promo) }
    }
}

/// A share in hundredths of a percent: 0 to 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct ShareBps(u16);

impl ShareBps {
    /// The whole.
    pub const WHOLE: Self = Self(10_000);

    /// A share of `bps` hundredths of a percent.
    ///
    /// # Errors
    /// [`MoneyError::TooLarge`] above the whole.
    pub const fn new(bps: u16) -> Result<Self, MoneyError> {
        if bps <= Self::WHOLE.0 { Ok(Self(bps)) } else { Err(MoneyError::TooLarge) }
    }

    /// The share in hundredths of a percent.
    #[must_use]
    pub const fn bps(self) -> u16 {
        self.0
    }
}

impl TryFrom<u16> for ShareBps {
    type Error = MoneyError;

    fn try_from(bps: u16) -> Result<Self, MoneyError> {
        Self::new(bps)
    }
}

impl From<ShareBps> for u16 {
    fn from(share: ShareBps) -> Self {
        share.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_read_and_print_as_coins() {
        for (text, micro, printed) in [
            ("5", 5_000_000, "5.00"),
            ("0.083333", 83_333, "0.083333"),
            ("1.5", 1_500_000, "1.50"),
            ("9007199254.740992", 1 << 53, "9007199254.740992"),
        ] {
            let amount: MicroCoins = text.parse().unwrap();
            assert_eq!((amount.micro(), amount.to_string().as_str()), (micro, printed));
        }
    }

    #[test]
    fn amounts_that_cannot_be_held_exactly_are_refused() {
        for (text, error) in [
            ("-1", MoneyError::Negative),
            ("0.0000001", MoneyError::TooFine),
            ("9007199254.740993", MoneyError::TooLarge),
            ("79228162514264337593543950335", MoneyError::TooLarge),
            ("five", MoneyError::Malformed),
        ] {
            assert_eq!(text.parse::<MicroCoins>(), Err(error), "{text}");
        }
    }

    #[test]
    fn json_refuses_amounts_above_the_largest() {
        assert!(serde_json::from_str::<MicroCoins>("9007199254740992").is_ok());
        assert!(serde_json::from_str::<MicroCoins>("9007199254740993").is_err());
        assert!(serde_json::from_str::<Rate>("100000000001").is_err());
        assert!(serde_json::from_str::<ShareBps>("10001").is_err());
    }

    proptest! {
        #[test]
        fn printing_and_reading_gives_the_same_amount(micro in 0..=MicroCoins::MAX.micro()) {
            let amount = MicroCoins::new(micro).unwrap();
            prop_assert_eq!(amount.to_string().parse::<MicroCoins>(), Ok(amount));
            prop_assert_eq!(MicroCoins::try_from(Decimal::from(amount)), Ok(amount));
        }
    }
}
