//! The exchange on a clock of its own, against clients that speak STUN and DTLS but no RTP.

use super::*;
use crate::ice::Credentials;
use crate::leg::CONSENT;
use crate::sdp::Ssrcs;
use dimpl::certificate::generate_self_signed_certificate;
use dimpl::{Config, Dtls, Output};
use is::stun::TransId;
use protocol::service::OfferRefusal;

const OFFER: &str = include_str!("../sdp/offers/chromium_156.sdp");
const OFFERED_HASH: &str = "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:\
                            10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F";
const NOTHING: protocol::service::Carried = protocol::service::Carried {
    forwarded_ms: ElapsedMs::ZERO,
    proven_ms: ElapsedMs::ZERO,
    lost_ms: ElapsedMs::ZERO,
    video_ms: ElapsedMs::ZERO,
    silent_ms: ElapsedMs::ZERO,
    frozen_ms: ElapsedMs::ZERO,
    packets: 0,
    bytes: 0,
    lost: 0,
};
const JOIN_TIMEOUT: ElapsedMs = ElapsedMs::from_secs(10);

/// What came out.
#[derive(Default)]
struct Heard {
    sent: Vec<(SocketAddr, Vec<u8>)>,
    events: Vec<RelayEvent>,
    reports: Vec<MediaReport>,
    /// Media that was sealed for somebody who is nowhere.
    nowhere: usize,
}

impl Sink for Heard {
    fn send<'a>(
        &mut self,
        cold: &'a Outgoing,
        media: impl Iterator<Item = (Address, &'a [u8])>,
        address: impl Fn(Address) -> Option<SocketAddr>,
    ) {
        self.sent.extend(cold.iter().cloned());
        for (key, datagram) in media {
            match address(key) {
                Some(to) => self.sent.push((to, datagram.to_vec())),
                None => self.nowhere += 1,
            }
        }
    }

    fn tell(&mut self, event: RelayEvent) {
        self.events.push(event);
    }

    fn report(&mut self, report: MediaReport) {
        self.reports.push(report);
    }
}

mod adversaries;
mod again;
mod groups;

/// An exchange and the time on its clock.
struct World {
    exchange: Exchange,
    clock: Clock,
    now: MonotonicUs,
}

/// A client that was answered.
struct Client {
    place: Place,
    connected: RelayEvent,
    gone: RelayEvent,
    username: String,
    pwd: String,
    dtls: Dtls,
}

impl World {
    fn new() -> Self {
        let clock = Clock::start();
        let terms = Terms {
            identity: Identity::generate().unwrap(),
            candidates: vec![from(1)],
            legs_max: 100,
            join_timeout: JOIN_TIMEOUT,
            clock,
        };
        Self { exchange: Exchange::new(terms), clock, now: MonotonicUs(0) }
    }

    fn heard(&mut self) -> Heard {
        let mut heard = Heard::default();
        self.exchange.flush(&mut heard);
        heard
    }

    fn command(&mut self, command: RelayCommand) -> Heard {
        self.exchange.command(self.now, command, Fresh::draw());
        self.heard()
    }

    fn open(&mut self) -> CallId {
        let call = service_kit::entropy::call_id();
        self.command(RelayCommand::OpenRoom { call, funded_ms: ElapsedMs::from_secs(3_600) });
        call
    }

    /// Lets time pass, waking the exchange whenever it asks for it.
    fn pass(&mut self, span: ElapsedMs) -> Heard {
        let end = self.now + span;
        let mut heard = Heard::default();
        while let Some(at) = self.exchange.next_wake().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.exchange.wake(self.now);
            self.exchange.flush(&mut heard);
            let next = self.exchange.next_wake();
            assert!(next.is_none_or(|at| at > self.now), "a timer that stays due");
        }
        self.now = end;
        heard
    }

    fn offer(&mut self, call: CallId, party: Party) -> Client {
        let certificate = generate_self_signed_certificate().unwrap();
        let offer = OFFER.replace(OFFERED_HASH, &certificate.fingerprint_str());
        let heard = self.command(RelayCommand::Admit { call, party, request: 7, offer });
        let [RelayEvent::Answered { request: 7, answer, .. }] = &heard.events[..] else {
            panic!("{:?}", heard.events);
        };
        let connected = RelayEvent::Connected { call, party };
        let gone = RelayEvent::Gone { call, party };
        let place = Place::Call(LegKey { call, side: translate::side(party) });
        self.client(certificate, answer, (place, connected, gone))
    }

    fn client(
        &self,
        certificate: dimpl::DtlsCertificate,
        answer: &str,
        (place, connected, gone): (Place, RelayEvent, RelayEvent),
    ) -> Client {
        let attribute = |name: &str| {
            let line = answer.lines().find_map(|line| line.strip_prefix(name));
            line.expect(name).to_owned()
        };
        let instant = self.clock.instant_at(self.now);
        let mut dtls = Dtls::new_12(Config::default().into(), certificate, instant);
        dtls.set_active(true);
        dtls.handle_timeout(instant).unwrap();
        let username = format!("{}:Ab1+", attribute("a=ice-ufrag:"));
        let pwd = attribute("a=ice-pwd:");
        Client { place, connected, gone, username, pwd, dtls }
    }

    /// A check of this client from `port`, and what came of it.
    fn check(&mut self, client: &Client, port: u16, nominate: bool) -> Heard {
        let trans_id = TransId::new();
        let message =
            StunMessage::binding_request(&client.username, trans_id, true, 7, 1, nominate);
        let mut datagram = vec![0; 512];
        let pwd = client.pwd.as_bytes();
        let len = message.to_bytes(Some(pwd), &mut datagram, crate::ice::hmac_sha1).unwrap();
        self.exchange.receive(self.now, from(port), &mut datagram[..len]);
        self.heard()
    }

    /// Checks and shakes hands from `port` until the client is connected.
    fn connect(&mut self, client: &mut Client, port: u16) {
        assert_eq!(self.check(client, port, false).sent.len(), 1);
        for _ in 0..20 {
            let heard = self.shake(client, port);
            if heard.events.contains(&client.connected) {
                return;
            }
            assert!(heard.events.is_empty(), "{:?}", heard.events);
        }
        panic!("not connected");
    }

    /// One round of the handshake from `port`.
    fn shake(&mut self, client: &mut Client, port: u16) -> Heard {
        let mut buffer = [0; 2_048];
        loop {
            let output = client.dtls.poll_output(&mut buffer);
            if let Output::Packet(datagram) = output {
                self.exchange.receive(self.now, from(port), &mut datagram.to_vec());
            } else if matches!(output, Output::Timeout(_)) {
                break;
            }
        }
        let heard = self.heard();
        for (to, datagram) in &heard.sent {
            assert_eq!(*to, from(port));
            client.dtls.handle_packet(datagram).unwrap();
        }
        heard
    }

    /// Where the exchange would send this client's media.
    fn destination(&self, client: &Client) -> Option<SocketAddr> {
        let exchange = &self.exchange;
        let id = match client.place {
            Place::Call(key) => exchange.rooms.get(&key.call)?.seat(key.side).connected?,
            Place::Group(group, member) => {
                exchange.gatherings.get(group)?.members.get(&member)?.seat.connected?
            }
        };
        exchange.legs.get(id)?.ice().selected()
    }
}

fn from(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}

fn gone(client: &Client) -> RelayEvent {
    client.gone.clone()
}

#[test]
fn a_join_that_never_checks_is_forgotten_at_its_deadline() {
    let mut world = World::new();
    let call = world.open();
    let client = world.offer(call, Party::Fan);
    assert!(world.pass(ElapsedMs(JOIN_TIMEOUT.0 - 1)).events.is_empty());
    assert_eq!(world.exchange.legs.len(), 1);
    assert_eq!(world.pass(ElapsedMs(1)).events, [gone(&client)]);
    assert_eq!(world.exchange.legs.len(), 0);
    assert!(world.check(&client, 9, false).sent.is_empty(), "an answer for a dead ufrag");
}

#[test]
fn a_client_is_gone_when_it_has_not_checked_for_the_consent_time() {
    let mut world = World::new();
    let call = world.open();
    let mut client = world.offer(call, Party::Fan);
    world.connect(&mut client, 9);
    for _ in 0..10 {
        assert!(world.pass(ElapsedMs(CONSENT.0 - 1)).events.is_empty());
        world.check(&client, 9, true);
    }
    assert!(world.pass(ElapsedMs(CONSENT.0 - 1)).events.is_empty());
    assert_eq!(world.pass(ElapsedMs(1)).events, [gone(&client)]);
    assert_eq!((world.exchange.legs.len(), world.destination(&client)), (0, None));
}

#[test]
fn a_roaming_client_is_followed_at_its_first_nomination() {
    let mut world = World::new();
    let call = world.open();
    let mut client = world.offer(call, Party::Host);
    world.connect(&mut client, 9);
    assert_eq!(world.destination(&client), Some(from(9)));
    world.check(&client, 10, false);
    assert_eq!(world.destination(&client), Some(from(9)));
    world.check(&client, 10, true);
    assert_eq!(world.destination(&client), Some(from(10)));
}

#[test]
fn dtls_is_read_only_from_a_checked_address() {
    let mut world = World::new();
    let call = world.open();
    let mut client = world.offer(call, Party::Fan);
    assert!(world.shake(&mut client, 9).sent.is_empty());
    world.check(&client, 9, false);
    assert!(world.shake(&mut client, 10).sent.is_empty());
}

#[test]
fn a_live_address_stays_with_its_client_and_a_deserted_one_moves() {
    let mut world = World::new();
    let call = world.open();
    let mut victim = world.offer(call, Party::Fan);
    world.connect(&mut victim, 9);
    let other_call = world.open();
    let forger = world.offer(other_call, Party::Fan);
    assert!(world.check(&forger, 9, true).sent.is_empty());
    world.pass(ElapsedMs(4_999));
    assert!(world.check(&forger, 9, true).sent.is_empty());
    world.check(&victim, 9, true);
    world.pass(ElapsedMs(4_999));
    assert!(world.check(&forger, 9, true).sent.is_empty());
    world.pass(ElapsedMs(1));
    assert_eq!(world.check(&forger, 9, true).sent.len(), 1);
}

#[test]
fn a_rejoin_takes_over_when_it_is_connected_even_from_the_same_socket() {
    let mut world = World::new();
    let call = world.open();
    let mut earlier = world.offer(call, Party::Fan);
    world.connect(&mut earlier, 9);
    let mut later = world.offer(call, Party::Fan);
    assert_eq!(world.exchange.legs.len(), 2);
    assert_eq!(world.destination(&earlier), Some(from(9)));
    world.connect(&mut later, 9);
    assert_eq!(world.exchange.legs.len(), 1);
    assert!(world.check(&earlier, 9, true).sent.is_empty());
    assert_eq!(world.destination(&later), Some(from(9)));
}

#[test]
fn a_failed_rejoin_leaves_the_earlier_connection() {
    let mut world = World::new();
    let call = world.open();
    let mut earlier = world.offer(call, Party::Fan);
    world.connect(&mut earlier, 9);
    world.offer(call, Party::Fan);
    let (half, rest) = (ElapsedMs(JOIN_TIMEOUT.0 / 2), JOIN_TIMEOUT.0.div_ceil(2));
    world.pass(half);
    world.check(&earlier, 9, true);
    assert!(world.pass(ElapsedMs(rest)).events.is_empty());
    assert_eq!(world.exchange.legs.len(), 1);
    assert_eq!(world.destination(&earlier), Some(from(9)));
}

#[test]
fn a_closed_room_is_forgotten_with_its_legs() {
    let mut world = World::new();
    let call = world.open();
    let mut fan = world.offer(call, Party::Fan);
    world.connect(&mut fan, 9);
    world.offer(call, Party::Host);
    let mut reports = world.command(RelayCommand::CloseRoom { call }).reports;
    reports.extend(world.pass(ElapsedMs::from_secs(2)).reports);
    assert!(matches!(&reports[..], [.., MediaReport { last: true, .. }]), "{reports:?}");
    assert!(world.exchange.rooms.is_empty());
    assert_eq!(world.exchange.legs.len(), 0);
    assert_eq!(world.exchange.next_wake(), None);
}

#[test]
fn a_room_that_nobody_joins_or_closes_is_forgotten() {
    let mut world = World::new();
    let call = world.open();
    let client = world.offer(call, Party::Fan);
    let heard = world.pass(ElapsedMs::from_secs(300));
    assert_eq!(heard.events, [gone(&client)]);
    let last = MediaReport { call, to_fan: NOTHING, to_host: NOTHING, last: true };
    assert_eq!(heard.reports, [last]);
    assert!(world.exchange.rooms.is_empty());
    assert_eq!(world.exchange.next_wake(), None);
    let admit = RelayCommand::Admit { call, party: Party::Fan, request: 8, offer: OFFER.into() };
    let refused =
        RelayEvent::Refused { call, party: Party::Fan, request: 8, refusal: OfferRefusal::NoRoom };
    assert_eq!(world.command(admit).events, [refused]);
}

#[test]
fn a_bug_ends_the_call_it_was_met_in_and_no_other() {
    let mut world = World::new();
    let (broken, sound) = (world.open(), world.open());
    let mut victim = world.offer(broken, Party::Fan);
    world.connect(&mut victim, 9);
    let mut other = world.offer(sound, Party::Fan);
    world.connect(&mut other, 10);
    world.exchange.contain(world.now, |exchange| {
        exchange.serving = Some(Served::Call(broken));
        panic!("a bug, on purpose");
    });
    let mut heard = world.heard();
    assert_eq!(heard.events, [gone(&victim)]);
    heard.reports.extend(world.pass(ElapsedMs::from_secs(2)).reports);
    let ended = |report: &&MediaReport| report.last;
    let ended: Vec<_> = heard.reports.iter().filter(ended).map(|report| report.call).collect();
    assert_eq!(ended, [broken]);
    assert_eq!(world.destination(&other), Some(from(10)));
}

#[test]
fn a_timer_is_served_in_the_name_of_its_call() {
    let mut world = World::new();
    for port in [9, 10] {
        let call = world.open();
        let mut client = world.offer(call, Party::Fan);
        world.connect(&mut client, port);
        world.pass(ElapsedMs(400));
    }
    for _ in 0..2 {
        world.now = world.exchange.forwarder.next_wake().unwrap();
        world.exchange.wake(world.now);
        let reports = world.heard().reports;
        let [report] = &reports[..] else { panic!("{reports:?}") };
        assert_eq!(world.exchange.serving, Some(Served::Call(report.call)));
    }
}

#[test]
fn a_bug_that_no_call_can_be_blamed_for_ends_all_with_their_last_totals() {
    let mut world = World::new();
    let call = world.open();
    let mut client = world.offer(call, Party::Fan);
    world.connect(&mut client, 9);
    let carried = media_core::Carried { forwarded_ms: ElapsedMs(7), ..Default::default() };
    world.exchange.rooms.get_mut(&call).unwrap().carried = (carried, carried);
    world.exchange.contain(world.now, |_| panic!("a bug, on purpose"));
    let heard = world.heard();
    assert_eq!(heard.events, [gone(&client)]);
    let [report] = &heard.reports[..] else { panic!("{:?}", heard.reports) };
    assert_eq!((report.call, report.last), (call, true));
    assert_eq!(report.to_fan.forwarded_ms, ElapsedMs(7));
    assert_eq!(world.exchange.next_wake(), None);
    // And the next call works.
    let call = world.open();
    let mut client = world.offer(call, Party::Fan);
    world.connect(&mut client, 9);
}

#[test]
fn random_datagrams_leave_nothing_behind() {
    let mut world = World::new();
    let call = world.open();
    world.offer(call, Party::Fan);
    for port in 1..2_000 {
        let mut noise = service_kit::entropy::bytes::<64>();
        world.exchange.receive(world.now, from(port), &mut noise[..usize::from(port % 65)]);
    }
    assert!(world.heard().sent.is_empty());
    assert_eq!(world.exchange.legs.len(), 1);
    assert_eq!(world.exchange.legs.by_address(from(5)), None);
}

#[test]
fn fresh_values_are_all_used() {
    let ssrcs = Ssrcs::drawn(10);
    let credentials = Credentials { ufrag: "u".repeat(16), pwd: "p".repeat(24) };
    let fresh = Fresh { session_id: 99, credentials, ssrcs };
    let mut world = World::new();
    let call = world.open();
    let admit = RelayCommand::Admit { call, party: Party::Fan, request: 1, offer: OFFER.into() };
    world.exchange.command(world.now, admit, fresh);
    let heard = world.heard();
    let [RelayEvent::Answered { answer, .. }] = &heard.events[..] else { panic!() };
    for part in ["o=- 99 ", "a=ice-ufrag:uuuu", "a=ice-pwd:pppp", "FID 12 13", "a=ssrc:11 "] {
        assert!(answer.contains(part), "{part}");
    }
}
