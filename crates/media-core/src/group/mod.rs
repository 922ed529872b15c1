//! A room of many: some members publish, all may listen, nobody's time is counted.
//!
//! What a publisher's packet needs is done once for its track: it is opened, checked, given its
//! place in the track's one unbroken stream, and kept for repair ([`broadcast`]). A listener's copy
//! differs by constants alone ([`feed`]), so that forwarding is one pass over an array.
//!
//! A listener's time is not proven here: [`crate::Input::OpenRoom`] opens the rooms in which it is.

mod broadcast;
mod control;
mod error;
mod feed;
mod member;

pub use error::GroupError;

use crate::outbox::Outbox;
use crate::{GroupLeg, Limits, MediaKind, NegotiatedLeg, Refused};
use broadcast::Broadcast;
use feed::Feed;
use member::{Hears, Member};
use units::{ElapsedMs, MonotonicUs};

/// How often publishers are told how they are received; see the same of calls.
const REPORT_EVERY: ElapsedMs = ElapsedMs(1_000);

/// One line of one member, by numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) seat: u32,
    pub(crate) line: usize,
}

/// Members, and what goes between them.
#[derive(Debug)]
pub(crate) struct Group {
    number: u32,
    limits: Limits,
    members: Vec<Option<Member>>,
    /// The seats of those who may publish.
    publishers: Vec<u32>,
    broadcasts: Vec<Option<Broadcast>>,
    /// Joins so far; each is followed by up to 2^32 sources.
    joins: u64,
    next_report: Option<MonotonicUs>,
}

impl Group {
    pub(crate) const fn new(number: u32, limits: Limits) -> Self {
        Self {
            number,
            limits,
            members: Vec::new(),
            publishers: Vec::new(),
            broadcasts: Vec::new(),
            joins: 0,
            next_report: None,
        }
    }

    /// Seats a client. It hears nobody yet.
    pub(crate) fn join(
        &mut self,
        now: MonotonicUs,
        negotiated: &NegotiatedLeg,
    ) -> Result<u32, GroupError> {
        let free = self.members.iter().position(Option::is_none);
        let seat = free.unwrap_or(self.members.len());
        if seat >= self.limits.group_seats {
            return Err(GroupError::Full);
        }
        let seat = u32::try_from(seat).map_err(|_| GroupError::Full)?;
        let leg = GroupLeg { group: self.number, seat };
        let sources = (self.joins + 1) << 32;
        let mut member = Member::new(leg, negotiated, (&self.limits, sources))?;
        self.joins += 1;
        let mut publishes = false;
        for downlink in &mut member.downlinks {
            if downlink.spec.client_sends {
                publishes = true;
                let video = downlink.spec.codec.kind() == MediaKind::Video;
                let broadcast = Broadcast::new(&downlink.spec, video.then_some(&self.limits));
                downlink.publishes = Some(put(&mut self.broadcasts, broadcast));
            }
        }
        if publishes {
            self.publishers.push(seat);
            self.next_report.get_or_insert(now + REPORT_EVERY);
        }
        put_at(&mut self.members, seat as usize, member);
        Ok(seat)
    }

    /// Unseats a client: what it publishes ends, and what it hears.
    pub(crate) fn leave(&mut self, now: MonotonicUs, seat: u32) {
        let Some(member) = self.member(seat) else { return };
        let lines = member.downlinks.len();
        let published: Vec<usize> =
            member.downlinks.iter().filter_map(|downlink| downlink.publishes).collect();
        for line in 0..lines {
            self.unhear(now, Spot { seat, line });
        }
        for broadcast in published {
            while let Some(spot) = self.last_listener(broadcast) {
                self.unhear(now, spot);
            }
            self.broadcasts[broadcast] = None;
        }
        self.members[seat as usize] = None;
        self.publishers.retain(|publisher| *publisher != seat);
        if self.publishers.is_empty() {
            self.next_report = None;
        }
    }

    /// Lets a line of a listener carry a line of a publisher, in place of what it carried.
    pub(crate) fn hear(
        &mut self,
        now: MonotonicUs,
        listener: Spot,
        publisher: Option<Spot>,
        out: &mut Outbox,
    ) -> Result<(), GroupError> {
        let to = self.member(listener.seat).ok_or(GroupError::NoMember)?;
        let to = to.downlinks.get(listener.line).ok_or(GroupError::NoLine)?;
        let Some(publisher) = publisher else {
            self.unhear(now, listener);
            return Ok(());
        };
        let from = self.member(publisher.seat).ok_or(GroupError::NoMember)?;
        let from = from.downlinks.get(publisher.line).ok_or(GroupError::NoLine)?;
        let broadcast = from.publishes.ok_or(GroupError::NotSent)?;
        if !to.spec.client_receives {
            return Err(GroupError::NotReceived);
        }
        if from.spec.codec != to.spec.codec {
            return Err(GroupError::OtherCodec);
        }
        if to.hears.is_some_and(|hears| hears.broadcast == broadcast) {
            return Ok(());
        }
        let feed = Feed::new(listener, to);
        self.unhear(now, listener);
        if let Some(heard) = &mut self.broadcasts[broadcast] {
            let at = heard.add(feed);
            if let Some(downlink) = self.downlink_mut(listener) {
                downlink.hears = Some(Hears { broadcast, at });
            }
        }
        if let Some(from) = &mut self.members[publisher.seat as usize] {
            from.up.lines[publisher.line].track.want_keyframe();
            from.up.ask(now, &mut from.sealer, out);
        }
        Ok(())
    }

    /// Keeps what a publisher sends on a line from everybody, or no longer.
    pub(crate) fn mute(
        &mut self,
        now: MonotonicUs,
        publisher: Spot,
        muted: bool,
        out: &mut Outbox,
    ) -> Result<(), GroupError> {
        let from = self.member(publisher.seat).ok_or(GroupError::NoMember)?;
        let from = from.downlinks.get(publisher.line).ok_or(GroupError::NoLine)?;
        let broadcast = from.publishes.ok_or(GroupError::NotSent)?;
        let video = from.spec.codec.kind() == MediaKind::Video;
        let Some(Some(heard)) = self.broadcasts.get_mut(broadcast) else { return Ok(()) };
        let unmuted = heard.mute(muted);
        if !(unmuted && video) {
            return Ok(());
        }
        // What came meanwhile is missing to every listener: each begins anew.
        let listeners: Vec<Spot> = heard.feeds().iter().map(Feed::listener).collect();
        for listener in listeners {
            self.hear(now, listener, None, out)?;
            self.hear(now, listener, Some(publisher), out)?;
        }
        Ok(())
    }

    /// Takes a datagram from a member's client; returns when the group wants to be woken, if that
    /// may be earlier than it was.
    pub(crate) fn receive(
        &mut self,
        now: MonotonicUs,
        seat: u32,
        datagram: &mut [u8],
        out: &mut Outbox,
    ) -> Option<MonotonicUs> {
        // RFC 5761 section 4: the second byte tells RTCP's packet types from RTP's payload types.
        match datagram.get(1) {
            Some(192..=223) => {
                self.control(now, seat, datagram, out);
                self.due()
            }
            Some(_) => {
                let known = self.member(seat)?.up.ready;
                self.media(now, seat, datagram, out);
                // The common packet: of the whole group, only its sender has something to wait for.
                if known { self.member(seat)?.up.due() } else { self.due() }
            }
            None => {
                out.refuse(Refused::Malformed);
                None
            }
        }
    }

    /// Does what is due.
    pub(crate) fn wake(&mut self, now: MonotonicUs, out: &mut Outbox) {
        let report = self.next_report.is_some_and(|due| due <= now);
        for seat in &self.publishers {
            let Some(from) = &mut self.members[*seat as usize] else { continue };
            from.up.tell_arrivals(now, &mut from.sealer, out);
            from.up.ask(now, &mut from.sealer, out);
            if report {
                from.up.tell_reception(now, &mut from.sealer, out);
            }
        }
        if report {
            self.next_report = Some(now + REPORT_EVERY);
        }
    }

    /// When it wants to be woken.
    pub(crate) fn due(&self) -> Option<MonotonicUs> {
        let publishers = self.publishers.iter().filter_map(|seat| self.member(*seat)?.up.due());
        publishers.chain(self.next_report).min()
    }

    /// Takes an SRTP packet from a member's client.
    fn media(&mut self, now: MonotonicUs, seat: u32, datagram: &mut [u8], out: &mut Outbox) {
        let Some(from) = self.member_mut(seat) else { return };
        let Some(len) = from.up.open_media(datagram, out) else { return };
        self.heard(now, seat, out);
        let Some(from) = self.member_mut(seat) else { return };
        if let Some((line, packet)) = from.up.take_in(now, &datagram[..len]) {
            if packet.starts_keyframe {
                from.up.lines[line].track.keyframe_came(true);
            }
            let broadcast = from.downlinks[line].publishes;
            if let Some(Some(broadcast)) = broadcast.map(|at| &mut self.broadcasts[at]) {
                broadcast.fan_out(now, &packet, &mut self.members, out);
            }
        }
        if let Some(from) = self.member_mut(seat) {
            from.up.ask(now, &mut from.sealer, out);
        }
    }

    /// A member's client has shown that it holds its keys: the key frames that it was sent before
    /// were wasted.
    fn heard(&mut self, now: MonotonicUs, seat: u32, out: &mut Outbox) {
        let Some(member) = self.member_mut(seat) else { return };
        if std::mem::replace(&mut member.up.ready, true) {
            return;
        }
        let heard: Vec<usize> = member
            .downlinks
            .iter()
            .filter_map(|downlink| Some(downlink.hears?.broadcast))
            .collect();
        for broadcast in heard {
            if self.has_begun(broadcast) {
                self.want_keyframe(now, broadcast, out);
            }
        }
    }

    fn has_begun(&self, broadcast: usize) -> bool {
        self.broadcasts[broadcast].as_ref().is_some_and(Broadcast::has_begun)
    }

    /// Passes the wish for a key frame on to a broadcast's publisher, with everybody else's.
    fn want_keyframe(&mut self, now: MonotonicUs, broadcast: usize, out: &mut Outbox) {
        let publisher = self.publishers.iter().find_map(|seat| {
            let member = self.members[*seat as usize].as_ref()?;
            let of = |downlink: &member::Downlink| downlink.publishes == Some(broadcast);
            Some((*seat, member.downlinks.iter().position(of)?))
        });
        let Some((seat, line)) = publisher else { return };
        if let Some(from) = &mut self.members[seat as usize] {
            from.up.lines[line].track.want_keyframe();
            from.up.ask(now, &mut from.sealer, out);
        }
    }

    /// Ends what a line of a listener carries, if it carries anything.
    fn unhear(&mut self, now: MonotonicUs, listener: Spot) {
        let Some(downlink) = self.downlink_mut(listener) else { return };
        let Some(Hears { broadcast, at }) = downlink.hears.take() else { return };
        let Some(heard) = &mut self.broadcasts[broadcast] else { return };
        let (ended, moved) = heard.remove(now, at);
        if let Some(downlink) = self.downlink_mut(listener) {
            downlink.ended = ended.or(downlink.ended);
        }
        // The last feed of the array has taken the place of the one that went.
        if let Some(moved) = moved.and_then(|spot| self.downlink_mut(spot)) {
            moved.hears = Some(Hears { broadcast, at });
        }
    }

    fn last_listener(&self, broadcast: usize) -> Option<Spot> {
        self.broadcasts[broadcast].as_ref().and_then(Broadcast::last_listener)
    }

    fn member(&self, seat: u32) -> Option<&Member> {
        self.members.get(seat as usize)?.as_ref()
    }

    fn member_mut(&mut self, seat: u32) -> Option<&mut Member> {
        self.members.get_mut(seat as usize)?.as_mut()
    }

    fn downlink_mut(&mut self, spot: Spot) -> Option<&mut member::Downlink> {
        self.member_mut(spot.seat)?.downlinks.get_mut(spot.line)
    }
}

/// Puts something into the first free place; returns which.
fn put<T>(places: &mut Vec<Option<T>>, thing: T) -> usize {
    let at = places.iter().position(Option::is_none).unwrap_or(places.len());
    put_at(places, at, thing);
    at
}

fn put_at<T>(places: &mut Vec<Option<T>>, at: usize, thing: T) {
    if at == places.len() {
        places.push(Some(thing));
    } else {
        places[at] = Some(thing);
    }
}
