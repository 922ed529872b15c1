//! One call's room: two sides, what goes between them, and how much of it.

mod awaited;
mod connection;
mod control_path;
mod cut;
mod direction;
mod feed;
mod media_path;
mod sent;

use crate::{Carried, Event, LegKey, Limits, NegotiatedLeg, Outbox, Refused, Side};
use connection::{Connection, connect};
use direction::Direction;
use units::{CallId, ElapsedMs, MonotonicUs};

/// How often totals and receiver reports are told. Seldom makes coins move in jumps and bills late;
/// more often costs a message per call.
const REPORT_EVERY: ElapsedMs = ElapsedMs(1_000);

/// How long a room that has ended waits for the fan's last feedback: a transport-wide report comes
/// within 100 ms and a round trip, a receiver report within about a second.
const LAST_PROOF_WITHIN: ElapsedMs = ElapsedMs(2_000);

/// How long a room may stand without a leg, or cut, until it closes by itself: whoever opened it
/// must be gone. Less than any rejoin or top-up is waited for would end live calls; more keeps the
/// rooms of a signaling that crashed.
const IDLE_MAX: ElapsedMs = ElapsedMs::from_secs(300);

/// The two sides of a call.
#[derive(Debug)]
pub(crate) struct Room {
    call: CallId,
    limits: Limits,
    funded: ElapsedMs,
    connections: [Option<Connection>; 2],
    /// What goes to the fan, and to the host.
    toward: [Direction; 2],
    phase: Phase,
    /// The datagram by which the limit was reached, as the fan was sent it.
    last: Vec<u8>,
    /// Joins so far; each is followed by up to 2^32 sources.
    joins: u64,
    /// Whether the fan has been seen to receive the host.
    flowing: bool,
    /// Since when it has stood without a leg, or cut.
    idle_since: Option<MonotonicUs>,
    next_report: Option<MonotonicUs>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Media goes both ways.
    Open,
    /// Provable time has reached the limit. Nothing is forwarded; until then it may turn out that
    /// something of it was lost, and that there is room for more.
    Held { until: MonotonicUs, repeat: MonotonicUs },
    /// The limit is used up, and that has been told.
    Cut,
    /// Only feedback is read.
    Closing { until: MonotonicUs },
    /// Over; the last totals have been told.
    Closed,
}

impl Room {
    pub(crate) fn new(now: MonotonicUs, call: CallId, limits: Limits) -> Self {
        Self {
            call,
            limits,
            funded: ElapsedMs::ZERO,
            connections: [None, None],
            toward: [Direction::default(), Direction::default()],
            last: Vec::new(),
            phase: Phase::Open,
            joins: 0,
            flowing: false,
            idle_since: Some(now),
            next_report: None,
        }
    }

    /// Replaces the limit: cuts a call that has reached it, and lets a cut one go on that has not.
    pub(crate) fn limit(&mut self, now: MonotonicUs, funded: ElapsedMs, out: &mut Outbox) {
        let before = std::mem::replace(&mut self.funded, funded);
        // What is lost after the end was told makes no room in a limit that is told again.
        if self.phase == Phase::Cut && before < funded && !self.has_reached_limit() {
            self.reopen(now, out);
        }
        self.review(now, out);
        self.note_idle(now);
    }

    /// Connects a side.
    pub(crate) fn join(
        &mut self,
        now: MonotonicUs,
        side: Side,
        negotiated: NegotiatedLeg,
        out: &mut Outbox,
    ) {
        if self.is_closing() {
            return;
        }
        if side == Side::Fan {
            self.last.clear();
        }
        let key = LegKey { call: self.call, side };
        let before = self.connections[side.index()].take();
        self.joins += 1;
        let sources = (&self.limits, self.joins << 32);
        self.connections[side.index()] = Connection::new(key, negotiated, sources, before);
        self.connect();
        if let Some(other) = &mut self.connections[side.other().index()] {
            other.up.want_keyframes();
            other.ask(now, out);
        }
        self.next_report.get_or_insert(now + REPORT_EVERY);
        self.note_idle(now);
    }

    /// Disconnects a side.
    pub(crate) fn leave(&mut self, now: MonotonicUs, side: Side, out: &mut Outbox) {
        self.connections[side.index()] = None;
        self.connect();
        self.review(now, out);
        self.note_idle(now);
        self.close_if_settled(out);
    }

    /// Stops forwarding, and waits for the last proof.
    pub(crate) fn close(&mut self, now: MonotonicUs, out: &mut Outbox) {
        if !self.is_closing() {
            self.phase = Phase::Closing { until: now + LAST_PROOF_WITHIN };
            self.close_if_settled(out);
        }
    }

    /// Takes a datagram from a side's client; returns when the room wants to be woken, if that may
    /// be earlier than it was.
    pub(crate) fn receive(
        &mut self,
        now: MonotonicUs,
        side: Side,
        datagram: &mut [u8],
        out: &mut Outbox,
    ) -> Option<MonotonicUs> {
        // RFC 5761 section 4: the second byte tells RTCP's packet types from RTP's payload types.
        match datagram.get(1) {
            Some(192..=223) => self.control(now, side, datagram, out),
            Some(_) => {
                let known = self.connection(side).is_some_and(|from| from.up.ready);
                self.media(now, side, datagram, out);
                // The common packet: of the whole room, only its sender has something to wait for.
                if known && self.phase == Phase::Open {
                    return self.connection(side).and_then(|from| from.up.due());
                }
            }
            None => {
                out.refuse(Refused::Malformed);
                return None;
            }
        }
        self.due()
    }

    /// Does what is due.
    pub(crate) fn wake(&mut self, now: MonotonicUs, out: &mut Outbox) {
        match self.phase {
            Phase::Open | Phase::Held { .. } | Phase::Cut
                if self.idle_until().is_some_and(|until| until <= now) =>
            {
                self.close(now, out);
            }
            Phase::Open | Phase::Held { .. } | Phase::Cut => {
                self.repeat_last(now, out);
                self.review(now, out);
                self.report_and_ask(now, out);
            }
            Phase::Closing { until } if until <= now => self.finish(out),
            Phase::Closing { .. } | Phase::Closed => {}
        }
    }

    /// When it wants to be woken.
    pub(crate) fn due(&self) -> Option<MonotonicUs> {
        match self.phase {
            Phase::Open | Phase::Held { .. } | Phase::Cut => {
                let connections = self.connections.iter().flatten().filter_map(|one| one.up.due());
                let proof = self.proof_due();
                connections.chain(self.next_report).chain(self.idle_until()).chain(proof).min()
            }
            Phase::Closing { until } => Some(until),
            Phase::Closed => None,
        }
    }

    /// Whether the room is over.
    pub(crate) fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    const fn is_closing(&self) -> bool {
        matches!(self.phase, Phase::Closing { .. } | Phase::Closed)
    }

    const fn connection(&self, side: Side) -> Option<&Connection> {
        self.connections[side.index()].as_ref()
    }

    fn note_idle(&mut self, now: MonotonicUs) {
        let idle = !self.forwards() || self.connections.iter().all(Option::is_none);
        self.idle_since = idle.then(|| self.idle_since.unwrap_or(now));
    }

    fn idle_until(&self) -> Option<MonotonicUs> {
        self.idle_since.map(|since| since + IDLE_MAX)
    }

    fn forwards(&self) -> bool {
        self.phase == Phase::Open
    }

    fn report_and_ask(&mut self, now: MonotonicUs, out: &mut Outbox) {
        let report = self.next_report.is_some_and(|due| due <= now);
        for connection in self.connections.iter_mut().flatten() {
            connection.up.tell_arrivals(now, &mut connection.sealer, out);
            connection.ask(now, out);
            if report {
                connection.up.tell_reception(now, &mut connection.sealer, out);
            }
        }
        if report {
            let anyone = self.connections.iter().any(Option::is_some);
            self.next_report = anyone.then(|| now + REPORT_EVERY);
            if anyone {
                self.toward.iter_mut().for_each(|direction| direction.evidence.expire(now));
                let (to_fan, to_host) = self.carried();
                out.tell(Event::Reported { call: self.call, to_fan, to_host });
            }
        }
    }

    fn connect(&mut self) {
        let [fan, host] = &mut self.connections;
        let none = &mut [][..];
        let fan = fan.as_mut().map_or(&mut [][..], |fan| &mut fan.lines);
        let host = host.as_mut().map_or(none, |host| &mut host.lines);
        connect(fan, host);
        connect(host, fan);
    }

    /// Acts on what has been proven since.
    fn note_proof(&mut self, now: MonotonicUs, out: &mut Outbox) {
        if !self.flowing && self.toward(Side::Fan).evidence.is_proven() {
            self.flowing = true;
            out.tell(Event::Flowing { call: self.call });
        }
        self.review(now, out);
        self.close_if_settled(out);
    }

    /// Whether no more of the host's media can be proven than is.
    fn is_settled(&self) -> bool {
        self.toward(Side::Fan).evidence.is_decided()
            || self.connections[Side::Fan.index()].is_none()
    }

    fn close_if_settled(&mut self, out: &mut Outbox) {
        if self.is_settled() && matches!(self.phase, Phase::Closing { .. }) {
            self.finish(out);
        }
    }

    fn finish(&mut self, out: &mut Outbox) {
        self.phase = Phase::Closed;
        self.toward.iter_mut().for_each(|direction| direction.evidence.give_up());
        let (to_fan, to_host) = self.carried();
        out.tell(Event::Closed { call: self.call, to_fan, to_host });
    }

    fn carried(&self) -> (Carried, Carried) {
        (self.toward(Side::Fan).carried(), self.toward(Side::Host).carried())
    }

    const fn toward(&self, side: Side) -> &Direction {
        &self.toward[side.index()]
    }

    /// The most media time that may go to a side.
    const fn ceiling(&self, side: Side) -> ElapsedMs {
        match side {
            Side::Fan => self.funded,
            Side::Host => ElapsedMs(u64::MAX),
        }
    }
}

/// A side's connection, and the other side's.
const fn pair(
    connections: &mut [Option<Connection>; 2],
    side: Side,
) -> (Option<&mut Connection>, Option<&mut Connection>) {
    let [fan, host] = connections;
    match side {
        Side::Fan => (fan.as_mut(), host.as_mut()),
        Side::Host => (host.as_mut(), fan.as_mut()),
    }
}
