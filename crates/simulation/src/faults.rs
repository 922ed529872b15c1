//! What goes wrong in a world, drawn from its seed.

use crate::Chance;

/// One thing that goes wrong, or is set right again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    MeterCrash {
        meter: usize,
    },
    /// The process stands still (a long pause of the machine) and then goes on as if nothing had
    /// happened: it may still believe that it owns its shards.
    MeterPause {
        meter: usize,
        ms: u64,
    },
    MeterStops {
        meter: usize,
    },
    RelayCrash,
    /// The hot store comes back as it was a while ago: a replica that had lagged was promoted.
    HotFailover {
        behind_ms: u64,
    },
    HotEmpty,
    HotAway {
        ms: u64,
    },
    LedgerAway {
        ms: u64,
    },
    /// One meter can't reach one of its neighbours.
    MeterFromHot {
        meter: usize,
        ms: u64,
    },
    MeterFromLedger {
        meter: usize,
        ms: u64,
    },
    MeterFromAll {
        meter: usize,
        ms: u64,
    },
    /// The wall clock jumps.
    CalendarJump {
        meter: usize,
        by_ms: i64,
    },
}

/// Which kinds of trouble a world has.
#[derive(Clone, Debug)]
pub(crate) struct Weather {
    /// Once in how many requests to a store something is lost; 0: never.
    pub(crate) store_trouble: u64,
    /// Once in how many messages between processes one is lost, doubled or late; 0: never.
    pub(crate) message_trouble: u64,
    /// Faults and when they come.
    pub(crate) faults: Vec<(u64, Fault)>,
}

impl Weather {
    /// Weather for a world of `meters` meters that goes on for `until_ms`. One world in six has no
    /// fault at all: there every bill must be exact.
    pub(crate) fn draw(chance: &Chance, meters: usize, until_ms: u64) -> Self {
        if chance.one_in(6) {
            return Self { store_trouble: 0, message_trouble: 0, faults: Vec::new() };
        }
        let often = |n: u64| if chance.one_in(n) { 0 } else { chance.between(15, 200) };
        let (store_trouble, message_trouble) = (often(3), often(3));
        let count = chance.between(0, 6);
        let mut faults: Vec<_> =
            (0..count).map(|_| (chance.between(2_000, until_ms), fault(chance, meters))).collect();
        faults.sort_by_key(|(at, _)| *at);
        Self { store_trouble, message_trouble, faults }
    }

    /// Whether nothing at all goes wrong.
    pub(crate) fn is_fair(&self) -> bool {
        self.store_trouble == 0 && self.message_trouble == 0 && self.faults.is_empty()
    }
}

fn fault(chance: &Chance, meters: usize) -> Fault {
    let meter = chance.index(meters);
    let ms = chance.between(100, 25_000);
    match chance.between(0, 11) {
        0 | 1 => Fault::MeterCrash { meter },
        2 => Fault::MeterPause { meter, ms },
        3 => Fault::MeterStops { meter },
        4 => Fault::RelayCrash,
        5 => Fault::HotFailover { behind_ms: chance.between(10, 8_000) },
        6 => Fault::HotEmpty,
        7 => Fault::HotAway { ms },
        8 => Fault::LedgerAway { ms },
        9 => Fault::MeterFromHot { meter, ms },
        10 if chance.one_in(2) => Fault::MeterFromLedger { meter, ms },
        10 => Fault::MeterFromAll { meter, ms },
        _ => {
            let by = i64::try_from(chance.between(1, 7_200_000)).expect("two hours");
            Fault::CalendarJump { meter, by_ms: if chance.one_in(2) { by } else { -by } }
        }
    }
}
