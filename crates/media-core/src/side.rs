//! The two sides of a call and the legs that they connect by.

use units::CallId;

/// A side of a call. The fan pays, so the fan's leg is where the host's media must be proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    Fan,
    Host,
}

impl Side {
    /// Both sides, for loops.
    pub const ALL: [Self; 2] = [Self::Fan, Self::Host];

    /// The other side.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Fan => Self::Host,
            Self::Host => Self::Fan,
        }
    }

    /// The place of what belongs to this side in a pair.
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Fan => 0,
            Self::Host => 1,
        }
    }
}

/// One member's connection in one group. The forwarder gives both numbers, counted from 0 and given
/// anew after the end of what had them, so that they may index a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupLeg {
    pub group: u32,
    pub seat: u32,
}

/// One side's connection in one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegKey {
    pub call: CallId,
    pub side: Side,
}
