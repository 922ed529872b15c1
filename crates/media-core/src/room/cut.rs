//! The end of the limit: held until the last proof is in, then told.

use super::{LAST_PROOF_WITHIN, Phase, Room};
use crate::{Event, Outbox, Side};
use units::{ElapsedMs, MonotonicUs};

/// How often the last packet is repeated until the fan confirms it: nothing comes after it by which
/// the fan's client could miss it, and without its proof the end of the funds stays unspent. More
/// often helps little, since losses come in bursts; seldom leaves few tries within the wait.
const REPEAT_EVERY: ElapsedMs = ElapsedMs(100);

impl Room {
    /// Forwards nothing more until it is known whether all of the limit was proven.
    pub(super) fn hold(&mut self, now: MonotonicUs, out: &mut Outbox) {
        self.phase = Phase::Held { until: now + LAST_PROOF_WITHIN, repeat: now + REPEAT_EVERY };
        self.review(now, out);
        self.note_idle(now);
    }

    /// Whether the host's media has used up the limit, as far as it isn't lost.
    pub(super) fn has_reached_limit(&self) -> bool {
        self.toward(Side::Fan).evidence.reaches(self.funded)
    }

    /// Holds, goes on, or tells the end, by what is proven and lost at `now`.
    pub(super) fn review(&mut self, now: MonotonicUs, out: &mut Outbox) {
        self.toward[Side::Fan.index()].evidence.expire(now);
        match (self.phase, self.has_reached_limit()) {
            (Phase::Open, true) => self.hold(now, out),
            (Phase::Held { .. }, false) => {
                self.reopen(now, out);
                self.note_idle(now);
            }
            (Phase::Held { until, .. }, true) if until <= now || self.is_settled() => {
                self.phase = Phase::Cut;
                out.tell(Event::LimitReached { call: self.call });
            }
            _ => {}
        }
    }

    /// Lets media go on behind a time in which nothing was forwarded.
    pub(super) fn reopen(&mut self, now: MonotonicUs, out: &mut Outbox) {
        self.phase = Phase::Open;
        self.last.clear();
        for connection in self.connections.iter_mut().flatten() {
            connection.lines.iter_mut().for_each(|line| line.feed.restart());
            connection.up.want_keyframes();
            connection.ask(now, out);
        }
    }

    /// Sends the last packet again if that is due.
    pub(super) fn repeat_last(&mut self, now: MonotonicUs, out: &mut Outbox) {
        let Phase::Held { repeat, .. } = &mut self.phase else { return };
        if *repeat > now {
            return;
        }
        *repeat = now + REPEAT_EVERY;
        let fan = self.connections[Side::Fan.index()].as_ref();
        if let Some(fan) = fan.filter(|_| !self.last.is_empty()) {
            out.send(fan.key, |bytes| {
                bytes.extend_from_slice(&self.last);
                Some(())
            });
        }
    }

    /// When the last proof is to be helped or given up.
    pub(super) fn proof_due(&self) -> Option<MonotonicUs> {
        match self.phase {
            Phase::Held { until, repeat } => Some(until.min(repeat)),
            Phase::Open | Phase::Cut | Phase::Closing { .. } | Phase::Closed => None,
        }
    }
}
