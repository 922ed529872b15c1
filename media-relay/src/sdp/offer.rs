//! An offer as the relay sees it: one transport, and m-lines that may or may not be answered.

use super::Unsupported;
use super::lines::{Attributes, Description, Section, is_token};
use media_core::Mid;

/// The one profile we answer: SRTP keyed by DTLS, with feedback (RFC 5764). Anything else would be
/// a downgrade.
const PROFILE: &str = "UDP/TLS/RTP/SAVPF";

/// An offer that can be answered, codecs aside.
#[derive(Debug)]
pub(crate) struct Offer<'a> {
    /// The client's ICE user fragment: the right half of its checks' username.
    pub(crate) ufrag: &'a str,
    pub(crate) session: Session,
    /// All m-lines, in order.
    pub(crate) sections: Vec<Section<'a>>,
    /// The indexes in `sections` of those that are used, ascending, and their mids.
    pub(crate) lines: Vec<(usize, Mid)>,
}

/// What stays the same as long as a client offers from the same peer connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    /// User name and session id of its `o=` (RFC 8866 section 5.2); `None` if it has no such line.
    origin: Option<(String, String)>,
    /// What the client's certificate must hash to.
    pub(crate) fingerprint: Fingerprint,
}

/// Which of the offered m-lines are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// The first for audio, and the first for video if there is one: a call.
    Pair,
    /// All for audio and video, at least one: a room of many.
    All,
}

/// A hash of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    pub(crate) algorithm: HashAlgorithm,
    pub(crate) hash: Vec<u8>,
}

/// How a certificate is hashed; weaker ones are not accepted (RFC 8122 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HashAlgorithm {
    Sha256,
    Sha384,
    Sha512,
}

impl<'a> Offer<'a> {
    /// Reads and checks an offer.
    ///
    /// # Errors
    /// The first thing found that it lacks.
    pub(crate) fn read(text: &'a str, used: Use) -> Result<Self, Unsupported> {
        let Description { origin, session, sections } = Description::read(text)?;
        let bundle = bundle(&session).ok_or(Unsupported::Bundle)?;
        let mut lines = offered(&sections, &bundle)?;
        if used == Use::Pair {
            let first = |kind| lines.iter().find(|(index, _)| sections[*index].kind == kind);
            let audio = first("audio").ok_or(Unsupported::Audio)?;
            lines = [Some(audio), first("video")].into_iter().flatten().copied().collect();
            lines.sort_unstable_by_key(|(index, _)| *index);
        }
        if lines.is_empty() {
            return Err(Unsupported::Media);
        }
        if lines.iter().any(|(index, _)| !sections[*index].attributes.has("rtcp-mux")) {
            return Err(Unsupported::RtcpMux);
        }
        if session.has("ice-lite") {
            return Err(Unsupported::FullIce);
        }
        // A bundled transport is described by the m-line that the group names first
        // (RFC 8843 section 7.2.1), each attribute at the session's level if not there.
        let tagged = sections
            .iter()
            .find(|section| section.attributes.value("mid") == bundle.first().copied())
            .ok_or(Unsupported::Bundle)?;
        let transport = |name| tagged.attributes.value(name).or_else(|| session.value(name));
        let ufrag = transport("ice-ufrag")
            .filter(|ufrag| is_ice_text(ufrag, 4))
            .ok_or(Unsupported::IceUfrag)?;
        // An ICE-lite agent sends no checks, so it never uses the client's password; but an offer
        // without one comes from something that is no ICE agent.
        transport("ice-pwd").filter(|pwd| is_ice_text(pwd, 22)).ok_or(Unsupported::IcePwd)?;
        let fingerprint = tagged
            .attributes
            .values("fingerprint")
            .chain(session.values("fingerprint"))
            .find_map(Fingerprint::read)
            .ok_or(Unsupported::Fingerprint)?;
        transport("setup")
            .filter(|setup| ["actpass", "active"].contains(setup))
            .ok_or(Unsupported::DtlsClient)?;
        let mut names = origin.split(' ').map(str::to_owned);
        let session = Session { origin: names.next().zip(names.next()), fingerprint };
        Ok(Self { ufrag, session, sections, lines })
    }
}

impl Session {
    /// Whether an offer comes from the peer connection of an earlier one.
    pub(crate) fn is_of(&self, earlier: &Self) -> bool {
        self.origin.is_some() && self == earlier
    }
}

/// The mids of the first BUNDLE group.
fn bundle<'a>(session: &Attributes<'a>) -> Option<Vec<&'a str>> {
    let group = session.values("group").find_map(|value| value.strip_prefix("BUNDLE "))?;
    let mids: Vec<&str> = group.split(' ').filter(|mid| !mid.is_empty()).collect();
    (!mids.is_empty()).then_some(mids)
}

/// The m-lines for audio and video that are offered within the bundle, with their mids.
fn offered(sections: &[Section<'_>], bundle: &[&str]) -> Result<Vec<(usize, Mid)>, Unsupported> {
    let mut lines = Vec::new();
    for (index, section) in sections.iter().enumerate() {
        let disabled = section.port == 0 && !section.attributes.has("bundle-only");
        let text = section.attributes.value("mid");
        let bundled = text.is_none_or(|mid| bundle.contains(&mid));
        if disabled || !bundled || !["audio", "video"].contains(&section.kind) {
            continue;
        }
        if section.profile != PROFILE {
            return Err(Unsupported::Profile);
        }
        let same_mid = |other: &&Section<'_>| other.attributes.value("mid") == text;
        let unique = sections.iter().filter(same_mid).count() == 1;
        let mid = text.filter(|mid| unique && is_token(mid)).and_then(Mid::new);
        lines.push((index, mid.ok_or(Unsupported::Mid)?));
    }
    Ok(lines)
}

/// Whether `text` is made of ice-chars (RFC 8839 section 5.4) and as long as it must be.
fn is_ice_text(text: &str, len_min: usize) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    (len_min..=256).contains(&text.len()) && text.bytes().all(allowed)
}

impl Fingerprint {
    /// Reads `sha-256 AB:CD:...`, or `None` for another algorithm or a malformed hash.
    fn read(value: &str) -> Option<Self> {
        let (name, hex) = value.split_once(' ')?;
        let algorithm = HashAlgorithm::ALL
            .into_iter()
            .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))?;
        let byte = |pair: &str| {
            let digits = pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
            digits.then(|| u8::from_str_radix(pair, 16).ok()).flatten()
        };
        let pairs = hex.trim_end().split(':').take(algorithm.bytes() + 1);
        let hash: Vec<u8> = pairs.map(byte).collect::<Option<_>>()?;
        (hash.len() == algorithm.bytes()).then_some(Self { algorithm, hash })
    }
}

impl HashAlgorithm {
    const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    const fn bytes(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}
