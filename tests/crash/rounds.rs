//! Who dies when: drawn from one seed, so that a failure can be played again.

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use std::fmt;
use std::time::Duration;

/// A process that is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Victim {
    Meter(usize),
    Relay,
    Redis,
    Postgres,
}

impl fmt::Display for Victim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Meter(n) => write!(f, "meter {}", n + 1),
            Self::Relay => f.write_str("relay"),
            Self::Redis => f.write_str("Redis"),
            Self::Postgres => f.write_str("PostgreSQL"),
        }
    }
}

/// One crash.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    /// How long everything runs before.
    pub(crate) before: Duration,
    pub(crate) victims: Vec<Victim>,
    /// How long they stay down.
    pub(crate) down: Duration,
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let victims: Vec<String> = self.victims.iter().map(ToString::to_string).collect();
        let (before, down) = (self.before.as_millis(), self.down.as_millis());
        write!(f, "after {before} ms, for {down} ms: {}", victims.join(" + "))
    }
}

/// 30 crashes: every kind, in an order and at moments that follow from the seed.
pub(crate) fn draw(seed: u64) -> Vec<Round> {
    use Victim::{Meter, Postgres, Redis, Relay};
    let mut chance = StdRng::seed_from_u64(seed);
    let deck: [(usize, &[Victim]); 10] = [
        (4, &[Meter(0)]),
        (4, &[Meter(1)]),
        (6, &[Relay]),
        (6, &[Redis]),
        (4, &[Postgres]),
        (1, &[Meter(0), Redis]),
        (1, &[Meter(1), Redis]),
        (2, &[Redis, Postgres]),
        (1, &[Meter(0), Meter(1)]),
        (1, &[Meter(1), Postgres]),
    ];
    let mut victims: Vec<&[Victim]> =
        deck.into_iter().flat_map(|(times, victims)| vec![victims; times]).collect();
    victims.shuffle(&mut chance);
    let round = |victims: &[Victim]| Round {
        before: Duration::from_millis(chance.random_range(0..2_000)),
        victims: victims.to_vec(),
        // Most are restarted at once, as a supervisor would.
        down: Duration::from_millis(chance.random_range(0..1_000_u64) * chance.random_range(0..=3)),
    };
    victims.into_iter().map(round).collect()
}
