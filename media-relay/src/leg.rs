//! One client's connection: ICE and DTLS until it can carry media, then watched for its end.
//!
//! Pure: what arrives and the time come from the caller; what must go out goes to a [`Outgoing`].

use crate::dtls::{DtlsEnd, DtlsServer, Keys};
use crate::ice::{Checked, Credentials, IceLite};
use crate::limits::{CHECK_BURST_BYTES, CHECK_BYTES_PER_S, DTLS_BURST_BYTES, DTLS_BYTES_PER_S};
use crate::place::Place;
use crate::sdp::{Agreement, Session};
use is::stun::StunMessage;
use media_core::{Address, Codec, MediaLine, Mid, NegotiatedLeg, TokenBucket};
use service_kit::Clock;
use std::net::SocketAddr;
use units::{ElapsedMs, MonotonicUs};

/// How long a client may send no valid check before it counts as gone (RFC 7675). Browsers check
/// every 2.5 s. Less would end calls in a tunnel; more would keep sending, and keep the side
/// looking connected, after its battery died. It moves no money: media is billed when confirmed.
pub(crate) const CONSENT: ElapsedMs = ElapsedMs::from_secs(15);

/// Datagrams of the cold path, with their destinations.
pub(crate) type Outgoing = Vec<(SocketAddr, Vec<u8>)>;

/// One client's connection.
pub(crate) struct Leg {
    place: Place,
    /// By which the packet path knows it, once it is connected.
    media: Option<Address>,
    ice: IceLite,
    dtls: DtlsServer,
    /// Checks and DTLS that may still come.
    checks: TokenBucket,
    shakes: TokenBucket,
    lines: Vec<MediaLine>,
    session: Session,
    /// Our session's id, and how many answers there were in it.
    answered: (u64, u64),
    /// Once the handshake is done.
    keys: Option<Keys>,
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    /// Must be connected by then.
    Joining {
        deadline: MonotonicUs,
    },
    Connected,
}

/// News of a leg.
#[derive(Debug)]
pub(crate) enum News {
    None,
    /// It can carry media.
    Joined(NegotiatedLeg),
    /// It is over.
    Ended(LegEnd),
}

/// Why a leg is over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LegEnd {
    #[error("DTLS: {0}")]
    Dtls(#[from] DtlsEnd),
    #[error("not connected in time")]
    JoinTimeout,
    #[error("no valid check for {} s", CONSENT.0 / 1_000)]
    ConsentLost,
}

impl Leg {
    /// The transport of an offer that was answered by our session of that id and must be connected
    /// by `deadline`.
    pub(crate) fn new(
        place: Place,
        (ice, dtls): (IceLite, DtlsServer),
        agreement: &Agreement,
        session_id: u64,
        deadline: MonotonicUs,
    ) -> Self {
        Self {
            place,
            media: None,
            ice,
            dtls,
            checks: TokenBucket::new(CHECK_BYTES_PER_S, CHECK_BURST_BYTES),
            shakes: TokenBucket::new(DTLS_BYTES_PER_S, DTLS_BURST_BYTES),
            lines: agreement.media().copied().collect(),
            session: agreement.session.clone(),
            answered: (session_id, 1),
            keys: None,
            state: State::Joining { deadline },
        }
    }

    /// Whether an offer is from the peer connection that this is the connection to.
    pub(crate) fn is_of(&self, session: &Session) -> bool {
        session.is_of(&self.session)
    }

    /// Takes in what a later offer of the same peer connection has led to. Returns what the packet
    /// path is to know, if it is in use and that has changed.
    pub(crate) fn renegotiate(&mut self, agreement: &Agreement) -> Option<NegotiatedLeg> {
        self.answered.1 += 1;
        let lines = agreement.media().copied().collect();
        let before = std::mem::replace(&mut self.lines, lines);
        let keys = self.keys.as_ref().filter(|_| before != self.lines)?;
        Some(self.negotiated(keys))
    }

    /// Our session's id, and how many answers there were in it.
    pub(crate) const fn answered(&self) -> (u64, u64) {
        self.answered
    }

    /// Its m-lines that carry media.
    pub(crate) fn lines(&self) -> &[MediaLine] {
        &self.lines
    }

    /// ICE begins anew under fresh credentials.
    pub(crate) fn restart(&mut self, local: Credentials, peer_ufrag: String) {
        self.ice.restart(local, peer_ufrag);
    }

    /// Whose connection it is.
    pub(crate) const fn place(&self) -> Place {
        self.place
    }

    /// By which the packet path knows it, if it carries media.
    pub(crate) const fn media(&self) -> Option<Address> {
        self.media
    }

    /// It carries media from now on.
    pub(crate) const fn carries(&mut self, media: Address) {
        self.media = Some(media);
    }

    /// Its ICE side, for reading.
    pub(crate) const fn ice(&self) -> &IceLite {
        &self.ice
    }

    /// Its video codec, if it has video.
    pub(crate) fn video(&self) -> Option<Codec> {
        self.lines.iter().map(|line| line.codec).find(|codec| *codec != Codec::Opus)
    }

    /// The number of the m-line of this mid among those that carry media.
    pub(crate) fn line_of(&self, mid: Mid) -> Option<usize> {
        self.lines.iter().position(|line| line.mid == mid)
    }

    /// When [`Leg::wake`] wants to be called at the latest.
    pub(crate) fn next_wake(&self, clock: &Clock) -> MonotonicUs {
        self.deadline().min(clock.at_instant(self.dtls.next_wake()))
    }

    fn deadline(&self) -> MonotonicUs {
        match self.state {
            State::Joining { deadline } => deadline,
            State::Connected => self.ice.last_check().unwrap_or_default() + CONSENT,
        }
    }

    /// Whether an authentic check of so many bytes is not too much.
    pub(crate) fn may_check(&mut self, now: MonotonicUs, bytes: usize) -> bool {
        self.checks.take(now, bytes)
    }

    /// Whether a DTLS datagram of so many bytes is not too much.
    pub(crate) fn may_shake(&mut self, now: MonotonicUs, bytes: usize) -> bool {
        self.shakes.take(now, bytes)
    }

    /// Takes an authentic check.
    pub(crate) fn check(
        &mut self,
        now: MonotonicUs,
        source: SocketAddr,
        message: &StunMessage<'_>,
    ) -> Option<Checked> {
        self.ice.check(now, source, message)
    }

    /// Takes a DTLS datagram from one of this client's addresses.
    pub(crate) fn receive_dtls(
        &mut self,
        now: MonotonicUs,
        clock: &Clock,
        source: SocketAddr,
        datagram: &[u8],
        out: &mut Outgoing,
    ) -> News {
        self.ice.heard_from(source);
        let to = self.ice.selected();
        let send = |datagram: &[u8]| out.extend(to.map(|to| (to, datagram.to_vec())));
        let progress = self.dtls.receive(clock.instant_at(now), datagram, send);
        self.progressed(progress)
    }

    /// Does what has become due.
    pub(crate) fn wake(&mut self, now: MonotonicUs, clock: &Clock, out: &mut Outgoing) -> News {
        if self.deadline() <= now {
            return News::Ended(match self.state {
                State::Joining { .. } => LegEnd::JoinTimeout,
                State::Connected => LegEnd::ConsentLost,
            });
        }
        let to = self.ice.selected();
        let send = |datagram: &[u8]| out.extend(to.map(|to| (to, datagram.to_vec())));
        let progress = self.dtls.wake(clock.instant_at(now), send);
        self.progressed(progress)
    }

    fn progressed(&mut self, progress: Result<Option<Keys>, DtlsEnd>) -> News {
        match progress {
            Ok(None) => News::None,
            Ok(Some(keys)) => {
                self.state = State::Connected;
                let negotiated = self.negotiated(&keys);
                self.keys = Some(keys);
                News::Joined(negotiated)
            }
            Err(end) => News::Ended(end.into()),
        }
    }

    fn negotiated(&self, keys: &Keys) -> NegotiatedLeg {
        let Keys { profile, material } = keys;
        let (profile, keying_material) = (*profile, material.clone());
        NegotiatedLeg { profile, keying_material, lines: self.lines.clone() }
    }
}
