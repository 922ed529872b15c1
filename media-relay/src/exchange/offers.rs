//! Offers and their answers: of who joins, and of who is connected already.

use super::Exchange;
use crate::dtls::DtlsServer;
use crate::fresh::Fresh;
use crate::ice::IceLite;
use crate::leg::Leg;
use crate::legs::LegId;
use crate::place::Place;
use crate::sdp::{self, Agreement, Offer, Streams, Unsupported, Use};
use crate::translate;
use media_core::{Codec, Input, LegKey, NegotiatedLeg, Side};
use protocol::service::OfferRefusal;
use tracing::error;
use units::MonotonicUs;

impl Exchange {
    /// Answers the offer of a call's side.
    pub(super) fn admit(
        &mut self,
        now: MonotonicUs,
        key: LegKey,
        offer: &str,
        fresh: Fresh,
    ) -> Result<String, OfferRefusal> {
        let room = self.rooms.get(&key.call).filter(|room| !room.closing);
        let room = room.ok_or(OfferRefusal::NoRoom)?;
        let peer = room.seat(key.side.other()).latest().and_then(|id| self.legs.get(id));
        let peer_video = peer.and_then(Leg::video);
        let offer = Offer::read(offer, Use::Pair).map_err(|lack| translate::refusal(&lack))?;
        // What this client hears and sees is the other side.
        let stream = Streams::One(match key.side.other() {
            Side::Fan => "fan",
            Side::Host => "host",
        });
        if let Some(id) = self.legs.of_session(room.seat(key.side).legs(), &offer.session) {
            let (_, answer, changed) =
                self.renegotiate(id, (&offer, peer_video), fresh, stream, true)?;
            if let Some(negotiated) = changed {
                self.forward(now, Input::Join { leg: key, negotiated });
            }
            return Ok(answer);
        }
        let abandoned = room.seat(key.side).joining;
        if self.legs.len() - usize::from(abandoned.is_some()) >= self.terms.legs_max {
            return Err(OfferRefusal::Full);
        }
        let agreement = sdp::agree(&offer, peer_video, &[], fresh.ssrcs)
            .map_err(|lack| translate::refusal(&lack))?;
        let (id, answer) = self.expect(now, Place::Call(key), &agreement, fresh, stream)?;
        if let Some(abandoned) = abandoned {
            self.legs.remove(abandoned);
        }
        if let Some(room) = self.rooms.get_mut(&key.call) {
            room.seat_mut(key.side).joining = Some(id);
        }
        Ok(answer)
    }

    /// Makes the leg by which a client will connect, and our answer.
    pub(super) fn expect(
        &mut self,
        now: MonotonicUs,
        place: Place,
        agreement: &Agreement,
        fresh: Fresh,
        streams: Streams<'_>,
    ) -> Result<(LegId, String), OfferRefusal> {
        let Agreement { ufrag, session, sections: _ } = agreement;
        let (instant, fingerprint) = (self.terms.clock.instant_at(now), &session.fingerprint);
        let dtls =
            DtlsServer::new(&self.terms.identity, fingerprint.clone(), instant).map_err(|end| {
                error!(%end, "DTLS can't start");
                OfferRefusal::Full
            })?;
        let ice = IceLite::new(fresh.credentials, ufrag.clone());
        let deadline = now + self.terms.join_timeout;
        let leg = Leg::new(place, (ice, dtls), agreement, fresh.session_id, deadline);
        let answer = self.answer(&leg, agreement, streams);
        Ok((self.legs.insert(leg, &self.terms.clock), answer))
    }

    /// Takes in a later offer of the peer connection that a leg is the connection to, without a new
    /// handshake (RFC 8842 section 4): other m-lines where they `may_change`, a restart of ICE, or
    /// both. Returns what was agreed, our answer, and what the packet path is to know if it changes.
    pub(super) fn renegotiate(
        &mut self,
        id: LegId,
        (offer, video): (&Offer<'_>, Option<Codec>),
        fresh: Fresh,
        streams: Streams<'_>,
        may_change: bool,
    ) -> Result<(Agreement, String, Option<NegotiatedLeg>), OfferRefusal> {
        let leg = self.legs.get(id).ok_or(OfferRefusal::NoRoom)?;
        let agreement = sdp::agree(offer, video.or(leg.video()), leg.lines(), fresh.ssrcs)
            .map_err(|lack| translate::refusal(&lack))?;
        if !may_change && !agreement.media().eq(leg.lines()) {
            return Err(translate::refusal(&Unsupported::SameLines));
        }
        if leg.ice().is_restarted_by(&agreement.ufrag) {
            self.legs.restart(id, fresh.credentials, agreement.ufrag.clone());
        }
        let leg = self.legs.get_mut(id).ok_or(OfferRefusal::NoRoom)?;
        let changed = leg.renegotiate(&agreement);
        let answer = self.legs.get(id).map(|leg| self.answer(leg, &agreement, streams));
        Ok((agreement, answer.ok_or(OfferRefusal::NoRoom)?, changed))
    }

    fn answer(&self, leg: &Leg, agreement: &Agreement, streams: Streams<'_>) -> String {
        let local = sdp::Local {
            session: leg.answered(),
            ufrag: &leg.ice().local().ufrag,
            pwd: &leg.ice().local().pwd,
            fingerprint: self.terms.identity.fingerprint(),
            candidates: &self.terms.candidates,
            streams,
        };
        sdp::answer(agreement, &local)
    }
}
