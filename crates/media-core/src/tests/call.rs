//! A call under test, on virtual time.

use super::client::{AUDIO, AUDIO_SSRC, Client, VIDEO, VIDEO_SSRC, negotiated};
use crate::rtcp::{self, ReportBlock};
use crate::*;
use units::{CallId, ElapsedMs, MonotonicUs};

pub(super) const CALL: CallId = CallId(uuid::Uuid::from_u128(7));

pub(super) const fn leg(side: Side) -> LegKey {
    LegKey { call: CALL, side }
}

pub(super) struct Call {
    pub(super) forwarder: Forwarder,
    pub(super) now_us: u64,
    pub(super) fan: Client,
    pub(super) host: Client,
    pub(super) events: Vec<Event>,
    /// What was of no use, and why.
    pub(super) refused: Vec<Refused>,
    out: Outbox,
}

impl Call {
    /// A room in which both have joined.
    pub(super) fn new(funded_ms: u64) -> Self {
        Self::with(funded_ms, negotiated(1), negotiated(2))
    }

    pub(super) fn with(funded_ms: u64, fan: NegotiatedLeg, host: NegotiatedLeg) -> Self {
        Self::within(Limits::default(), funded_ms, fan, host)
    }

    pub(super) fn within(
        limits: Limits,
        funded_ms: u64,
        fan: NegotiatedLeg,
        host: NegotiatedLeg,
    ) -> Self {
        let mut call = Self {
            forwarder: Forwarder::new(limits),
            now_us: 1_000_000,
            fan: Client::new(fan),
            host: Client::new(host),
            events: Vec::new(),
            refused: Vec::new(),
            out: Outbox::default(),
        };
        call.input(Input::OpenRoom { call: CALL, funded: ElapsedMs(funded_ms) });
        for side in Side::ALL {
            let negotiated = call.client(side).negotiated.clone();
            call.input(Input::Join { leg: leg(side), negotiated });
        }
        call
    }

    pub(super) fn client(&mut self, side: Side) -> &mut Client {
        match side {
            Side::Fan => &mut self.fan,
            Side::Host => &mut self.host,
        }
    }

    pub(super) fn input(&mut self, input: Input) {
        self.forwarder.handle(MonotonicUs(self.now_us), input, &mut self.out);
        self.deliver();
    }

    /// A side's client joins anew.
    pub(super) fn rejoin(&mut self, side: Side, negotiated: NegotiatedLeg) {
        *self.client(side) = Client::new(negotiated.clone());
        self.input(Input::Join { leg: leg(side), negotiated });
    }

    pub(super) fn send(&mut self, side: Side, mut datagram: Vec<u8>) {
        let now = MonotonicUs(self.now_us);
        self.forwarder.receive(now, leg(side), &mut datagram, &mut self.out);
        self.refused.extend(self.out.take_refused());
        self.deliver();
    }

    /// The host sends one packet of audio.
    pub(super) fn audio(&mut self, sequence: u16) {
        let datagram = self.host.rtp(AUDIO, AUDIO_SSRC, sequence, b"sound");
        self.send(Side::Host, datagram);
    }

    /// The host sends one packet of video: a key frame if its payload begins with 0x10 0x00.
    pub(super) fn video(&mut self, sequence: u16, payload: &[u8]) {
        let datagram = self.host.rtp(VIDEO, VIDEO_SSRC, sequence, payload);
        self.send(Side::Host, datagram);
    }

    /// A side sends RTCP.
    pub(super) fn control(&mut self, side: Side, write: impl FnOnce(&mut Vec<u8>)) {
        let datagram = self.client(side).rtcp(write);
        self.send(side, datagram);
    }

    /// The fan confirms these transport-wide numbers.
    pub(super) fn confirm(&mut self, numbers: &[u16]) {
        let at = MonotonicUs(self.now_us);
        let arrivals: Vec<_> = numbers.iter().map(|number| (u64::from(*number), at)).collect();
        self.control(Side::Fan, |bytes| {
            rtcp::write_transport_feedback(bytes, (1, 2), 0, arrivals[0].0, &arrivals);
        });
    }

    /// The fan reports on its feed of one line.
    pub(super) fn receiver_report(&mut self, line: usize, highest: u32, lost: i32) {
        let ssrc = self.fan.negotiated.lines[line].ssrc;
        let block = ReportBlock { ssrc, highest, lost, ..ReportBlock::default() };
        self.control(Side::Fan, |bytes| rtcp::receiver_report(bytes, 1, &[block]));
    }

    /// Lets time pass, with all wakes on their way.
    pub(super) fn pass(&mut self, ms: u64) {
        let until = self.now_us + ms * 1_000;
        while let Some(due) = self.forwarder.next_wake().filter(|due| due.0 <= until) {
            self.now_us = self.now_us.max(due.0);
            self.forwarder.wake(MonotonicUs(self.now_us), &mut self.out);
            self.deliver();
        }
        self.now_us = until;
    }

    /// The totals toward the fan and the host, as the next report tells them.
    pub(super) fn totals(&mut self) -> (Carried, Carried) {
        self.pass(1_000);
        match self.events.iter().rev().find(|event| matches!(event, Event::Reported { .. })) {
            Some(Event::Reported { to_fan, to_host, .. }) => (*to_fan, *to_host),
            other => panic!("{other:?}"),
        }
    }

    fn deliver(&mut self) {
        let out = std::mem::take(&mut self.out);
        for (leg, datagram) in out.datagrams() {
            assert_eq!(leg.call, CALL);
            self.client(leg.side).deliver(datagram);
        }
        self.events.extend_from_slice(out.events());
        self.out = out;
        self.out.clear();
        assert!(self.out.is_empty());
    }
}
