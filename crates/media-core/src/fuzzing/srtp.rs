//! Whatever a client that holds its keys may seal, and what it does not even seal.

use crate::{
    Carried, Codec, Event, ExtensionIds, Forwarder, Input, LegKey, Limits, MediaLine, Mid,
    NegotiatedLeg, Outbox, Role, Side, SrtpContext, SrtpProfile,
};
use units::{CallId, ElapsedMs, MonotonicUs};

/// Bytes that one datagram may make us send besides what is forwarded of it: what a listener asks
/// for, as often as its bucket allows at once, and reports of a packet each to both sides.
const ANSWER_BYTES_MAX: usize = 2 * 64 * 1_024;

/// Plays datagrams of two clients and looks after the totals. Each is a byte that says whose it is
/// and how it is sealed, one for the milliseconds before it, and two for its length.
///
/// # Panics
/// If a side proves more than went to it, or more than time has passed; if a datagram makes us send
/// more than its limit; if the room does not close when it is told to.
pub fn srtp(script: &[u8]) {
    let mut call = Call::new();
    let mut rest = script;
    while let [how, wait, high, low, behind @ ..] = rest {
        let len = usize::from(u16::from_be_bytes([*high, *low])) % 1_500;
        let (body, behind) = behind.split_at(len.min(behind.len()));
        rest = behind;
        call.pass(u64::from(*wait));
        call.send(*how, body);
    }
    call.pass(10);
    call.finish();
}

struct Call {
    id: CallId,
    forwarder: Forwarder,
    out: Outbox,
    clients: [SrtpContext; 2],
    now: MonotonicUs,
    closed: Option<(Carried, Carried)>,
}

impl Call {
    fn new() -> Self {
        let id = "01937000-0000-7000-8000-000000000001".parse().expect("a call's id");
        let mut forwarder = Forwarder::new(Limits::default());
        let (mut out, now) = (Outbox::default(), MonotonicUs(1_000_000));
        let open = Input::OpenRoom { call: id, funded: ElapsedMs(60_000) };
        forwarder.handle(now, open, &mut out);
        let clients = Side::ALL.map(|side| {
            let negotiated = negotiated(side);
            let (profile, material) = (negotiated.profile, &negotiated.keying_material);
            let client = SrtpContext::new(profile, material, Role::Client, 64);
            let leg = LegKey { call: id, side };
            forwarder.handle(now, Input::Join { leg, negotiated }, &mut out);
            client.expect("keys of full length")
        });
        Self { id, forwarder, out, clients, now, closed: None }
    }

    fn send(&mut self, how: u8, body: &[u8]) {
        let side = if how & 1 == 0 { Side::Host } else { Side::Fan };
        let sealer = &mut self.clients[side.index()].sealer;
        let mut datagram = body.to_vec();
        let sealed = match how >> 1 & 3 {
            0 | 1 => sealer.seal_rtp(&mut datagram, 0).is_ok(),
            2 => sealer.seal_rtcp(&mut datagram, 0).is_ok(),
            // As a stranger at the client's address would send it.
            _ => true,
        };
        if !sealed {
            return;
        }
        let leg = LegKey { call: self.id, side };
        self.forwarder.receive(self.now, leg, &mut datagram, &mut self.out);
        let sent: usize = self.out.datagrams().map(|(_, bytes)| bytes.len()).sum();
        let most = ANSWER_BYTES_MAX + 2 * datagram.len();
        assert!(sent <= most, "{} bytes made us send {sent}", datagram.len());
        self.deliver();
    }

    fn pass(&mut self, ms: u64) {
        self.now = self.now + ElapsedMs(ms);
        self.forwarder.wake(self.now, &mut self.out);
        self.deliver();
    }

    /// What goes out can be opened by whom it is for; totals are possible ones.
    fn deliver(&mut self) {
        for (leg, sent) in self.out.datagrams() {
            let mut bytes = sent.to_vec();
            let opener = &mut self.clients[leg.side.index()].opener;
            if (192..=223).contains(&bytes[1]) {
                opener.open_rtcp(&mut bytes).expect("each report is new");
            } else {
                // A repetition of the very same bytes was opened before.
                let _ = opener.open_rtp(&mut bytes);
            }
        }
        for event in self.out.events() {
            if let Event::Reported { to_fan, to_host, .. } | Event::Closed { to_fan, to_host, .. } =
                event
            {
                for carried in [to_fan, to_host] {
                    assert!(carried.proven_ms <= carried.forwarded_ms, "{carried:?}");
                    assert!(carried.forwarded_ms <= ElapsedMs(self.now.0 / 1_000), "{carried:?}");
                }
                if matches!(event, Event::Closed { .. }) {
                    self.closed = Some((*to_fan, *to_host));
                }
            }
        }
        self.out.clear();
    }

    fn finish(&mut self) {
        self.forwarder.handle(self.now, Input::CloseRoom { call: self.id }, &mut self.out);
        self.pass(2_000);
        assert!(self.closed.is_some(), "a room closes within 2 s");
    }
}

/// Small payload types, ids and SSRCs, so that chance finds them.
fn negotiated(side: Side) -> NegotiatedLeg {
    let own = side.index() as u32;
    let extensions =
        ExtensionIds { mid: Some(1), transport_sequence: Some(2), audio_level: Some(3) };
    let line = |mid, codec: Codec, payload_type, rtx: Option<u8>| MediaLine {
        mid: Mid::new(mid).expect("one byte"),
        codec,
        payload_type,
        rtx_payload_type: rtx,
        clock_hz: if codec == Codec::Opus { 48_000 } else { 90_000 },
        extensions,
        ssrc: 1_000 + 10 * own + u32::from(payload_type),
        rtx_ssrc: rtx.map(|rtx| 1_000 + 10 * own + u32::from(rtx)),
        client_sends: true,
        client_receives: true,
        transport_cc: true,
        remb: true,
    };
    NegotiatedLeg {
        profile: SrtpProfile::AeadAes128Gcm,
        keying_material: (0..56).map(|byte| byte + 64 * own as u8).collect(),
        lines: vec![line("0", Codec::Opus, 0, None), line("1", Codec::Vp8, 1, Some(2))],
    }
}
