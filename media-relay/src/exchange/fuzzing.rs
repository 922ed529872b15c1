//! STUN of anybody, to a port where one client is expected.

use super::{Exchange, Sink, Terms};
use crate::dtls::Identity;
use crate::fresh::Fresh;
use crate::ice::{Credentials, hmac_sha1};
use crate::leg::Outgoing;
use crate::limits::ADDRESSES_MAX;
use crate::sdp::Ssrcs;
use is::stun::StunMessage;
use media_core::Address;
use protocol::client::Party;
use protocol::service::{MediaReport, RelayCommand, RelayEvent};
use service_kit::Clock;
use std::cell::RefCell;
use std::net::SocketAddr;
use units::{ElapsedMs, MonotonicUs};

const OFFER: &str = include_str!("../sdp/offers/chromium_156.sdp");
/// What the offer calls its client.
const THEIRS: &str = "Ab1+";
const OURS: &str = "uuuuuuuuuuuuuuuu";
const PWD: &str = "pppppppppppppppppppppppp";
/// The longest answer; see `ice`.
const REPLY_BYTES_MAX: usize = 128;

thread_local! {
    /// Whatever comes must leave it as it was, so it is made only once.
    static PORT: RefCell<Port> = RefCell::new(Port::new());
}

/// Sends bytes to the port as they are, and as attributes of a check that the expected client has
/// sealed. Only what is sealed is answered: once, to where it came from, by no more bytes than it
/// has. Nothing grows.
///
/// # Panics
/// If that does not hold.
pub fn stun(bytes: &[u8]) {
    PORT.with_borrow_mut(|port| {
        port.check(bytes.to_vec());
        port.check(sealed(bytes));
    });
}

/// A check with these attributes, if that is what they are (RFC 8489 section 14).
fn sealed(attributes: &[u8]) -> Vec<u8> {
    let attributes = &attributes[..attributes.len().min(1_000) / 4 * 4];
    let username = format!("{OURS}:{THEIRS}");
    let mut message = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    message.extend_from_slice(b"transaction.");
    message.extend_from_slice(&[0, 6, 0, username.len() as u8]);
    message.extend_from_slice(username.as_bytes());
    message.resize(message.len().next_multiple_of(4), 0);
    message.extend_from_slice(attributes);
    // Its length counts the integrity, which covers what stands before it.
    let len = u16::try_from(message.len() - 20 + 24).expect("a short message");
    message[2..4].copy_from_slice(&len.to_be_bytes());
    let integrity = hmac_sha1(PWD.as_bytes(), &[&message]);
    message.extend_from_slice(&[0, 8, 0, 20]);
    message.extend_from_slice(&integrity);
    message
}

struct Port {
    exchange: Exchange,
    now: MonotonicUs,
    checks: u16,
}

/// What goes out.
#[derive(Default)]
struct Sent(Vec<(SocketAddr, Vec<u8>)>);

impl Sink for Sent {
    fn send<'a>(
        &mut self,
        cold: &'a Outgoing,
        media: impl Iterator<Item = (Address, &'a [u8])>,
        _: impl Fn(Address) -> Option<SocketAddr>,
    ) {
        assert_eq!(media.count(), 0, "nobody sends media");
        self.0.extend(cold.iter().cloned());
    }

    fn tell(&mut self, _: RelayEvent) {}

    fn report(&mut self, _: MediaReport) {}
}

impl Port {
    fn new() -> Self {
        let terms = Terms {
            identity: Identity::generate().expect("a certificate"),
            candidates: vec![SocketAddr::from(([192, 0, 2, 1], 1))],
            legs_max: 10,
            join_timeout: ElapsedMs::from_secs(10),
            clock: Clock::start(),
        };
        let mut exchange = Exchange::new(terms);
        let (now, call) = (MonotonicUs(0), service_kit::entropy::call_id());
        let open = RelayCommand::OpenRoom { call, funded_ms: ElapsedMs::from_secs(60) };
        exchange.command(now, open, Fresh::draw());
        let offer = OFFER.to_owned();
        let admit = RelayCommand::Admit { call, party: Party::Fan, request: 1, offer };
        let credentials = Credentials { ufrag: OURS.to_owned(), pwd: PWD.to_owned() };
        let fresh = Fresh { session_id: 1, credentials, ssrcs: Ssrcs::drawn(0) };
        exchange.command(now, admit, fresh);
        let mut port = Self { exchange, now, checks: 0 };
        port.flush();
        assert_eq!(port.exchange.legs.len(), 1, "a client is expected");
        port
    }

    fn flush(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut sent = Sent::default();
        self.exchange.flush(&mut sent);
        sent.0
    }

    fn check(&mut self, datagram: Vec<u8>) {
        if !matches!(datagram.first(), Some(0..=3)) {
            return;
        }
        // Each from a port of its own, and never too fast.
        self.checks = self.checks.wrapping_add(1);
        self.now = self.now + ElapsedMs::from_secs(1);
        let source = SocketAddr::from(([198, 51, 100, 1], self.checks));
        let judged = self.exchange.judge(self.now, source, &mut datagram.clone());
        let sent = self.flush();
        assert_eq!(judged.is_ok(), !sent.is_empty(), "{judged:?}");
        for (to, reply) in &sent {
            let asked = StunMessage::parse(&datagram).expect("what is answered can be read");
            assert!(asked.verify(PWD.as_bytes(), hmac_sha1), "an answer to a stranger");
            assert_eq!(*to, source);
            let most = datagram.len().min(REPLY_BYTES_MAX);
            assert!(reply.len() <= most, "{} bytes answer {}", reply.len(), datagram.len());
        }
        assert!(sent.len() <= 1);
        assert_eq!(self.exchange.legs.len(), 1);
        let leg = self.exchange.legs.by_ufrag(OURS).and_then(|id| self.exchange.legs.get(id));
        let addresses = leg.map(|leg| leg.ice().addresses().count());
        assert!(addresses.is_some_and(|count| count <= ADDRESSES_MAX), "{addresses:?}");
    }
}
