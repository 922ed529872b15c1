//! Rooms and their clients, on virtual time.

use super::client::{Client, negotiated};
use super::{Allocated, ForwardError};
use media_core::{Forwarder, GroupError, GroupLeg, Input, LegKey, Limits, Outbox, Side};
use std::fmt;
use units::{CallId, ElapsedMs, MonotonicUs};
use uuid::Uuid;

/// How the clients sit together.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rooms {
    /// Paid calls: both sides send, each hears the other.
    Calls(u32),
    /// One publisher, this many listeners.
    Group(u32),
}

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Medium {
    /// Opus, 50 packets a second.
    Audio,
    /// VP8, 300 packets a second.
    Video,
}

impl Rooms {
    /// How many clients are sent media.
    pub(super) const fn listeners(self) -> usize {
        match self {
            Self::Calls(calls) => 2 * calls as usize,
            Self::Group(listeners) => listeners as usize,
        }
    }

    pub(super) const fn has_goal(self) -> bool {
        match self {
            Self::Calls(_) => false,
            Self::Group(_) => true,
        }
    }
}

impl fmt::Display for Rooms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Calls(calls) => write!(f, "{calls} calls"),
            Self::Group(listeners) => write!(f, "1 to {listeners}"),
        }
    }
}

impl Medium {
    pub(super) const fn payload_bytes(self) -> usize {
        match self {
            Self::Audio => 120,
            Self::Video => 1_100,
        }
    }

    const fn packet_us(self) -> u64 {
        match self {
            Self::Audio => 20_000,
            Self::Video => 3_333,
        }
    }
}

impl fmt::Display for Medium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Audio => f.write_str("Opus 120 B"),
            Self::Video => f.write_str("video 1,100 B"),
        }
    }
}

/// Where a client sits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leg {
    Call(LegKey),
    Group(GroupLeg),
}

/// A datagram of a client, and when it comes.
type Datagram = (MonotonicUs, usize, Vec<u8>);

pub(super) struct Scene {
    rooms: Rooms,
    medium: Medium,
    forwarder: Forwarder,
    out: Outbox,
    clients: Vec<Client>,
    legs: Vec<Leg>,
    now: MonotonicUs,
    allocated: fn() -> Allocated,
    /// Heap of the clients, which is not the relay's.
    client_bytes: i64,
}

impl Scene {
    pub(super) fn new(
        rooms: Rooms,
        medium: Medium,
        allocated: fn() -> Allocated,
    ) -> Result<Self, ForwardError> {
        let mut scene = Self {
            rooms,
            medium,
            forwarder: Forwarder::new(Limits::default()),
            out: Outbox::default(),
            clients: Vec::new(),
            legs: Vec::new(),
            now: MonotonicUs(1_000_000),
            allocated,
            client_bytes: 0,
        };
        match rooms {
            Rooms::Calls(calls) => (0..calls).for_each(|call| scene.open_call(call)),
            Rooms::Group(listeners) => scene.open_group(listeners)?,
        }
        Ok(scene)
    }

    fn open_call(&mut self, number: u32) {
        let call = CallId(Uuid::from_u128(u128::from(number) << 64 | 7));
        let open = Input::OpenRoom { call, funded: ElapsedMs::from_secs(1_000_000) };
        self.forwarder.handle(self.now, open, &mut self.out);
        for (side, number) in [(Side::Fan, 2 * number), (Side::Host, 2 * number + 1)] {
            let leg = LegKey { call, side };
            let negotiated = negotiated(number, self.medium == Medium::Video);
            self.forwarder.handle(self.now, Input::Join { leg, negotiated }, &mut self.out);
            self.add_client(number);
            self.legs.push(Leg::Call(leg));
        }
        self.out.clear();
    }

    fn open_group(&mut self, listeners: u32) -> Result<(), GroupError> {
        let group = self.forwarder.open_group()?;
        for number in 0..=listeners {
            let mut negotiated = negotiated(number, self.medium == Medium::Video);
            negotiated.lines[0].client_sends = number == 0;
            let leg = self.forwarder.join_group(self.now, group, &negotiated)?;
            if let Some(Leg::Group(publisher)) = self.legs.first() {
                let hears = Some((publisher.seat, 0));
                self.forwarder.hear(self.now, (leg, 0), hears, &mut self.out)?;
            }
            self.add_client(number);
            self.legs.push(Leg::Group(leg));
        }
        self.out.clear();
        Ok(())
    }

    fn receive(&mut self, at: MonotonicUs, from: usize, datagram: &mut [u8]) {
        match self.legs[from] {
            Leg::Call(leg) => self.forwarder.receive(at, leg, datagram, &mut self.out),
            Leg::Group(leg) => self.forwarder.receive_in_group(at, leg, datagram, &mut self.out),
        }
    }

    fn sent(&self) -> impl Iterator<Item = (Leg, &[u8])> {
        let calls = self.out.datagrams().map(|(leg, datagram)| (Leg::Call(leg), datagram));
        let group = self.out.group_datagrams();
        calls.chain(group.map(|(leg, datagram)| (Leg::Group(leg), datagram)))
    }

    fn add_client(&mut self, number: u32) {
        let before = (self.allocated)().live_bytes;
        self.clients.push(Client::new(number, self.medium == Medium::Video));
        self.client_bytes += (self.allocated)().live_bytes - before;
    }

    /// The heap that each leg costs the relay, of all that came since `before`.
    pub(super) fn bytes(&self, before: Allocated) -> u64 {
        let all = (self.allocated)().live_bytes - before.live_bytes - self.client_bytes;
        u64::try_from(all).unwrap_or_default() / self.clients.len() as u64
    }

    /// What the publishers send in the next `ms`, sealed, in the order in which it comes.
    pub(super) fn sealed(&mut self, ms: u64) -> Vec<Datagram> {
        let mut datagrams = Vec::new();
        for packet in 0..ms * 1_000 / self.medium.packet_us() {
            let at = MonotonicUs(self.now.0 + packet * self.medium.packet_us());
            for from in 0..self.clients.len() {
                if self.publishes(from) {
                    let datagram = self.clients[from].packet(self.medium.payload_bytes());
                    datagrams.push((at, from, datagram));
                }
            }
        }
        self.now = MonotonicUs(self.now.0 + ms * 1_000);
        for client in 0..self.clients.len() {
            let heard = datagrams.iter().filter(|(_, from, _)| self.hears(client, *from)).count();
            self.clients[client].received += heard as u64;
        }
        datagrams
    }

    const fn publishes(&self, client: usize) -> bool {
        match self.rooms {
            Rooms::Calls(_) => true,
            Rooms::Group(_) => client == 0,
        }
    }

    const fn hears(&self, client: usize, from: usize) -> bool {
        match self.rooms {
            Rooms::Calls(_) => client ^ 1 == from,
            Rooms::Group(_) => client != from,
        }
    }

    /// Forwards; returns how many datagrams went out.
    pub(super) fn forward(&mut self, datagrams: &mut [Datagram]) -> u64 {
        let mut forwarded = 0;
        for (at, from, datagram) in datagrams {
            self.receive(*at, *from, datagram);
            forwarded += self.sent().count() as u64;
            self.out.clear();
        }
        forwarded
    }

    /// The same, and every client opens what it is sent; returns how many packets there should have
    /// been, and how many were opened and held what was sent.
    pub(super) fn check(&mut self, ms: u64) -> (usize, usize) {
        let (mut expected, mut opened) = (0, 0);
        for (at, from, mut datagram) in self.sealed(ms) {
            expected += (0..self.clients.len()).filter(|client| self.hears(*client, from)).count();
            let sequence = datagram[3];
            self.receive(at, from, &mut datagram);
            let sent: Vec<_> = self.sent().map(|(leg, sealed)| (leg, sealed.to_vec())).collect();
            for (leg, sealed) in sent {
                let Some(to) = self.legs.iter().position(|of| *of == leg) else { continue };
                // RTCP to the publisher is not counted.
                let payload = self.clients[to].open(&sealed);
                let right = |payload: Vec<u8>| {
                    payload.len() == self.medium.payload_bytes()
                        && payload[2..].iter().all(|byte| *byte == sequence)
                };
                opened += usize::from(payload.is_some_and(right));
            }
            self.out.clear();
        }
        (expected, opened)
    }

    /// What the clients report after a stretch of 100 ms: transport-wide feedback each time, a
    /// receiver report each second.
    pub(super) fn reports(&mut self, stretch: u64) -> Vec<Datagram> {
        let mut reports = Vec::new();
        for client in 0..self.clients.len() {
            let feedback = self.clients[client].feedback();
            reports.extend(feedback.map(|datagram| (self.now, client, datagram)));
            if stretch % 10 == client as u64 % 10 {
                let report = self.clients[client].receiver_report();
                reports.extend(report.map(|datagram| (self.now, client, datagram)));
            }
        }
        reports
    }

    /// Takes the clients' reports in, and does what is due.
    pub(super) fn take(&mut self, reports: &mut [Datagram]) {
        for (at, from, datagram) in reports {
            self.receive(*at, *from, datagram);
        }
        self.forwarder.wake(self.now, &mut self.out);
        self.out.clear();
    }

    pub(super) fn feedback(&mut self, stretch: u64) {
        let mut reports = self.reports(stretch);
        self.take(&mut reports);
    }
}
