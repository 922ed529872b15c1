//! Rooms of many: their members, and who is to hear whom, whether connected already or not.

use crate::legs::LegId;
use crate::room::Seat;
use foldhash::fast::RandomState;
use media_core::{Codec, GroupLeg, Mid};
use std::collections::{BTreeSet, HashMap};
use units::{ElapsedMs, GroupId, MemberId, MonotonicUs};

/// How long a room of many may be without any connection. Less would end it between two joins on a
/// bad day; more keeps what signaling has forgotten.
pub(crate) const DESERTED_MAX: ElapsedMs = ElapsedMs::from_secs(300);

/// One member's m-line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) member: MemberId,
    pub(crate) mid: Mid,
}

/// One room of many.
#[derive(Debug)]
pub(crate) struct Gathering {
    /// Its number in the packet path.
    pub(crate) number: u32,
    /// What all video in it is coded by, once there is any.
    pub(crate) video: Option<Codec>,
    pub(crate) members: HashMap<MemberId, Member>,
    /// Whose connection sits where in the packet path.
    seats: Vec<Option<LegId>>,
    /// When it closes if nobody connects.
    deserted_at: Option<MonotonicUs>,
}

/// A member's connections, and what was said about its m-lines.
#[derive(Debug, Default)]
pub(crate) struct Member {
    pub(crate) seat: Seat,
    /// By which the packet path knows the connection.
    pub(crate) leg: Option<GroupLeg>,
    /// What its m-lines are to carry.
    hears: Vec<(Mid, Line)>,
    /// The m-lines whose media is kept from everybody.
    muted: Vec<Mid>,
}

/// All rooms of many of one worker.
#[derive(Debug, Default)]
pub(crate) struct Gatherings {
    rooms: HashMap<GroupId, Gathering, RandomState>,
    /// By their numbers in the packet path.
    numbers: Vec<Option<GroupId>>,
    deserted: BTreeSet<(MonotonicUs, GroupId)>,
}

impl Member {
    /// What an m-line is to carry.
    pub(crate) fn heard_on(&self, mid: Mid) -> Option<Line> {
        self.hears.iter().find(|(line, _)| *line == mid).map(|(_, track)| *track)
    }

    /// Says what an m-line is to carry.
    pub(crate) fn hear(&mut self, mid: Mid, track: Option<Line>) {
        self.hears.retain(|(line, _)| *line != mid);
        self.hears.extend(track.map(|track| (mid, track)));
    }

    /// The m-lines that are to carry something of `publisher`, or of anybody.
    pub(crate) fn listening(&self, publisher: Option<MemberId>) -> impl Iterator<Item = Mid> {
        let wanted = move |track: &Line| publisher.is_none_or(|only| track.member == only);
        self.hears.iter().filter(move |(_, track)| wanted(track)).map(|(mid, _)| *mid)
    }

    /// Says whether an m-line's media is kept from everybody.
    pub(crate) fn mute(&mut self, mid: Mid, muted: bool) {
        self.muted.retain(|line| *line != mid);
        if muted {
            self.muted.push(mid);
        }
    }

    pub(crate) fn muted(&self) -> &[Mid] {
        &self.muted
    }
}

impl Gathering {
    /// Notes whose connection sits at a seat now.
    pub(crate) fn sits(&mut self, leg: GroupLeg, id: Option<LegId>) {
        let seat = leg.seat as usize;
        if self.seats.len() <= seat {
            self.seats.resize(seat + 1, None);
        }
        self.seats[seat] = id;
    }

    /// All connections.
    pub(crate) fn legs(&self) -> impl Iterator<Item = LegId> {
        self.members.values().flat_map(|member| member.seat.legs())
    }
}

impl Gatherings {
    pub(crate) fn is_empty(&self) -> bool {
        self.rooms.is_empty()
    }

    pub(crate) fn ids(&self) -> Vec<GroupId> {
        self.rooms.keys().copied().collect()
    }

    pub(crate) fn insert(&mut self, now: MonotonicUs, id: GroupId, number: u32) {
        let (members, seats) = (HashMap::new(), Vec::new());
        self.rooms.insert(id, Gathering { number, video: None, members, seats, deserted_at: None });
        let at = number as usize;
        if self.numbers.len() <= at {
            self.numbers.resize(at + 1, None);
        }
        self.numbers[at] = Some(id);
        self.recount(now, id);
    }

    pub(crate) fn remove(&mut self, id: GroupId) -> Option<Gathering> {
        let gathering = self.rooms.remove(&id)?;
        self.numbers[gathering.number as usize] = None;
        if let Some(at) = gathering.deserted_at {
            self.deserted.remove(&(at, id));
        }
        Some(gathering)
    }

    pub(crate) fn get(&self, id: GroupId) -> Option<&Gathering> {
        self.rooms.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: GroupId) -> Option<&mut Gathering> {
        self.rooms.get_mut(&id)
    }

    /// The room of a number of the packet path.
    pub(crate) fn numbered(&self, number: u32) -> Option<GroupId> {
        *self.numbers.get(number as usize)?
    }

    /// Whose connection sits there.
    pub(crate) fn seated(&self, leg: GroupLeg) -> Option<LegId> {
        let gathering = self.get(self.numbered(leg.group)?)?;
        *gathering.seats.get(leg.seat as usize)?
    }

    /// Looks after a room in which connections have come or gone.
    pub(crate) fn recount(&mut self, now: MonotonicUs, id: GroupId) {
        let Some(gathering) = self.rooms.get_mut(&id) else { return };
        let deserted = gathering.legs().next().is_none();
        if deserted == gathering.deserted_at.is_some() {
            return;
        }
        if let Some(at) = gathering.deserted_at.take() {
            self.deserted.remove(&(at, id));
        }
        if deserted {
            let at = now + DESERTED_MAX;
            gathering.deserted_at = Some(at);
            self.deserted.insert((at, id));
        }
    }

    /// The room that is the next to close because nobody came, and when.
    pub(crate) fn next_deserted(&self) -> Option<(MonotonicUs, GroupId)> {
        self.deserted.first().copied()
    }
}
