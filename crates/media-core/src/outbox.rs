//! What must go out: sealed datagrams and events, in buffers that are reused.

use crate::{Event, LegKey};
use std::ops::Range;

/// What the forwarder wants sent and told. Empty it with [`Outbox::clear`] after each use; its
/// buffers stay.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    datagrams: Vec<(LegKey, Range<usize>)>,
    events: Vec<Event>,
}

impl Outbox {
    /// The datagrams in the order in which they must be sent.
    pub fn datagrams(&self) -> impl Iterator<Item = (LegKey, &[u8])> {
        self.datagrams.iter().map(|(leg, range)| (*leg, &self.bytes[range.clone()]))
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
        self.bytes.clear();
        self.datagrams.clear();
        self.events.clear();
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

    /// Appends one datagram: `write` puts its bytes behind those already in the buffer. If it
    /// returns `None`, whatever it wrote is taken back and nothing is sent.
    pub(crate) fn send<T>(
        &mut self,
        leg: LegKey,
        write: impl FnOnce(&mut Vec<u8>) -> Option<T>,
    ) -> Option<T> {
        let start = self.bytes.len();
        let written = write(&mut self.bytes);
        if written.is_some() {
            self.datagrams.push((leg, start..self.bytes.len()));
        } else {
            self.bytes.truncate(start);
        }
        written
    }
}
