//! Everything between the socket and the packet path: who sits in which room, by which leg.
//!
//! Pure: commands, datagrams, time and randomness come from the caller; what must go out and be
//! told is collected until [`Exchange::flush`]. A panic while one call is being served ends that
//! call or room alone ([`Exchange::contain`]).

use crate::dtls::Identity;
use crate::fresh::Fresh;
use crate::gatherings::Gatherings;
use crate::leg::{Leg, LegEnd, News, Outgoing};
use crate::legs::{LegId, Legs};
use crate::metrics::Dropped;
use crate::place::{Place, Served};
use crate::room::Room;
use crate::translate::{self, Told};
use foldhash::fast::RandomState;
use is::stun::StunMessage;
use media_core::{Address, Event, Forwarder, Input, LegKey, Limits, NegotiatedLeg, Outbox, Side};
use protocol::client::Party;
use protocol::service::{GroupEvent, MediaReport, RelayCommand, RelayEvent, RelayLimit};
use service_kit::Clock;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tracing::{debug, error};
use units::{CallId, ElapsedMs, MonotonicUs};

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod groups;
mod offers;
mod strangers;
#[cfg(test)]
mod tests;

/// What does not change while the relay runs.
pub(crate) struct Terms {
    pub(crate) identity: Identity,
    /// Where clients can reach us.
    pub(crate) candidates: Vec<SocketAddr>,
    pub(crate) legs_max: usize,
    pub(crate) join_timeout: ElapsedMs,
    /// Only turns our times into those of `dimpl`; never read here.
    pub(crate) clock: Clock,
}

/// Where the outcome goes.
pub(crate) trait Sink {
    /// Sends the cold path's datagrams, then media: what goes to one leg in its order. `address`
    /// says where a leg is now, if it is connected.
    fn send<'a>(
        &mut self,
        cold: &'a Outgoing,
        media: impl Iterator<Item = (Address, &'a [u8])>,
        address: impl Fn(Address) -> Option<SocketAddr>,
    );
    fn tell(&mut self, event: RelayEvent);
    fn report(&mut self, report: MediaReport);
}

/// All rooms and legs of one worker.
pub(crate) struct Exchange {
    terms: Terms,
    rooms: HashMap<CallId, Room, RandomState>,
    gatherings: Gatherings,
    legs: Legs,
    forwarder: Forwarder,
    outbox: Outbox,
    outgoing: Outgoing,
    told: Vec<Told>,
    serving: Option<Served>,
    /// Why the datagram that came last is of no use, where that can't be seen from what came of it.
    dropped: Option<Dropped>,
}

impl Exchange {
    pub(crate) fn new(terms: Terms) -> Self {
        Self {
            terms,
            rooms: HashMap::default(),
            gatherings: Gatherings::default(),
            legs: Legs::default(),
            forwarder: Forwarder::new(Limits::default()),
            outbox: Outbox::default(),
            outgoing: Vec::new(),
            told: Vec::new(),
            serving: None,
            dropped: None,
        }
    }

    /// Carries out a command. `fresh` is used if it is an offer.
    pub(crate) fn command(&mut self, now: MonotonicUs, command: RelayCommand, fresh: Fresh) {
        self.contain(now, |exchange| match command {
            RelayCommand::OpenRoom { call, funded_ms } => exchange.open(now, call, funded_ms),
            RelayCommand::Admit { call, party, request, offer } => {
                exchange.serving = Some(Served::Call(call));
                let key = LegKey { call, side: translate::side(party) };
                let event = match exchange.admit(now, key, &offer, fresh) {
                    Ok(answer) => RelayEvent::Answered { call, party, request, answer },
                    Err(refusal) => RelayEvent::Refused { call, party, request, refusal },
                };
                exchange.told.push(Told::Signaling(event));
            }
            RelayCommand::Group { group, command } => {
                exchange.serving = Some(Served::Group(group));
                exchange.group_command(now, group, command, fresh);
            }
            RelayCommand::CloseRoom { call } => {
                exchange.serving = Some(Served::Call(call));
                exchange.close(now, call);
            }
            RelayCommand::CloseAll => {
                for call in exchange.rooms.keys().copied().collect::<Vec<_>>() {
                    exchange.serving = Some(Served::Call(call));
                    exchange.close(now, call);
                }
                for group in exchange.gatherings.ids() {
                    exchange.serving = Some(Served::Group(group));
                    exchange.close_group(group);
                }
            }
        });
    }

    /// Whether no room is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.rooms.is_empty() && self.gatherings.is_empty()
    }

    /// Replaces a call's limit.
    pub(crate) fn limit(&mut self, now: MonotonicUs, limit: RelayLimit) {
        self.contain(now, |exchange| {
            let RelayLimit { call, funded_ms } = limit;
            exchange.serving = Some(Served::Call(call));
            exchange.forward(now, Input::SetLimit { call, funded: funded_ms });
        });
    }

    /// Takes a datagram from the socket; SRTP is opened in place. What is not a live leg's changes
    /// nothing (RFC 7983 tells the protocols apart).
    pub(crate) fn receive(&mut self, now: MonotonicUs, source: SocketAddr, datagram: &mut [u8]) {
        match datagram.first() {
            Some(0..=3) => self.contain(now, |exchange| exchange.stun(now, source, datagram)),
            Some(20..=63) => self.contain(now, |exchange| exchange.dtls(now, source, datagram)),
            Some(128..=191) => self.contain(now, |exchange| exchange.media(now, source, datagram)),
            Some(_) | None => {}
        }
    }

    /// Does what has become due.
    pub(crate) fn wake(&mut self, now: MonotonicUs) {
        // Each leg at most once, so that one whose timer stays due can't hold up the rest.
        for _ in 0..self.legs.len() {
            let Some((at, id)) = self.legs.next_timer() else { break };
            if at > now {
                break;
            }
            self.contain(now, |exchange| exchange.wake_leg(now, id));
        }
        while let Some(call) = self.forwarder.due(now) {
            self.contain(now, |exchange| {
                exchange.serving = Some(Served::Call(call));
                exchange.forwarder.wake_one(now, &mut exchange.outbox);
            });
        }
        self.wake_groups(now);
    }

    /// When [`Exchange::wake`] wants to be called at the latest.
    pub(crate) fn next_wake(&self) -> Option<MonotonicUs> {
        let legs = self.legs.next_timer().map(|(at, _)| at);
        let deserted = self.gatherings.next_deserted().map(|(at, _)| at);
        [legs, deserted, self.forwarder.next_wake()].into_iter().flatten().min()
    }

    /// Hands out everything that was collected.
    pub(crate) fn flush(&mut self, sink: &mut impl Sink) {
        let address = |to: Address| {
            let id = match to {
                Address::Call(key) => self.rooms.get(&key.call)?.seat(key.side).connected?,
                Address::Group(leg) => self.gatherings.seated(leg)?,
            };
            self.legs.get(id)?.ice().selected()
        };
        if !(self.outgoing.is_empty() && self.outbox.is_empty()) {
            sink.send(&self.outgoing, self.outbox.addressed(), address);
        }
        self.outgoing.clear();
        let events = self.outbox.events().to_vec();
        self.outbox.clear();
        for event in events {
            self.happened(event);
        }
        for told in self.told.drain(..) {
            match told {
                Told::Signaling(event) => sink.tell(event),
                Told::Meter(report) => sink.report(report),
            }
        }
    }

    /// Forgets what has ended and keeps what a broken packet path could no longer say.
    fn happened(&mut self, event: Event) {
        match event {
            Event::Reported { call, to_fan, to_host } => {
                if let Some(room) = self.rooms.get_mut(&call) {
                    room.carried = (to_fan, to_host);
                }
            }
            Event::Closed { call, to_fan: _, to_host: _ } => self.forget_room(call),
            Event::Flowing { call: _ } | Event::LimitReached { call: _ } => {}
        }
        self.told.push(translate::event(event));
    }

    fn open(&mut self, now: MonotonicUs, call: CallId, funded: ElapsedMs) {
        self.serving = Some(Served::Call(call));
        // A repeat must not undo a limit that was set since.
        if let Entry::Vacant(room) = self.rooms.entry(call) {
            room.insert(Room::default());
            self.forward(now, Input::OpenRoom { call, funded });
        }
    }

    fn close(&mut self, now: MonotonicUs, call: CallId) {
        if let Some(room) = self.rooms.get_mut(&call) {
            room.closing = true;
            for side in Side::ALL {
                if let Some(id) = room.seat_mut(side).joining.take() {
                    self.legs.remove(id);
                }
            }
        }
        self.forward(now, Input::CloseRoom { call });
    }

    fn stun(&mut self, now: MonotonicUs, source: SocketAddr, datagram: &[u8]) {
        let Ok(message) = StunMessage::parse(datagram) else { return };
        let named = message.split_username().and_then(|(ufrag, _)| self.legs.by_ufrag(ufrag));
        let Some(id) = named else { return };
        let Some(leg) = self.legs.get_mut(id) else { return };
        self.serving = Some(leg.place().served());
        if !leg.ice().is_authentic(&message) || !self.legs.may_take(now, id, source) {
            return;
        }
        let Some(leg) = self.legs.get_mut(id) else { return };
        if !leg.may_check(now, datagram.len()) {
            self.dropped = Some(Dropped::OverRate);
            return;
        }
        let Some(checked) = leg.check(now, source, &message) else { return };
        self.outgoing.push((source, checked.reply));
        if checked.verified {
            self.legs.bind(id, source);
        }
        if let Some(dropped) = checked.dropped {
            self.legs.release(id, dropped);
        }
        if let Some(retired) = checked.retired {
            self.legs.forget_ufrag(&retired);
        }
        self.legs.rearm(id, &self.terms.clock);
    }

    fn dtls(&mut self, now: MonotonicUs, source: SocketAddr, datagram: &[u8]) {
        let Some(id) = self.legs.by_address(source) else { return };
        let Some(leg) = self.legs.get_mut(id) else { return };
        self.serving = Some(leg.place().served());
        if !leg.may_shake(now, datagram.len()) {
            self.dropped = Some(Dropped::OverRate);
            return;
        }
        let clock = &self.terms.clock;
        let news = leg.receive_dtls(now, clock, source, datagram, &mut self.outgoing);
        self.heard(now, id, news);
    }

    fn media(&mut self, now: MonotonicUs, source: SocketAddr, datagram: &mut [u8]) {
        let leg = self.legs.by_address(source).and_then(|id| self.legs.get(id));
        let Some((place, media)) = leg.and_then(|leg| Some((leg.place(), leg.media()?))) else {
            return;
        };
        self.serving = Some(place.served());
        match media {
            Address::Call(key) => self.forwarder.receive(now, key, datagram, &mut self.outbox),
            Address::Group(leg) => {
                self.forwarder.receive_in_group(now, leg, datagram, &mut self.outbox);
            }
        }
        self.dropped = self.outbox.take_refused().map(Dropped::from);
    }

    fn wake_leg(&mut self, now: MonotonicUs, id: LegId) {
        let Some(leg) = self.legs.get_mut(id) else { return };
        self.serving = Some(leg.place().served());
        let news = leg.wake(now, &self.terms.clock, &mut self.outgoing);
        self.heard(now, id, news);
    }

    fn heard(&mut self, now: MonotonicUs, id: LegId, news: News) {
        self.legs.rearm(id, &self.terms.clock);
        match news {
            News::None => {}
            News::Joined(negotiated) => self.joined(now, id, negotiated),
            News::Ended(end) => self.ended(now, id, &end),
        }
    }

    fn joined(&mut self, now: MonotonicUs, id: LegId, negotiated: NegotiatedLeg) {
        match self.legs.get(id).map(Leg::place) {
            Some(Place::Call(key)) => self.side_joined(now, id, key, negotiated),
            Some(Place::Group(group, member)) => {
                self.member_joined(now, id, (group, member), &negotiated);
            }
            None => {}
        }
    }

    fn side_joined(&mut self, now: MonotonicUs, id: LegId, key: LegKey, negotiated: NegotiatedLeg) {
        let Some(room) = self.rooms.get_mut(&key.call) else { return };
        let seat = room.seat_mut(key.side);
        seat.joining = None;
        if let Some(replaced) = seat.connected.replace(id) {
            self.legs.remove(replaced);
        }
        if let Some(leg) = self.legs.get_mut(id) {
            leg.carries(Address::Call(key));
        }
        self.forward(now, Input::Join { leg: key, negotiated });
        let LegKey { call, side } = key;
        let connected = RelayEvent::Connected { call, party: translate::party(side) };
        self.told.push(Told::Signaling(connected));
    }

    fn ended(&mut self, now: MonotonicUs, id: LegId, end: &LegEnd) {
        let Some(place) = self.legs.get(id).map(Leg::place) else { return };
        self.legs.remove(id);
        debug!(?place, %end, "leg ended");
        match place {
            Place::Call(key) => self.side_ended(now, id, key),
            Place::Group(group, member) => self.member_ended(now, id, group, member),
        }
    }

    fn side_ended(&mut self, now: MonotonicUs, id: LegId, key: LegKey) {
        let Some(room) = self.rooms.get_mut(&key.call) else { return };
        let seat = room.seat_mut(key.side);
        if seat.connected == Some(id) {
            seat.connected = None;
            self.forward(now, Input::Leave { leg: key });
            self.gone(key.call, translate::party(key.side));
        } else {
            seat.joining = None;
            // A failed rejoin leaves the earlier connection as it is.
            if seat.connected.is_none() {
                self.gone(key.call, translate::party(key.side));
            }
        }
    }

    fn gone(&mut self, call: CallId, party: Party) {
        self.told.push(Told::Signaling(RelayEvent::Gone { call, party }));
    }

    fn forward(&mut self, now: MonotonicUs, input: Input) {
        self.forwarder.handle(now, input, &mut self.outbox);
    }

    fn forget_room(&mut self, call: CallId) {
        if let Some(room) = self.rooms.remove(&call) {
            for id in room.legs() {
                self.legs.remove(id);
            }
        }
    }

    /// Serves one call or room; a panic meanwhile is a bug that ends that one, not the process.
    fn contain(&mut self, now: MonotonicUs, work: impl FnOnce(&mut Self)) {
        self.serving = None;
        let done = catch_unwind(AssertUnwindSafe(|| work(self))).is_ok();
        if done {
            return;
        }
        let broken = self.serving.take();
        error!(?broken, "a bug while serving a call or a room; it is ended");
        let closed = broken.is_some_and(|broken| {
            catch_unwind(AssertUnwindSafe(|| match broken {
                Served::Call(call) => {
                    self.tell_gone(call);
                    self.close(now, call);
                }
                Served::Group(group) => self.close_group(group),
            }))
            .is_ok()
        });
        if !closed {
            self.start_over();
        }
    }

    /// Ends all calls with the totals known last: the packet path is broken and nobody can tell by
    /// which of them.
    fn start_over(&mut self) {
        error!("the packet path is broken; all its calls and rooms are ended");
        self.forwarder = Forwarder::new(Limits::default());
        self.outbox = Outbox::default();
        self.legs = Legs::default();
        let calls: Vec<CallId> = self.rooms.keys().copied().collect();
        for call in calls {
            self.tell_gone(call);
            if let Some(room) = self.rooms.remove(&call) {
                let (to_fan, to_host) = room.carried;
                self.told.push(Told::Meter(translate::report(call, to_fan, to_host, true)));
            }
        }
        for group in self.gatherings.ids() {
            self.gatherings.remove(group);
            self.tell_group(group, GroupEvent::Closed);
        }
    }

    fn tell_gone(&mut self, call: CallId) {
        let Some(room) = self.rooms.get(&call) else { return };
        let connected = Side::ALL.into_iter().filter(|side| room.seat(*side).connected.is_some());
        for party in connected.map(translate::party).collect::<Vec<_>>() {
            self.gone(call, party);
        }
    }
}
