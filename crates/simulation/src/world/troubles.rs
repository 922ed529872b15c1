//! Faults as they strike, and how they pass.

use super::{Event, World};
use crate::faults::Fault;
use billing_core::Input;
use units::MonotonicMs;

/// What ends a fault.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mend {
    MeterStarts(usize),
    HotBack,
    LedgerBack,
    WaysBack(usize),
}

impl World {
    pub(super) fn go_wrong(&mut self, now: MonotonicMs, fault: Fault) -> Result<(), String> {
        self.trace.note("fault", || format!("{fault:?}"));
        match fault {
            Fault::MeterCrash { meter } => {
                self.meters[meter].life = None;
                // What it had heard of calls whose relay is gone, nobody says again.
                self.auditor.excuse(self.relay.died.iter().copied());
                let back = now.0 + self.chance.between(100, 20_000);
                self.network.at(back, Event::Mend(Mend::MeterStarts(meter)));
            }
            Fault::MeterPause { meter, ms } => self.meters[meter].paused_until = now.0 + ms,
            Fault::MeterStops { meter } => {
                let at = self.meters[meter].unix(now);
                self.meter_hears(now, meter, Input::Draining { at })?;
                let back = now.0 + self.chance.between(10_000, 20_000);
                self.network.at(back, Event::Mend(Mend::MeterStarts(meter)));
            }
            Fault::RelayCrash => {
                self.relay.crash(&self.trace);
                if self.meters.iter().any(|meter| !meter.runs(now)) {
                    // What a dead or frozen meter had heard since its last checkpoint, nobody has.
                    self.auditor.excuse(self.relay.died.iter().copied());
                }
                self.connected.clear();
                // The new process tells whoever is connected that it knows of no rooms.
                let restarted = call_core::Input::Relay(call_core::RelayFact::Restarted);
                self.signaling_hears(now, restarted)?;
                self.tell_meters(now, |_| Input::RelayLost);
                for (call, place) in self.direct.clone() {
                    self.end_direct(now, call, place, billing_core::EndReason::Interrupted);
                }
            }
            Fault::HotFailover { behind_ms } => {
                let place = usize::try_from(behind_ms / super::SNAPSHOT_MS).expect("small");
                let last = self.snapshots.len().saturating_sub(1);
                if let Some(stale) = self.snapshots.get(place.min(last)) {
                    self.hot.fall_back(stale.clone());
                }
            }
            Fault::HotEmpty => self.hot.fall_back(store::hot::Snapshot::default()),
            Fault::HotAway { ms } => {
                Self::set(&self.ways[0].hot.away, true);
                self.network.at(now.0 + ms, Event::Mend(Mend::HotBack));
            }
            Fault::LedgerAway { ms } => {
                Self::set(&self.ways[0].ledger.away, true);
                self.network.at(now.0 + ms, Event::Mend(Mend::LedgerBack));
            }
            Fault::MeterFromHot { meter, ms } => {
                Self::set(&self.ways[meter].hot.cut, true);
                self.network.at(now.0 + ms, Event::Mend(Mend::WaysBack(meter)));
            }
            Fault::MeterFromLedger { meter, ms } => {
                Self::set(&self.ways[meter].ledger.cut, true);
                self.network.at(now.0 + ms, Event::Mend(Mend::WaysBack(meter)));
            }
            Fault::MeterFromAll { meter, ms } => {
                Self::set(&self.ways[meter].hot.cut, true);
                Self::set(&self.ways[meter].ledger.cut, true);
                self.network.at(now.0 + ms, Event::Mend(Mend::WaysBack(meter)));
            }
            Fault::CalendarJump { meter, by_ms } => self.meters[meter].calendar_ms += by_ms,
        }
        Ok(())
    }

    pub(super) fn mend(&mut self, mend: Mend) {
        self.trace.note("mended", || format!("{mend:?}"));
        match mend {
            Mend::MeterStarts(meter) => self.start_meter(meter),
            Mend::HotBack => Self::set(&self.ways[0].hot.away, false),
            Mend::LedgerBack => Self::set(&self.ways[0].ledger.away, false),
            Mend::WaysBack(meter) => {
                Self::set(&self.ways[meter].hot.cut, false);
                Self::set(&self.ways[meter].ledger.cut, false);
            }
        }
    }
}
