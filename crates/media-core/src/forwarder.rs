//! All rooms of one worker.

use crate::{Carried, Event, Input, LegKey, Limits, Outbox};
use std::collections::HashMap;
use units::{CallId, ElapsedMs, MonotonicUs};

/// Forwards the packets of all rooms of one worker. Single-threaded; scale is more of them.
#[derive(Debug)]
pub struct Forwarder {
    limits: Limits,
    rooms: HashMap<CallId, ElapsedMs>,
}

impl Forwarder {
    /// A forwarder without rooms.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, rooms: HashMap::new() }
    }

    /// Applies one command: the cold path.
    pub fn handle(&mut self, _now: MonotonicUs, input: Input, out: &mut Outbox) {
        match input {
            Input::OpenRoom { call, funded } | Input::SetLimit { call, funded } => {
                self.rooms.insert(call, funded);
            }
            Input::Join { leg: _, negotiated: _ } | Input::Leave { leg: _ } => {}
            Input::CloseRoom { call } => {
                self.rooms.remove(&call);
                let none = Carried::default();
                out.tell(Event::Closed { call, to_fan: none, to_host: none });
            }
        }
    }

    /// Takes one SRTP or SRTCP datagram (first byte 128 to 191) that came from the leg's verified
    /// address, and may decrypt it in place. What doesn't authenticate changes nothing.
    pub fn receive(
        &mut self,
        _now: MonotonicUs,
        _leg: LegKey,
        _datagram: &mut [u8],
        _out: &mut Outbox,
    ) {
    }

    /// Does what has become due: reports, feedback, repeated requests, closing rooms.
    pub fn wake(&mut self, _now: MonotonicUs, _out: &mut Outbox) {}

    /// When [`Forwarder::wake`] wants to be called at the latest.
    #[must_use]
    pub fn next_wake(&self) -> Option<MonotonicUs> {
        None
    }
}
