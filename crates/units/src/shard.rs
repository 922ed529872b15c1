//! Which part of all wallets a wallet belongs to.

use crate::UserId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One of [`Shard::COUNT`] fixed parts of all wallets. A meter owns whole shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shard(u16);

impl Shard {
    /// How many there are, for ever: a wallet's shard follows from its owner's id.
    pub const COUNT: u16 = 1_024;

    /// The shard of `user`'s wallet: the FNV-1a hash of the id (64 bit), modulo [`Self::COUNT`].
    #[must_use]
    pub fn of(user: &UserId) -> Self {
        let hash = user.as_str().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self(u16::try_from(hash % u64::from(Self::COUNT)).expect("less than the count"))
    }

    /// The shard of that number, or `None` from [`Self::COUNT`] on.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        if number < Self::COUNT { Some(Self(number)) } else { None }
    }

    /// Every shard.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).map(Self)
    }

    /// Its number: 0 to 1,023.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{:04}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wallets_shard_never_changes_and_wallets_spread_evenly() {
        // Wallets in every database out there depend on these.
        for (user, shard) in [("asha", 474), ("fan:1", 619)] {
            assert_eq!(Shard::of(&user.parse().unwrap()).number(), shard);
        }
        let mut counts = vec![0_u32; usize::from(Shard::COUNT)];
        for n in 0..102_400 {
            let shard = Shard::of(&format!("user:{n}").parse().unwrap());
            counts[usize::from(shard.number())] += 1;
        }
        assert!(counts.iter().all(|count| (50..200).contains(count)));
        assert_eq!((Shard::all().count(), Shard::new(1_024)), (1_024, None));
    }
}
