//! ICE-lite for one leg (RFC 8445 section 2.5): answers the client's checks, remembers which
//! addresses are the client's, and sends to the one it nominated last.
//!
//! Pure: time and datagrams come from the caller. The STUN codec is the `is` crate's; the agent is
//! ours, because a lite agent is little more than what stands here, and a client that knows its own
//! password must neither make us keep an address for each datagram nor hold our media on a path it
//! has left. A check counts only if its MESSAGE-INTEGRITY is ours; everything else is ignored
//! without an answer, so that the port reflects nothing.

use crate::limits::ADDRESSES_MAX;
use aws_lc_rs::hmac;
use is::stun::StunMessage;
use std::net::{IpAddr, SocketAddr};
use units::MonotonicUs;

/// Bytes of the longest answer: header, an IPv6 XOR-MAPPED-ADDRESS, integrity, fingerprint.
const REPLY_BYTES_MAX: usize = 128;

/// User fragment and password of one side (RFC 8445 section 5.3).
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) ufrag: String,
    pub(crate) pwd: String,
}

/// The credentials that one offer and its answer brought: those before and after an ICE restart
/// (RFC 8445 section 2.4) are different ones.
struct Generation {
    local: Credentials,
    peer_ufrag: String,
    /// Whether the client has shown that it has the answer.
    checked: bool,
}

/// The ICE side of one leg.
pub(crate) struct IceLite {
    current: Generation,
    /// Media stays on its path until the client nominates one by the current credentials.
    earlier: Option<Generation>,
    verified: Vec<Verified>,
    /// Where the client wants to be sent to.
    selected: Option<SocketAddr>,
    nominated: bool,
    last_check: Option<MonotonicUs>,
}

#[derive(Clone, Copy)]
struct Verified {
    address: SocketAddr,
    at: MonotonicUs,
}

/// What became of an authentic check.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Checked {
    /// What goes back to the source.
    pub(crate) reply: Vec<u8>,
    /// Whether the source is one of the client's addresses now.
    pub(crate) verified: bool,
    /// An address that is the client's no longer.
    pub(crate) dropped: Option<SocketAddr>,
    /// A user fragment of ours that is of no use any more.
    pub(crate) retired: Option<String>,
}

impl Generation {
    const fn new(local: Credentials, peer_ufrag: String) -> Self {
        Self { local, peer_ufrag, checked: false }
    }

    /// Whether a check names it.
    fn is_named(&self, message: &StunMessage<'_>) -> bool {
        message.split_username() == Some((self.local.ufrag.as_str(), self.peer_ufrag.as_str()))
    }
}

impl IceLite {
    /// A leg that waits for its first check, under our fresh credentials.
    pub(crate) fn new(local: Credentials, peer_ufrag: String) -> Self {
        Self {
            current: Generation::new(local, peer_ufrag),
            earlier: None,
            verified: Vec::new(),
            selected: None,
            nominated: false,
            last_check: None,
        }
    }

    /// Our user fragments: what names this leg in a check.
    pub(crate) fn ufrags(&self) -> impl Iterator<Item = &str> {
        let generations = std::iter::once(&self.current).chain(&self.earlier);
        generations.map(|generation| generation.local.ufrag.as_str())
    }

    /// What the client is to check with.
    pub(crate) const fn local(&self) -> &Credentials {
        &self.current.local
    }

    /// Whether an offer with this user fragment restarts ICE.
    pub(crate) fn is_restarted_by(&self, peer_ufrag: &str) -> bool {
        self.current.peer_ufrag != peer_ufrag
    }

    /// Begins anew under fresh credentials. Until the client has nominated a path by them, the path
    /// that was checked by the earlier ones stays in use.
    pub(crate) fn restart(&mut self, local: Credentials, peer_ufrag: String) {
        let before = std::mem::replace(&mut self.current, Generation::new(local, peer_ufrag));
        if before.checked || self.earlier.is_none() {
            self.earlier = Some(before);
        }
    }

    /// Where to send: what the client nominated last, before that the first address verified.
    pub(crate) const fn selected(&self) -> Option<SocketAddr> {
        self.selected
    }

    /// The addresses that belong to this client.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.verified.iter().map(|verified| verified.address)
    }

    /// When the client last checked from `address`.
    pub(crate) fn checked_at(&self, address: SocketAddr) -> Option<MonotonicUs> {
        self.verified.iter().find(|verified| verified.address == address).map(|found| found.at)
    }

    /// When the client last showed that it wants our packets (RFC 7675).
    pub(crate) const fn last_check(&self) -> Option<MonotonicUs> {
        self.last_check
    }

    /// Whether `message` is a check that only our client can have made. Costs one HMAC.
    pub(crate) fn is_authentic(&self, message: &StunMessage<'_>) -> bool {
        self.named(message).is_some_and(|generation| {
            message.is_binding_request()
                && message.verify(generation.local.pwd.as_bytes(), hmac_sha1)
        })
    }

    fn named(&self, message: &StunMessage<'_>) -> Option<&Generation> {
        let mut generations = std::iter::once(&self.current).chain(&self.earlier);
        generations.find(|generation| generation.is_named(message))
    }

    /// Takes an authentic check from `source`.
    ///
    /// `None` if it can't be answered, which would be a bug of the codec.
    pub(crate) fn check(
        &mut self,
        now: MonotonicUs,
        source: SocketAddr,
        message: &StunMessage<'_>,
    ) -> Option<Checked> {
        // A lite agent is always the controlled one (RFC 8445 section 6.1.1): who thinks otherwise
        // is told to switch.
        if message.ice_controlled().is_some() {
            let conflict = StunMessage::binding_role_conflict_reply(message.trans_id());
            let reply = seal(self.named(message)?, conflict)?;
            return Some(Checked { reply, verified: false, dropped: None, retired: None });
        }
        let mapped = SocketAddr::new(canonical(source.ip()), source.port());
        let answer = StunMessage::binding_reply(message.trans_id(), mapped);
        let reply = seal(self.named(message)?, answer)?;
        let dropped = self.remember(now, source);
        self.last_check = Some(now);
        let current = self.current.is_named(message);
        self.current.checked |= current;
        let mut retired = None;
        // What is nominated by earlier credentials has been left behind.
        if message.use_candidate() && (current || !self.current.checked) {
            self.selected = Some(source);
            self.nominated = true;
            if current {
                retired = self.earlier.take().map(|earlier| earlier.local.ufrag);
            }
        }
        // Sending before the nomination, which browsers take 50 ms to make, joins that much sooner.
        self.selected = self.selected.or(Some(source));
        Some(Checked { reply, verified: true, dropped, retired })
    }

    /// The client's handshake came from this address of its own: until it nominates one, that is
    /// where the answer goes.
    pub(crate) fn heard_from(&mut self, source: SocketAddr) {
        if !self.nominated {
            self.selected = Some(source);
        }
    }

    fn remember(&mut self, now: MonotonicUs, source: SocketAddr) -> Option<SocketAddr> {
        if let Some(known) = self.verified.iter_mut().find(|known| known.address == source) {
            known.at = now;
            return None;
        }
        let mut dropped = None;
        if self.verified.len() == ADDRESSES_MAX {
            let unused = self.verified.iter().enumerate();
            let unused = unused.filter(|(_, known)| Some(known.address) != self.selected);
            let oldest = unused.min_by_key(|(_, known)| known.at).map(|(index, _)| index);
            dropped = oldest.map(|index| self.verified.swap_remove(index).address);
        }
        self.verified.push(Verified { address: source, at: now });
        dropped
    }
}

fn seal(generation: &Generation, message: StunMessage<'_>) -> Option<Vec<u8>> {
    let mut reply = vec![0; REPLY_BYTES_MAX];
    let pwd = generation.local.pwd.as_bytes();
    let len = message.to_bytes(Some(pwd), &mut reply, hmac_sha1).ok()?;
    reply.truncate(len);
    Some(reply)
}

/// An IPv4 address as such, although a socket for both IP versions shows it as IPv6.
fn canonical(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

/// STUN's MESSAGE-INTEGRITY (RFC 8489 section 14.5).
pub(crate) fn hmac_sha1(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    let mut context = hmac::Context::with_key(&key);
    for part in parts {
        context.update(part);
    }
    context.sign().as_ref().try_into().expect("SHA-1 gives 20 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use is::stun::TransId;

    const OURS: &str = "serverserver";
    const PWD: &str = "a password that is long enough";

    fn agent() -> IceLite {
        let local = Credentials { ufrag: OURS.to_owned(), pwd: PWD.to_owned() };
        IceLite::new(local, "client".to_owned())
    }

    fn request(username: &str, pwd: &str, controlling: bool, nominate: bool) -> Vec<u8> {
        let message =
            StunMessage::binding_request(username, TransId::new(), controlling, 7, 1, nominate);
        let mut bytes = vec![0; 512];
        let len = message.to_bytes(Some(pwd.as_bytes()), &mut bytes, hmac_sha1).unwrap();
        bytes.truncate(len);
        bytes
    }

    fn from(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    /// A check at `ms` from `port`; what the agent made of it.
    fn check(agent: &mut IceLite, ms: u64, port: u16, nominate: bool) -> Checked {
        let bytes = request(&format!("{OURS}:client"), PWD, true, nominate);
        let message = StunMessage::parse(&bytes).unwrap();
        assert!(agent.is_authentic(&message));
        agent.check(MonotonicUs(ms * 1_000), from(port), &message).unwrap()
    }

    #[test]
    fn only_checks_of_our_client_are_authentic() {
        for (username, pwd, authentic) in [
            ("serverserver:client", PWD, true),
            ("serverserver:client", "another password, long too", false),
            ("serverserver:other", PWD, false),
            ("other:client", PWD, false),
        ] {
            let bytes = request(username, pwd, true, false);
            let message = StunMessage::parse(&bytes).unwrap();
            assert_eq!(agent().is_authentic(&message), authentic, "{username} {pwd}");
        }
    }

    #[test]
    fn after_a_restart_the_earlier_path_serves_until_another_is_nominated() {
        let mut agent = agent();
        check(&mut agent, 0, 1, true);
        let later = Credentials { ufrag: "later".to_owned(), pwd: PWD.replace('a', "b") };
        assert!(!agent.is_restarted_by("client") && agent.is_restarted_by("clientagain"));
        agent.restart(later.clone(), "clientagain".to_owned());
        // A second restart, before the client saw the answer to the first.
        agent.restart(later.clone(), "clientagain".to_owned());
        assert_eq!(agent.ufrags().collect::<Vec<_>>(), ["later", OURS]);
        assert_eq!(check(&mut agent, 1, 1, true).retired, None);

        let again = |agent: &mut IceLite, port, nominate| {
            let bytes = request("later:clientagain", &later.pwd, true, nominate);
            let message = StunMessage::parse(&bytes).unwrap();
            assert!(agent.is_authentic(&message));
            let checked = agent.check(MonotonicUs(2_000), from(port), &message).unwrap();
            let reply = StunMessage::parse(&checked.reply).unwrap();
            assert!(reply.verify(later.pwd.as_bytes(), hmac_sha1));
            checked.retired
        };
        assert_eq!(again(&mut agent, 2, false), None);
        check(&mut agent, 3, 3, true);
        assert_eq!(agent.selected(), Some(from(1)), "the earlier path, and no new one by it");
        assert_eq!(again(&mut agent, 2, true).as_deref(), Some(OURS));
        assert_eq!(agent.selected(), Some(from(2)));
        let bytes = request(&format!("{OURS}:client"), PWD, true, true);
        assert!(!agent.is_authentic(&StunMessage::parse(&bytes).unwrap()));
    }

    #[test]
    fn answers_show_the_source_and_are_sealed() {
        let checked = check(&mut agent(), 0, 5_000, false);
        let reply = StunMessage::parse(&checked.reply).unwrap();
        assert!(reply.is_successful_binding_response());
        assert_eq!(reply.mapped_address(), Some(from(5_000)));
        assert!(reply.verify(PWD.as_bytes(), hmac_sha1));
    }

    #[test]
    fn media_goes_to_the_address_nominated_last() {
        let mut agent = agent();
        assert_eq!(agent.selected(), None);
        check(&mut agent, 0, 1, false);
        check(&mut agent, 1, 2, false);
        assert_eq!(agent.selected(), Some(from(1)));
        agent.heard_from(from(2));
        assert_eq!(agent.selected(), Some(from(2)));
        check(&mut agent, 2, 1, true);
        agent.heard_from(from(2));
        assert_eq!(agent.selected(), Some(from(1)));
        check(&mut agent, 3, 2, true);
        assert_eq!(agent.selected(), Some(from(2)));
    }

    #[test]
    fn addresses_are_bounded_and_the_selected_one_stays() {
        let mut agent = agent();
        check(&mut agent, 0, 1, true);
        let last = u16::try_from(ADDRESSES_MAX).unwrap() + 20;
        for port in 2..=last {
            let checked = check(&mut agent, port.into(), port, false);
            let dropped = usize::from(port) > ADDRESSES_MAX;
            assert_eq!(checked.dropped.is_some(), dropped, "{port}");
        }
        let addresses: Vec<_> = agent.addresses().collect();
        assert_eq!(addresses.len(), ADDRESSES_MAX);
        assert!(addresses.contains(&from(1)) && addresses.contains(&from(last)));
    }

    #[test]
    fn a_client_that_thinks_it_is_controlled_is_told_and_not_verified() {
        let bytes = request(&format!("{OURS}:client"), PWD, false, false);
        let message = StunMessage::parse(&bytes).unwrap();
        let mut agent = agent();
        let checked = agent.check(MonotonicUs(0), from(1), &message).unwrap();
        let reply = StunMessage::parse(&checked.reply).unwrap();
        assert_eq!(reply.error_code().map(|(code, _)| code), Some(487));
        assert!(!checked.verified && agent.last_check().is_none() && agent.selected().is_none());
    }
}
