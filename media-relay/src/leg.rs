//! One client's connection: ICE and DTLS until it can carry media, then watched for its end.
//!
//! Pure: what arrives and the time come from the caller; what must go out goes to a [`Outgoing`].

use crate::dtls::{DtlsEnd, DtlsServer, Keys};
use crate::ice::{Checked, IceLite};
use crate::place::Place;
use is::stun::StunMessage;
use media_core::{Address, Codec, MediaLine, Mid, NegotiatedLeg};
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
    lines: Vec<MediaLine>,
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
    /// An answered offer that must be connected by `deadline`.
    pub(crate) const fn new(
        place: Place,
        ice: IceLite,
        dtls: DtlsServer,
        lines: Vec<MediaLine>,
        deadline: MonotonicUs,
    ) -> Self {
        Self { place, media: None, ice, dtls, lines, state: State::Joining { deadline } }
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
            Ok(Some(Keys { profile, material })) => {
                self.state = State::Connected;
                let lines = self.lines.clone();
                News::Joined(NegotiatedLeg { profile, keying_material: material, lines })
            }
            Err(end) => News::Ended(end.into()),
        }
    }
}
