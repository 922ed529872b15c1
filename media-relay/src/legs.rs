//! All legs of a worker, found by name, by address and by time.

use crate::ice::Credentials;
use crate::leg::Leg;
use crate::sdp::Session;
use foldhash::fast::RandomState;
use service_kit::Clock;
use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use units::{ElapsedMs, MonotonicUs};

/// Names a leg within the process; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LegId(u64);

/// How long after its last check an address stays with its leg although another leg's client shows
/// a valid check from there. A client can forge the source of its own checks, and must not draw
/// away a stranger's media by it; longer would only delay a client that reuses a port.
const ADDRESS_HOLD: ElapsedMs = ElapsedMs::from_secs(5);

/// All legs. The tables are hashed with a random seed and hold nothing that was not verified.
#[derive(Default)]
pub(crate) struct Legs {
    last: u64,
    legs: HashMap<LegId, Entry, RandomState>,
    by_ufrag: HashMap<String, LegId, RandomState>,
    by_address: HashMap<SocketAddr, LegId, RandomState>,
    timers: BTreeSet<(MonotonicUs, LegId)>,
}

struct Entry {
    leg: Leg,
    wake_at: MonotonicUs,
}

impl Legs {
    pub(crate) fn len(&self) -> usize {
        self.legs.len()
    }

    pub(crate) fn insert(&mut self, leg: Leg, clock: &Clock) -> LegId {
        self.last += 1;
        let id = LegId(self.last);
        let wake_at = leg.next_wake(clock);
        self.by_ufrag.extend(leg.ice().ufrags().map(|ufrag| (ufrag.to_owned(), id)));
        self.timers.insert((wake_at, id));
        self.legs.insert(id, Entry { leg, wake_at });
        id
    }

    /// Forgets a leg, if it is there.
    pub(crate) fn remove(&mut self, id: LegId) {
        let Some(Entry { leg, wake_at }) = self.legs.remove(&id) else {
            return;
        };
        self.timers.remove(&(wake_at, id));
        for ufrag in leg.ice().ufrags() {
            self.by_ufrag.remove(ufrag);
        }
        for address in leg.ice().addresses() {
            self.release(id, address);
        }
    }

    pub(crate) fn get(&self, id: LegId) -> Option<&Leg> {
        self.legs.get(&id).map(|entry| &entry.leg)
    }

    pub(crate) fn get_mut(&mut self, id: LegId) -> Option<&mut Leg> {
        self.legs.get_mut(&id).map(|entry| &mut entry.leg)
    }

    /// The one of these legs that is the connection to the peer connection of an offer.
    pub(crate) fn of_session(
        &self,
        mut legs: impl Iterator<Item = LegId>,
        session: &Session,
    ) -> Option<LegId> {
        legs.find(|id| self.get(*id).is_some_and(|leg| leg.is_of(session)))
    }

    pub(crate) fn by_ufrag(&self, ufrag: &str) -> Option<LegId> {
        self.by_ufrag.get(ufrag).copied()
    }

    pub(crate) fn by_address(&self, address: SocketAddr) -> Option<LegId> {
        self.by_address.get(&address).copied()
    }

    /// Lets a leg's ICE begin anew under other credentials.
    pub(crate) fn restart(&mut self, id: LegId, local: Credentials, peer_ufrag: String) {
        let Some(Entry { leg, .. }) = self.legs.get_mut(&id) else { return };
        for ufrag in leg.ice().ufrags() {
            self.by_ufrag.remove(ufrag);
        }
        leg.restart(local, peer_ufrag);
        self.by_ufrag.extend(leg.ice().ufrags().map(|ufrag| (ufrag.to_owned(), id)));
    }

    /// Nobody is named by this user fragment any more.
    pub(crate) fn forget_ufrag(&mut self, ufrag: &str) {
        self.by_ufrag.remove(ufrag);
    }

    /// Whether a check from `address` may make it this leg's.
    pub(crate) fn may_take(&self, now: MonotonicUs, id: LegId, address: SocketAddr) -> bool {
        let Some(owner) = self.by_address(address).filter(|owner| *owner != id) else {
            return true;
        };
        let (Some(owner), Some(taker)) = (self.get(owner), self.get(id)) else {
            return true;
        };
        // The same side may rejoin from the same socket.
        let held_until = owner.ice().checked_at(address).map(|at| at + ADDRESS_HOLD);
        owner.place() == taker.place() || held_until.is_none_or(|until| until <= now)
    }

    /// Makes `address` this leg's.
    pub(crate) fn bind(&mut self, id: LegId, address: SocketAddr) {
        self.by_address.insert(address, id);
    }

    /// Forgets that `address` is this leg's, if it is.
    pub(crate) fn release(&mut self, id: LegId, address: SocketAddr) {
        if self.by_address(address) == Some(id) {
            self.by_address.remove(&address);
        }
    }

    /// Sets a leg's timer anew after it was touched.
    pub(crate) fn rearm(&mut self, id: LegId, clock: &Clock) {
        if let Some(entry) = self.legs.get_mut(&id) {
            let wake_at = entry.leg.next_wake(clock);
            if wake_at != entry.wake_at {
                self.timers.remove(&(entry.wake_at, id));
                self.timers.insert((wake_at, id));
                entry.wake_at = wake_at;
            }
        }
    }

    /// The leg whose timer is next, and when.
    pub(crate) fn next_timer(&self) -> Option<(MonotonicUs, LegId)> {
        self.timers.first().copied()
    }
}
