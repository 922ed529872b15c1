//! All rooms of one worker, and when each wants to be woken.

use crate::room::Room;
use crate::{Carried, Event, Input, LegKey, Limits, Outbox};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use units::{CallId, MonotonicUs};

/// Forwards the packets of all rooms of one worker. Single-threaded; scale is more of them.
#[derive(Debug)]
pub struct Forwarder {
    limits: Limits,
    rooms: HashMap<CallId, Scheduled>,
    /// When to look at which room. An entry counts only if the room is still scheduled for that
    /// moment.
    wakes: BinaryHeap<Reverse<(MonotonicUs, CallId)>>,
}

#[derive(Debug)]
struct Scheduled {
    room: Room,
    /// The moment of its one valid entry in the heap.
    at: Option<MonotonicUs>,
}

impl Forwarder {
    /// A forwarder without rooms.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, rooms: HashMap::new(), wakes: BinaryHeap::new() }
    }

    /// Applies one command: the cold path.
    pub fn handle(&mut self, now: MonotonicUs, input: Input, out: &mut Outbox) {
        match input {
            Input::OpenRoom { call, funded } => {
                let limits = self.limits;
                self.rooms
                    .entry(call)
                    .or_insert_with(|| Scheduled { room: Room::new(call, limits), at: None });
                self.with(call, |room| room.limit(now, funded, out));
            }
            Input::SetLimit { call, funded } => {
                self.with(call, |room| room.limit(now, funded, out));
            }
            Input::Join { leg, negotiated } => {
                self.with(leg.call, |room| room.join(now, leg.side, negotiated, out));
            }
            Input::Leave { leg } => {
                self.with(leg.call, |room| room.leave(leg.side, out));
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
        self.with(leg.call, |room| room.receive(now, leg.side, datagram, out));
    }

    /// Does what has become due: reports, feedback, repeated requests, closing rooms.
    pub fn wake(&mut self, now: MonotonicUs, out: &mut Outbox) {
        while let Some(Reverse((at, call))) = self.wakes.peek().copied()
            && at <= now
        {
            self.wakes.pop();
            let Some(scheduled) = self.rooms.get_mut(&call) else { continue };
            if scheduled.at != Some(at) {
                continue;
            }
            scheduled.at = None;
            self.with(call, |room| {
                if room.due().is_some_and(|due| due <= now) {
                    room.wake(now, out);
                }
            });
        }
    }

    /// When [`Forwarder::wake`] wants to be called at the latest.
    #[must_use]
    pub fn next_wake(&self) -> Option<MonotonicUs> {
        self.wakes.peek().map(|Reverse((at, _))| *at)
    }

    /// Does something with a room, if there is such, and schedules it anew.
    fn with(&mut self, call: CallId, act: impl FnOnce(&mut Room)) -> Option<()> {
        let scheduled = self.rooms.get_mut(&call)?;
        act(&mut scheduled.room);
        if scheduled.room.is_closed() {
            self.rooms.remove(&call);
        } else if let Some(due) = scheduled.room.due()
            && scheduled.at.is_none_or(|at| due < at)
        {
            scheduled.at = Some(due);
            self.wakes.push(Reverse((due, call)));
        }
        Some(())
    }
}
