//! All rooms of one worker, and when each wants to be woken.

use crate::groups::Groups;
use crate::id_hash::IdHash;
use crate::room::Room;
use crate::schedule::{At, Schedule};
use crate::{Carried, Event, Input, LegKey, Limits, Outbox};
use std::collections::HashMap;
use units::{CallId, MonotonicUs};

/// Forwards the packets of all rooms of one worker. Single-threaded; scale is more of them.
#[derive(Debug)]
pub struct Forwarder {
    limits: Limits,
    rooms: HashMap<CallId, Scheduled, IdHash>,
    schedule: Schedule<CallId>,
    pub(crate) groups: Groups,
}

#[derive(Debug)]
struct Scheduled {
    room: Room,
    at: At,
}

impl Forwarder {
    /// A forwarder without rooms.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let groups = Groups::new(limits);
        Self { limits, rooms: HashMap::default(), schedule: Schedule::new(), groups }
    }

    /// Applies one command: the cold path.
    pub fn handle(&mut self, now: MonotonicUs, input: Input, out: &mut Outbox) {
        match input {
            Input::OpenRoom { call, funded } => {
                let limits = self.limits;
                self.rooms
                    .entry(call)
                    .or_insert_with(|| Scheduled { room: Room::new(now, call, limits), at: None });
                self.with(call, |room| room.limit(now, funded, out));
            }
            Input::SetLimit { call, funded } => {
                self.with(call, |room| room.limit(now, funded, out));
            }
            Input::Join { leg, negotiated } => {
                self.with(leg.call, |room| room.join(now, leg.side, negotiated, out));
            }
            Input::Leave { leg } => {
                self.with(leg.call, |room| room.leave(now, leg.side, out));
            }
            Input::CloseRoom { call } => {
                if self.with(call, |room| room.close(now, out)).is_none() {
                    let none = Carried::default();
                    out.tell(Event::Closed { call, to_fan: none, to_host: none });
                }
            }
        }
    }

    /// Takes one SRTP or SRTCP datagram (first byte 128 to 191) that came from the leg's verified
    /// address, and may decrypt it in place. What doesn't authenticate changes nothing.
    pub fn receive(
        &mut self,
        now: MonotonicUs,
        leg: LegKey,
        datagram: &mut [u8],
        out: &mut Outbox,
    ) {
        let Some(scheduled) = self.rooms.get_mut(&leg.call) else { return };
        let due = scheduled.room.receive(now, leg.side, datagram, out);
        if scheduled.room.is_closed() {
            self.with(leg.call, |_| {});
        } else {
            self.schedule.want(leg.call, &mut scheduled.at, due);
        }
    }

    /// Does what has become due: reports, feedback, repeated requests, closing rooms.
    pub fn wake(&mut self, now: MonotonicUs, out: &mut Outbox) {
        while self.due(now).is_some() {
            self.wake_one(now, out);
        }
        while self.due_group(now).is_some() {
            self.wake_one_group(now, out);
        }
    }

    /// The call that [`Forwarder::wake_one`] would serve, so that a caller knows whose it was if
    /// that panics.
    #[must_use]
    pub fn due(&self, now: MonotonicUs) -> Option<CallId> {
        self.schedule.due(now)
    }

    /// Does what has become due in one call; nothing if there is none.
    pub fn wake_one(&mut self, now: MonotonicUs, out: &mut Outbox) {
        let Some(call) = self.schedule.take_due(now) else { return };
        if let Some(scheduled) = self.rooms.get_mut(&call) {
            scheduled.at = None;
        }
        self.with(call, |room| {
            if room.due().is_some_and(|due| due <= now) {
                room.wake(now, out);
            }
        });
    }

    /// When [`Forwarder::wake`] wants to be called at the latest.
    #[must_use]
    pub fn next_wake(&self) -> Option<MonotonicUs> {
        self.schedule.next().into_iter().chain(self.groups.next_wake()).min()
    }

    /// Does something with a room, if there is such, and schedules it anew.
    fn with(&mut self, call: CallId, act: impl FnOnce(&mut Room)) -> Option<()> {
        let scheduled = self.rooms.get_mut(&call)?;
        act(&mut scheduled.room);
        if scheduled.room.is_closed() {
            self.schedule.forget(call, scheduled.at);
            self.rooms.remove(&call);
        } else {
            self.schedule.want(call, &mut scheduled.at, scheduled.room.due());
        }
        Some(())
    }
}
