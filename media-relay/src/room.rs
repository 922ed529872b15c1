//! A call's two places in the relay.

use crate::legs::LegId;
use media_core::{Carried, Side};

/// A call's two places, and what it has carried.
#[derive(Debug, Default)]
pub(crate) struct Room {
    fan: Seat,
    host: Seat,
    /// Nobody may join any more; the last proof is awaited.
    pub(crate) closing: bool,
    /// The last totals that were reported, to the fan and to the host: what is left to say if the
    /// packet path itself breaks.
    pub(crate) carried: (Carried, Carried),
}

/// One client's connections. A rejoin leaves the earlier one in use until the new one is connected.
#[derive(Debug, Default)]
pub(crate) struct Seat {
    /// Carries media.
    pub(crate) connected: Option<LegId>,
    /// Answered, not yet connected. The latest offer counts.
    pub(crate) joining: Option<LegId>,
}

impl Room {
    pub(crate) const fn seat(&self, side: Side) -> &Seat {
        match side {
            Side::Fan => &self.fan,
            Side::Host => &self.host,
        }
    }

    pub(crate) const fn seat_mut(&mut self, side: Side) -> &mut Seat {
        match side {
            Side::Fan => &mut self.fan,
            Side::Host => &mut self.host,
        }
    }

    /// All legs of the call.
    pub(crate) fn legs(&self) -> impl Iterator<Item = LegId> {
        Side::ALL.into_iter().flat_map(|side| self.seat(side).legs())
    }
}

impl Seat {
    /// All legs of the side.
    pub(crate) fn legs(&self) -> impl Iterator<Item = LegId> {
        [self.connected, self.joining].into_iter().flatten()
    }

    /// The leg of the side's latest offer.
    pub(crate) fn latest(&self) -> Option<LegId> {
        self.joining.or(self.connected)
    }
}
