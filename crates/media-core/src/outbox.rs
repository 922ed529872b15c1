//! What must go out: sealed datagrams and events, in buffers that are reused.

use crate::{Event, GroupLeg, LegKey, Refused};
use std::ops::Range;

/// What the forwarder wants sent and told. Empty it with [`Outbox::clear`] after each use; its
/// buffers stay.
#[derive(Debug, Default)]
pub struct Outbox {
    /// As long as it ever had to be, so that no datagram's room is filled with zeros first.
    bytes: Vec<u8>,
    /// How many of them count.
    used: usize,
    datagrams: Vec<(Address, Range<usize>)>,
    events: Vec<Event>,
    /// What a datagram of unknown length is written to first.
    draft: Vec<u8>,
    refused: Option<Refused>,
}

/// Whom a datagram is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    Call(LegKey),
    Group(GroupLeg),
}

impl From<LegKey> for Address {
    fn from(leg: LegKey) -> Self {
        Self::Call(leg)
    }
}

impl From<GroupLeg> for Address {
    fn from(leg: GroupLeg) -> Self {
        Self::Group(leg)
    }
}

impl Outbox {
    /// All datagrams, in the order in which they must be sent.
    pub fn addressed(&self) -> impl Iterator<Item = (Address, &[u8])> {
        self.datagrams.iter().map(|(to, range)| (*to, &self.bytes[range.clone()]))
    }

    /// The datagrams to sides of calls, in the order in which they must be sent.
    pub fn datagrams(&self) -> impl Iterator<Item = (LegKey, &[u8])> {
        self.datagrams.iter().filter_map(|(to, range)| match to {
            Address::Call(leg) => Some((*leg, &self.bytes[range.clone()])),
            Address::Group(_) => None,
        })
    }

    /// The datagrams to members of groups, in the order in which they must be sent.
    pub fn group_datagrams(&self) -> impl Iterator<Item = (GroupLeg, &[u8])> {
        self.datagrams.iter().filter_map(|(to, range)| match to {
            Address::Group(leg) => Some((*leg, &self.bytes[range.clone()])),
            Address::Call(_) => None,
        })
    }

    /// The events in the order in which they happened.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Whether there is nothing to send or tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.datagrams.is_empty() && self.events.is_empty()
    }

    /// Forgets everything, keeps the buffers.
    pub fn clear(&mut self) {
        self.used = 0;
        self.datagrams.clear();
        self.events.clear();
        self.refused = None;
    }

    /// Why the datagram that came last was of no use, if it was not; told once.
    pub const fn take_refused(&mut self) -> Option<Refused> {
        self.refused.take()
    }

    /// The datagram that came last is of no use.
    pub(crate) const fn refuse(&mut self, why: Refused) {
        self.refused = Some(why);
    }

    /// Replaces what is in `copy` by the latest datagram.
    pub(crate) fn copy_latest(&self, copy: &mut Vec<u8>) {
        copy.clear();
        if let Some((_, range)) = self.datagrams.last() {
            copy.extend_from_slice(&self.bytes[range.clone()]);
        }
    }

    pub(crate) fn tell(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Appends one datagram of `len` bytes, each of which `write` sets.
    pub(crate) fn place(
        &mut self,
        to: impl Into<Address>,
        len: usize,
        write: impl FnOnce(&mut [u8]),
    ) {
        let place = self.used..self.used + len;
        if self.bytes.len() < place.end {
            self.bytes.resize(place.end.next_power_of_two(), 0);
        }
        write(&mut self.bytes[place.clone()]);
        self.used = place.end;
        self.datagrams.push((to.into(), place));
    }

    /// Appends one datagram that `write` writes into an empty buffer. If it returns `None`,
    /// nothing is sent.
    pub(crate) fn send<T>(
        &mut self,
        to: impl Into<Address>,
        write: impl FnOnce(&mut Vec<u8>) -> Option<T>,
    ) -> Option<T> {
        let mut draft = std::mem::take(&mut self.draft);
        draft.clear();
        let written = write(&mut draft);
        if written.is_some() {
            self.place(to, draft.len(), |bytes| bytes.copy_from_slice(&draft));
        }
        self.draft = draft;
        written
    }
}
