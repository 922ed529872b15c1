//! What a client has been sent on one line, until it needs no more of it: to repeat what it lost,
//! and to know what its reports prove.

use crate::Limits;
use crate::evidence::Mark;
use std::collections::VecDeque;
use units::{ElapsedMs, MonotonicUs};

/// Emptied buffers that are kept for the next packets: as many as come between two reports of a
/// client at 300 packets a second. Fewer would cost an allocation per packet; more is held for
/// nothing.
const SPARE_MAX: usize = 32;

/// Slots that stay, of 72 bytes each, so that what comes between two reports moves nothing.
const CAPACITY_MIN: usize = 64;

/// What was sent under one outgoing index: all that is needed to write the same bytes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) timestamp: u32,
    pub(super) transport_sequence: u16,
    pub(super) marker: bool,
    pub(super) with_mid: bool,
    /// What its confirmation counts by, if a receiver report gives it.
    pub(super) mark: Option<Mark>,
}

#[derive(Debug)]
struct Slot {
    at: MonotonicUs,
    /// None of an index that was left out because the publisher's packet is missing.
    sent: Option<Sent>,
    arrived: bool,
    /// Empty if nothing is to be repeated.
    payload: Vec<u8>,
}

/// The latest packets of one line by index, bounded in packets, bytes and age. What the client has
/// got is given up at once, so that there is seldom more than a round trip of it.
#[derive(Debug)]
pub(super) struct SentPackets {
    slots: VecDeque<Slot>,
    /// The index of the first slot.
    first: u64,
    /// Whether lost packets are repeated.
    repeats: bool,
    bytes: usize,
    spare: Vec<Vec<u8>>,
    packets_max: usize,
    bytes_max: usize,
    age_max: ElapsedMs,
}

impl SentPackets {
    pub(super) fn new(limits: &Limits, repeats: bool) -> Self {
        Self {
            slots: VecDeque::new(),
            first: 0,
            repeats,
            bytes: 0,
            spare: Vec::new(),
            packets_max: limits.history_packets,
            bytes_max: limits.history_bytes,
            age_max: ElapsedMs(limits.history_age_ms),
        }
    }

    /// Notes a packet; the oldest make room. One from below them all is not noted.
    pub(super) fn note(&mut self, now: MonotonicUs, index: u64, sent: Sent, payload: &[u8]) {
        let end = self.first + self.slots.len() as u64;
        if self.slots.is_empty() || index >= end + self.packets_max as u64 {
            self.clear();
            self.first = index;
        }
        let Some(at) = index.checked_sub(self.first) else { return };
        while self.slots.len() as u64 <= at {
            self.slots.push_back(Slot { at: now, sent: None, arrived: false, payload: Vec::new() });
        }
        let slot = &mut self.slots[at as usize];
        (slot.at, slot.sent, slot.arrived) = (now, Some(sent), false);
        if self.repeats && payload.len() <= self.bytes_max {
            let before = std::mem::replace(&mut slot.payload, self.spare.pop().unwrap_or_default());
            slot.payload.extend_from_slice(payload);
            self.bytes += payload.len();
            self.recycle(before);
        }
        self.make_room(now);
    }

    /// What was sent under an index, whether it has arrived or not.
    pub(super) fn get(&self, index: u64) -> Option<&Sent> {
        self.slot(index)?.sent.as_ref()
    }

    /// What is to be sent again, if it is still there and young enough.
    pub(super) fn lost(&self, now: MonotonicUs, index: u64) -> Option<(&Sent, &[u8])> {
        let slot = self.slot(index)?;
        let young = now.us_since(slot.at) <= self.age_max.0 * 1_000;
        let kept = young && !slot.payload.is_empty();
        Some((slot.sent.as_ref().filter(|_| kept)?, &slot.payload))
    }

    /// It went out once more, under another transport-wide number.
    pub(super) fn sent_again(&mut self, index: u64, transport_sequence: u16) {
        if let Some(sent) = self.slot_mut(index).and_then(|slot| slot.sent.as_mut()) {
            sent.transport_sequence = transport_sequence;
        }
    }

    /// The client has the packet that had this transport-wide number.
    pub(super) fn arrived(&mut self, index: u64, transport_sequence: u16) {
        let same = |sent: &Sent| sent.transport_sequence == transport_sequence;
        if let Some(slot) = self.slot_mut(index).filter(|slot| slot.sent.as_ref().is_some_and(same))
        {
            slot.arrived = true;
            let payload = std::mem::take(&mut slot.payload);
            self.recycle(payload);
            self.drop_arrived();
        }
    }

    /// The client has all packets below an index.
    pub(super) fn arrived_below(&mut self, index: u64) {
        let count = index.saturating_sub(self.first).min(self.slots.len() as u64);
        (0..count).for_each(|_| self.drop_first());
    }

    fn slot(&self, index: u64) -> Option<&Slot> {
        self.slots.get(index.checked_sub(self.first)? as usize)
    }

    fn slot_mut(&mut self, index: u64) -> Option<&mut Slot> {
        self.slots.get_mut(index.checked_sub(self.first)? as usize)
    }

    fn make_room(&mut self, now: MonotonicUs) {
        let too_old = now.0.saturating_sub(self.age_max.0 * 1_000);
        while let Some(first) = self.slots.front() {
            let too_much = self.slots.len() > self.packets_max || self.bytes > self.bytes_max;
            // Without repetition nothing is kept but what a receiver report may prove.
            if !too_much && (!self.repeats || first.at.0 >= too_old) {
                break;
            }
            self.drop_first();
        }
    }

    fn drop_arrived(&mut self) {
        while self.slots.front().is_some_and(|slot| slot.arrived) {
            self.drop_first();
        }
        if self.slots.capacity() > CAPACITY_MIN && self.slots.len() < self.slots.capacity() / 8 {
            self.slots.shrink_to(self.slots.capacity() / 2);
        }
    }

    fn drop_first(&mut self) {
        if let Some(slot) = self.slots.pop_front() {
            self.first += 1;
            self.recycle(slot.payload);
        }
    }

    fn clear(&mut self) {
        while !self.slots.is_empty() {
            self.drop_first();
        }
    }

    fn recycle(&mut self, mut payload: Vec<u8>) {
        self.bytes -= payload.len();
        if payload.capacity() > 0 && self.spare.len() < SPARE_MAX {
            payload.clear();
            self.spare.push(payload);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn packets(packets: usize, bytes: usize) -> SentPackets {
        let limits = Limits {
            history_packets: packets,
            history_bytes: bytes,
            history_age_ms: 1_000,
            ..Limits::default()
        };
        SentPackets::new(&limits, true)
    }

    const fn sent(transport_sequence: u16) -> Sent {
        Sent { timestamp: 5, transport_sequence, marker: true, with_mid: false, mark: None }
    }

    fn lost(packets: &SentPackets, now: u64, index: u64) -> Option<Vec<u8>> {
        packets.lost(MonotonicUs(now), index).map(|(_, payload)| payload.to_vec())
    }

    #[test]
    fn a_packet_is_kept_until_it_has_arrived_or_is_too_old() {
        let mut packets = packets(8, 100);
        for index in 7..10 {
            packets.note(MonotonicUs(index), index, sent(index as u16), b"abc");
        }
        assert_eq!(lost(&packets, 10, 8), Some(b"abc".to_vec()));
        packets.arrived(8, 7);
        assert_eq!(lost(&packets, 10, 8), Some(b"abc".to_vec()), "that was another packet's");
        packets.arrived(8, 8);
        assert_eq!(lost(&packets, 10, 8), None);
        assert_eq!(lost(&packets, 1_000_007, 7), Some(b"abc".to_vec()));
        assert_eq!(lost(&packets, 1_000_008, 7), None);
        packets.sent_again(7, 90);
        packets.arrived(7, 7);
        assert!(packets.get(7).is_some());
        packets.arrived(7, 90);
        assert_eq!((packets.first, packets.bytes), (9, 3));
        packets.arrived_below(100);
        assert_eq!((packets.first, packets.bytes), (10, 0));
    }

    #[test]
    fn what_arrives_within_a_round_trip_costs_a_round_trip_of_memory() {
        let mut packets = packets(512, 512 * 1_024);
        let mut held_max = 0;
        for index in 0..100_000u64 {
            let now = MonotonicUs(index * 3_333);
            packets.note(now, index, sent(index as u16), &[7; 1_100]);
            if index % 30 == 29 {
                (index - 29..=index).for_each(|index| packets.arrived(index, index as u16));
            }
            let held = packets.slots.iter().map(|slot| slot.payload.capacity());
            let spare = packets.spare.iter().map(Vec::capacity);
            held_max = held_max.max(held.chain(spare).sum::<usize>());
        }
        assert!(held_max <= 32 * 1_200, "{held_max}");
        assert!(packets.slots.capacity() <= 64, "{}", packets.slots.capacity());
    }

    proptest! {
        #[test]
        fn holds_the_latest_within_its_bounds(
            steps in prop::collection::vec((-6i64..9, 1usize..40, prop::option::of(0u64..12)), 1..300),
        ) {
            let (mut packets, mut model) = (packets(16, 200), BTreeMap::new());
            let (mut index, mut highest) = (1_000u64, 0u64);
            for (step, len, confirmed) in steps {
                index = index.saturating_add_signed(step);
                if model.contains_key(&index) {
                    continue;
                }
                let payload = vec![index as u8; len];
                let known = (!packets.slots.is_empty()).then_some(packets.first);
                packets.note(MonotonicUs(0), index, sent(index as u16), &payload);
                if known.is_none_or(|first| index >= first) {
                    model.insert(index, payload);
                }
                highest = highest.max(index);
                if let Some(confirmed) = confirmed {
                    let confirmed = highest.saturating_sub(confirmed);
                    packets.arrived(confirmed, confirmed as u16);
                    model.remove(&confirmed);
                }
                model.retain(|index, _| *index >= packets.first);
                prop_assert!(packets.bytes <= 200 && packets.slots.len() <= 16);
                let held: usize = packets.slots.iter().map(|slot| slot.payload.len()).sum();
                prop_assert_eq!(held, packets.bytes);
                for index in highest.saturating_sub(20)..=highest {
                    prop_assert_eq!(lost(&packets, 0, index), model.get(&index).cloned());
                }
            }
        }
    }
}
