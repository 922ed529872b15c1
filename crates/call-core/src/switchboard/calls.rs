//! A call's way from the first ring to its end.
//!
//! `Ringing -> Opening -> Connecting -> Live -> Ending`, then it is forgotten. Whoever was accepted
//! (from `Opening` on) ends by way of [`Switchboard::end`], which closes the room and has the meter
//! settle; nothing else does either.

use super::Switchboard;
use crate::alarm::Alarm;
use crate::call::{Call, MediaLink, Phase, Side};
use crate::output::{CallView, Message, Output, PeerView, Receipt};
use crate::unsettled::Over;
use crate::words::{EndReason, Party, Refusal, Terms};
use units::{CallId, MonotonicMs, SessionId, ShareBps, UserId};

impl Switchboard {
    /// Starts to ring; the caller has checked that both are free.
    pub(super) fn ring(
        &mut self,
        now: MonotonicMs,
        caller: (SessionId, u64),
        id: CallId,
        terms: Terms,
        host_share: ShareBps,
    ) {
        let host = self.people.get(&terms.host).and_then(|id| self.sessions.get(id));
        let host = Side::new(&host.expect("online hosts have a session").login, terms.medium);
        let fan = self.sessions.get(&caller.0).expect("the caller's session is there");
        let fan = Side::new(&fan.login, terms.medium);
        let phase = Phase::Ringing { ends_at: now + self.rules.ring_timeout };
        for user in [&terms.fan, &terms.host] {
            self.engaged.insert(user.clone(), id);
        }
        let (proof, charged) = Default::default();
        let call = Call { terms, host_share, fan, host, phase, proof, charged };
        let [to_fan, to_host] = Party::BOTH.map(|party| Box::new(self.view(now, id, &call, party)));
        let host = (call.host.user.clone(), call.host.name.clone());
        self.calls.insert(id, call);
        self.set_call_alarm(id);
        self.send(caller.0, Some(caller.1), Message::Call(to_fan));
        self.tell(&host.0, Message::CallIncoming(to_host));
        self.announce(&host.0, &host.1);
    }

    pub(super) fn cancel(
        &mut self,
        now: MonotonicMs,
        user: &UserId,
        id: CallId,
    ) -> Result<(), Refusal> {
        let (party, call) = self.their_call(user, id)?;
        match (party, call.phase) {
            (Party::Fan, Phase::Ringing { .. } | Phase::Opening { .. }) => {
                self.give_up(now, id, EndReason::Cancelled);
                Ok(())
            }
            (Party::Fan, Phase::Connecting { .. } | Phase::Live | Phase::Ending { .. })
            | (Party::Host, _) => Err(Refusal::CallWrongState),
        }
    }

    pub(super) fn decline(
        &mut self,
        now: MonotonicMs,
        user: &UserId,
        id: CallId,
    ) -> Result<(), Refusal> {
        self.ringing_at(user, id)?;
        self.give_up(now, id, EndReason::Declined);
        Ok(())
    }

    /// Has the meter write the call down; the request is answered when it has.
    pub(super) fn accept(
        &mut self,
        now: MonotonicMs,
        user: &UserId,
        session: SessionId,
        re: u64,
        id: CallId,
    ) -> Result<(), Refusal> {
        let terms = self.ringing_at(user, id)?.terms.clone();
        let ends_at = now + self.rules.ask_timeout;
        self.set_phase(id, Phase::Opening { session, re, ends_at });
        self.outputs.push(Output::OpenMeter { call: id, terms });
        Ok(())
    }

    /// The call that rings at this host's client.
    fn ringing_at(&self, host: &UserId, id: CallId) -> Result<&Call, Refusal> {
        let (party, call) = self.their_call(host, id)?;
        match (party, call.phase) {
            (Party::Host, Phase::Ringing { .. }) => Ok(call),
            (
                Party::Host,
                Phase::Opening { .. }
                | Phase::Connecting { .. }
                | Phase::Live
                | Phase::Ending { .. },
            )
            | (Party::Fan, _) => Err(Refusal::CallWrongState),
        }
    }

    /// Ends the call at either side's word, whatever its state: who rings stops ringing, who is
    /// rung declines, and who finds it ending already has what they want.
    pub(super) fn hang_up(
        &mut self,
        now: MonotonicMs,
        user: &UserId,
        id: CallId,
    ) -> Result<(), Refusal> {
        let (party, call) = self.their_call(user, id)?;
        let reason = match (call.phase, party) {
            (Phase::Ringing { .. }, Party::Host) => EndReason::Declined,
            (Phase::Ringing { .. } | Phase::Opening { .. }, Party::Fan) => EndReason::Cancelled,
            (Phase::Opening { .. } | Phase::Connecting { .. } | Phase::Live, party) => {
                EndReason::hung_up_by(party)
            }
            (Phase::Ending { .. }, Party::Fan | Party::Host) => return Ok(()),
        };
        self.give_up(now, id, reason);
        Ok(())
    }

    pub(super) fn show_media(
        &mut self,
        now: MonotonicMs,
        user: &UserId,
        id: CallId,
        audio: bool,
        video: bool,
    ) -> Result<(), Refusal> {
        let (party, _) = self.their_call(user, id)?;
        let call = self.calls.get_mut(&id).ok_or(Refusal::CallUnknown)?;
        if matches!(call.phase, Phase::Ending { .. }) {
            return Err(Refusal::CallWrongState);
        }
        let side = call.side_mut(party);
        if (side.audio, side.video) != (audio, video) {
            (side.audio, side.video) = (audio, video);
            self.show_peer_of(now, id, user);
        }
        Ok(())
    }

    /// A side's client is gone for good.
    pub(super) fn lose(&mut self, now: MonotonicMs, id: CallId, party: Party) {
        self.give_up(now, id, EndReason::lost(party));
    }

    pub(super) fn call_expired(&mut self, now: MonotonicMs, id: CallId) {
        let Some(call) = self.calls.get(&id) else { return };
        if let Some(party) = call.lost_side(now) {
            return self.lose(now, id, party);
        }
        match call.phase {
            Phase::Ringing { .. } => self.give_up(now, id, EndReason::Unanswered),
            Phase::Opening { session, re, .. } => {
                self.refuse(session, re, Refusal::BillingUnavailable);
                self.end(now, id, EndReason::NotConnected);
            }
            Phase::Connecting { .. } => self.end(now, id, EndReason::NotConnected),
            Phase::Live => {}
            Phase::Ending { reason, .. } => {
                self.outputs.push(Output::ReportUnsettled { call: id });
                self.finish(now, id, reason, None);
            }
        }
    }

    /// Ends a call in whatever way its state asks for.
    pub(super) fn give_up(&mut self, now: MonotonicMs, id: CallId, reason: EndReason) {
        let Some(call) = self.calls.get(&id) else { return };
        match call.phase {
            Phase::Ringing { .. } => self.finish(now, id, reason, None),
            Phase::Opening { session, re, .. } => {
                self.refuse(session, re, Refusal::CallWrongState);
                self.end(now, id, reason);
            }
            Phase::Connecting { .. } | Phase::Live => self.end(now, id, reason),
            Phase::Ending { .. } => {}
        }
    }

    /// Stops the media of a call that the meter knows of, and has it settled.
    fn end(&mut self, now: MonotonicMs, id: CallId, reason: EndReason) {
        let Some(call) = self.calls.get(&id) else { return };
        let over = Over { fan: call.terms.fan.clone(), reason, proof: call.proof };
        self.outputs.push(Output::CloseRoom { call: id });
        self.unsettled.ended(now, id, over);
        self.end_again(now, id);
        let ends_at = now + self.rules.settle_timeout;
        self.set_phase(id, Phase::Ending { reason, ends_at });
        self.show(now, id);
    }

    /// Tells both sides that the call is over, and forgets it.
    pub(super) fn finish(
        &mut self,
        now: MonotonicMs,
        id: CallId,
        reason: EndReason,
        receipt: Option<Receipt>,
    ) {
        let Some(call) = self.calls.remove(&id) else { return };
        self.alarms.set(Alarm::Call(id), None);
        for party in Party::BOTH {
            let user = &call.side(party).user;
            self.engaged.remove(user);
            self.tell_end(now, user, id, reason, receipt.as_ref());
        }
        if self.online.contains_key(&call.host.user) {
            self.announce(&call.host.user, &call.host.name);
        }
    }

    /// Ends every call, and lets none begin.
    pub(super) fn stop(&mut self, now: MonotonicMs) {
        self.stopping = true;
        let calls: Vec<CallId> = self.calls.keys().copied().collect();
        for call in calls {
            self.give_up(now, call, EndReason::Interrupted);
        }
    }

    /// A call of this user's, and which side they are.
    pub(super) fn their_call(&self, user: &UserId, id: CallId) -> Result<(Party, &Call), Refusal> {
        let call = self.calls.get(&id).ok_or(Refusal::CallUnknown)?;
        let party = call.party(user).ok_or(Refusal::CallUnknown)?;
        Ok((party, call))
    }

    pub(super) fn set_phase(&mut self, id: CallId, phase: Phase) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.phase = phase;
        }
        self.set_call_alarm(id);
    }

    fn set_call_alarm(&mut self, id: CallId) {
        let deadline = self.calls.get(&id).and_then(Call::deadline);
        self.alarms.set(Alarm::Call(id), deadline);
    }

    /// Changes what is known of a side's media connection.
    pub(super) fn change_media(
        &mut self,
        id: CallId,
        user: &UserId,
        change: impl FnOnce(MediaLink) -> MediaLink,
    ) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(party) = call.party(user) else { return };
        let side = call.side_mut(party);
        side.media = change(side.media);
        self.set_call_alarm(id);
    }

    /// The call that a user is in, as they see it.
    pub(super) fn call_of(&self, now: MonotonicMs, user: &UserId) -> Option<CallView> {
        let id = *self.engaged.get(user)?;
        let call = self.calls.get(&id)?;
        Some(self.view(now, id, call, call.party(user)?))
    }

    /// Sends the call as it is now to both sides.
    pub(super) fn show(&mut self, now: MonotonicMs, id: CallId) {
        for party in Party::BOTH {
            self.show_to(now, id, party);
        }
    }

    /// Sends the call as it is now to the side that is not `user`.
    pub(super) fn show_peer_of(&mut self, now: MonotonicMs, id: CallId, user: &UserId) {
        if let Some(party) = self.calls.get(&id).and_then(|call| call.party(user)) {
            self.show_to(now, id, party.other());
        }
    }

    fn show_to(&mut self, now: MonotonicMs, id: CallId, party: Party) {
        let Some(call) = self.calls.get(&id) else { return };
        let view = Box::new(self.view(now, id, call, party));
        let user = call.side(party).user.clone();
        self.tell(&user, Message::Call(view));
    }

    fn view(&self, now: MonotonicMs, id: CallId, call: &Call, you: Party) -> CallView {
        let peer = call.side(you.other());
        let ring_ends_in = match call.phase {
            Phase::Ringing { ends_at } => Some(ends_at.since(now)),
            Phase::Opening { .. }
            | Phase::Connecting { .. }
            | Phase::Live
            | Phase::Ending { .. } => None,
        };
        CallView {
            call: id,
            state: call.state(),
            you,
            peer: PeerView {
                user: peer.user.clone(),
                name: peer.name.clone(),
                online: self.is_there(&peer.user),
                audio: peer.audio,
                video: peer.video,
            },
            medium: call.terms.medium,
            rate: call.terms.rate(),
            host_share: call.host_share,
            ring_ends_in,
        }
    }
}
