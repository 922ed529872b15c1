//! What a call carries, and so which price applies.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The medium a call is sold in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Medium {
    /// Audio both ways.
    Voice,
    /// Audio and video both ways.
    Video,
}

impl Medium {
    /// Every medium, for tables and loops.
    pub const ALL: [Self; 2] = [Self::Voice, Self::Video];

    /// The name used on the wire and in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Voice => "voice",
            Self::Video => "video",
        }
    }

    /// The medium of that [`name`](Self::name), or `None`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|medium| medium.name() == name)
    }
}

impl fmt::Display for Medium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
