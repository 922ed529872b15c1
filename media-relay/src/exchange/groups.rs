//! Rooms of many: what is said about them, and who comes and goes.

use super::Exchange;
use crate::fresh::Fresh;
use crate::gatherings::{Gathering, Line, Member};
use crate::leg::Leg;
use crate::legs::LegId;
use crate::place::{Place, Served};
use crate::sdp::{self, Offer, Streams, Use};
use crate::translate::{self, Told};
use media_core::{Address, GroupError, GroupLeg, Mid, NegotiatedLeg};
use protocol::service::{GroupCommand, GroupEvent, GroupLine, OfferRefusal, RelayEvent};
use tracing::error;
use units::{GroupId, MemberId, MonotonicUs};

impl Exchange {
    /// Carries out a command about a room of many.
    pub(super) fn group_command(
        &mut self,
        now: MonotonicUs,
        group: GroupId,
        command: GroupCommand,
        fresh: Fresh,
    ) {
        match command {
            GroupCommand::Open => self.open_group(now, group),
            GroupCommand::Admit { member, request, offer } => {
                let event = match self.admit_member(now, (group, member), &offer, fresh) {
                    Ok((answer, lines)) => GroupEvent::Answered { member, request, answer, lines },
                    Err(refusal) => GroupEvent::Refused { member, request, refusal },
                };
                self.tell_group(group, event);
            }
            GroupCommand::Hear { listener, line, track } => {
                let track = match track {
                    None => Some(None),
                    Some(track) => {
                        Mid::new(&track.line).map(|mid| Some(Line { member: track.member, mid }))
                    }
                };
                let (Some(mid), Some(track)) = (Mid::new(&line), track) else {
                    let code = GroupError::NoLine.code().to_owned();
                    self.tell_group(group, GroupEvent::NotHeard { listener, line, code });
                    return;
                };
                self.member_mut(group, listener, |member| member.hear(mid, track));
                self.connect_line(now, group, Line { member: listener, mid });
            }
            GroupCommand::Mute { member, line, muted } => {
                let Some(mid) = Mid::new(&line) else { return };
                self.member_mut(group, member, |known| known.mute(mid, muted));
                self.mute_line(now, group, Line { member, mid }, muted);
            }
            GroupCommand::Leave { member } => self.leave_group(now, group, member),
            GroupCommand::Close => self.close_group(group),
        }
    }

    /// Does what is due in rooms of many.
    pub(super) fn wake_groups(&mut self, now: MonotonicUs) {
        while let Some(number) = self.forwarder.due_group(now) {
            self.contain(now, |exchange| {
                exchange.serving = exchange.gatherings.numbered(number).map(Served::Group);
                exchange.forwarder.wake_one_group(now, &mut exchange.outbox);
            });
        }
        while let Some((at, group)) = self.gatherings.next_deserted() {
            if at > now {
                break;
            }
            self.contain(now, |exchange| {
                exchange.serving = Some(Served::Group(group));
                exchange.close_group(group);
            });
        }
    }

    pub(super) fn tell_group(&mut self, group: GroupId, event: GroupEvent) {
        self.told.push(Told::Signaling(RelayEvent::Group { group, event }));
    }

    /// Ends a room for all.
    pub(super) fn close_group(&mut self, group: GroupId) {
        self.tell_group(group, GroupEvent::Closed);
        if let Some(gathering) = self.gatherings.remove(group) {
            for id in gathering.legs() {
                self.legs.remove(id);
            }
            self.forwarder.close_group(gathering.number);
        }
    }

    /// A member's connection can carry media.
    pub(super) fn member_joined(
        &mut self,
        now: MonotonicUs,
        id: LegId,
        (group, member): (GroupId, MemberId),
        negotiated: &NegotiatedLeg,
    ) {
        let Some((gathering, known)) = self.known(group, member) else { return };
        let number = gathering.number;
        if let Some(leg) = known.leg {
            self.unseat(now, group, leg);
        }
        let joined = self.forwarder.join_group(now, number, negotiated);
        let Some(gathering) = self.gatherings.get_mut(group) else { return };
        let Some(known) = gathering.members.get_mut(&member) else { return };
        known.seat.joining = None;
        let replaced = known.seat.connected.take();
        known.leg = joined.ok();
        if let Some(replaced) = replaced {
            self.legs.remove(replaced);
        }
        let leg = match joined {
            Ok(leg) => leg,
            Err(error) => {
                error!(%error, "a member can't be seated");
                self.legs.remove(id);
                self.gatherings.recount(now, group);
                self.tell_group(group, GroupEvent::Gone { member });
                return;
            }
        };
        known.seat.connected = Some(id);
        gathering.sits(leg, Some(id));
        if let Some(connection) = self.legs.get_mut(id) {
            connection.carries(Address::Group(leg));
        }
        self.tell_group(group, GroupEvent::Connected { member });
        self.take_up(now, group, member);
    }

    /// A member's connection, or its attempt at one, is over.
    pub(super) fn member_ended(
        &mut self,
        now: MonotonicUs,
        id: LegId,
        group: GroupId,
        member: MemberId,
    ) {
        let Some(gathering) = self.gatherings.get_mut(group) else { return };
        let Some(known) = gathering.members.get_mut(&member) else { return };
        let mut gone = known.seat.connected.is_none();
        let mut left = None;
        if known.seat.connected == Some(id) {
            known.seat.connected = None;
            left = known.leg.take();
            gone = true;
        } else {
            known.seat.joining = None;
        }
        if let Some(leg) = left {
            self.unseat(now, group, leg);
        }
        self.gatherings.recount(now, group);
        // A failed rejoin leaves the earlier connection as it is.
        if gone {
            self.tell_group(group, GroupEvent::Gone { member });
        }
    }

    fn open_group(&mut self, now: MonotonicUs, group: GroupId) {
        if self.gatherings.get(group).is_some() {
            return;
        }
        match self.forwarder.open_group() {
            Ok(number) => self.gatherings.insert(now, group, number),
            Err(error) => {
                error!(%error, "a room of many can't be opened");
                self.tell_group(group, GroupEvent::Closed);
            }
        }
    }

    fn admit_member(
        &mut self,
        now: MonotonicUs,
        (group, member): (GroupId, MemberId),
        offer: &str,
        fresh: Fresh,
    ) -> Result<(String, Vec<GroupLine>), OfferRefusal> {
        let gathering = self.gatherings.get(group).ok_or(OfferRefusal::NoRoom)?;
        let offer = Offer::read(offer, Use::All).map_err(|lack| translate::refusal(&lack))?;
        let known = gathering.members.get(&member);
        let legs = known.iter().flat_map(|known| known.seat.legs());
        if let Some(id) = self.legs.of_session(legs, &offer.session) {
            // Slots are negotiated once.
            let offer = (&offer, gathering.video);
            let (agreement, answer, _) =
                self.renegotiate(id, offer, fresh, Streams::Slots, false)?;
            return Ok((answer, agreement.media().map(translate::group_line).collect()));
        }
        let abandoned = known.and_then(|known| known.seat.joining);
        if self.legs.len() - usize::from(abandoned.is_some()) >= self.terms.legs_max {
            return Err(OfferRefusal::Full);
        }
        let agreement = sdp::agree(&offer, gathering.video, &[], fresh.ssrcs)
            .map_err(|lack| translate::refusal(&lack))?;
        let place = Place::Group(group, member);
        let (id, answer) = self.expect(now, place, &agreement, fresh, Streams::Slots)?;
        if let Some(abandoned) = abandoned {
            self.legs.remove(abandoned);
        }
        if let Some(gathering) = self.gatherings.get_mut(group) {
            gathering.video = gathering.video.or(agreement.video());
            gathering.members.entry(member).or_default().seat.joining = Some(id);
        }
        self.gatherings.recount(now, group);
        Ok((answer, agreement.media().map(translate::group_line).collect()))
    }

    fn leave_group(&mut self, now: MonotonicUs, group: GroupId, member: MemberId) {
        let Some(gathering) = self.gatherings.get_mut(group) else { return };
        let Some(known) = gathering.members.remove(&member) else { return };
        for id in known.seat.legs() {
            self.legs.remove(id);
        }
        if let Some(leg) = known.leg {
            self.unseat(now, group, leg);
        }
        self.gatherings.recount(now, group);
        self.tell_group(group, GroupEvent::Gone { member });
    }

    /// Takes a connection out of the packet path.
    fn unseat(&mut self, now: MonotonicUs, group: GroupId, leg: GroupLeg) {
        if let Some(gathering) = self.gatherings.get_mut(group) {
            gathering.sits(leg, None);
        }
        if let Err(error) = self.forwarder.leave_group(now, leg) {
            error!(%error, "a member that was seated is unknown to the packet path");
        }
    }

    /// Does what was said about a member before it connected, or while it was away.
    fn take_up(&mut self, now: MonotonicUs, group: GroupId, member: MemberId) {
        let Some((gathering, known)) = self.known(group, member) else { return };
        let muted: Vec<Mid> = known.muted().to_vec();
        let own = known.listening(None).map(|mid| Line { member, mid });
        let others = gathering.members.iter().filter(|(listener, _)| **listener != member);
        let of_others = others.flat_map(|(listener, other)| {
            other.listening(Some(member)).map(|mid| Line { member: *listener, mid })
        });
        let lines: Vec<Line> = own.chain(of_others).collect();
        for mid in muted {
            self.mute_line(now, group, Line { member, mid }, true);
        }
        for line in lines {
            self.connect_line(now, group, line);
        }
    }

    /// Lets a listener's m-line carry what it is to carry, if both are connected.
    fn connect_line(&mut self, now: MonotonicUs, group: GroupId, listener: Line) {
        let Some((gathering, known)) = self.known(group, listener.member) else { return };
        let Some((leg, connection)) = self.connection(known) else { return };
        let publisher = known.heard_on(listener.mid).and_then(|track| {
            let (leg, connection) = self.connection(gathering.members.get(&track.member)?)?;
            Some(connection.line_of(track.mid).map(|line| (leg.seat, line)))
        });
        let done = match (connection.line_of(listener.mid), publisher) {
            (Some(line), None) => self.forwarder.hear(now, (leg, line), None, &mut self.outbox),
            (Some(line), Some(Some(publisher))) => {
                self.forwarder.hear(now, (leg, line), Some(publisher), &mut self.outbox)
            }
            (None, _) | (_, Some(None)) => Err(GroupError::NoLine),
        };
        if let Err(error) = done {
            let (line, code) = (translate::mid(listener.mid), error.code().to_owned());
            let listener = listener.member;
            self.tell_group(group, GroupEvent::NotHeard { listener, line, code });
        }
    }

    fn mute_line(&mut self, now: MonotonicUs, group: GroupId, line: Line, muted: bool) {
        let Some((_, known)) = self.known(group, line.member) else { return };
        let Some((leg, connection)) = self.connection(known) else { return };
        // A line that the client does not have, or does not send on, is as silent as can be.
        if let Some(at) = connection.line_of(line.mid) {
            let _ = self.forwarder.mute_in_group(now, (leg, at), muted, &mut self.outbox);
        }
    }

    fn known(&self, group: GroupId, member: MemberId) -> Option<(&Gathering, &Member)> {
        let gathering = self.gatherings.get(group)?;
        Some((gathering, gathering.members.get(&member)?))
    }

    fn connection(&self, member: &Member) -> Option<(GroupLeg, &Leg)> {
        Some((member.leg?, self.legs.get(member.seat.connected?)?))
    }

    /// Notes something about a member of a room, which may not have connected yet.
    fn member_mut(&mut self, group: GroupId, member: MemberId, note: impl FnOnce(&mut Member)) {
        if let Some(gathering) = self.gatherings.get_mut(group) {
            note(gathering.members.entry(member).or_default());
        }
    }
}
