//! The latest packets of one video track, in the clear, for every listener that lost one.

use crate::Limits;
use crate::rtp::Media;
use units::{ElapsedMs, MonotonicUs};

#[derive(Clone, Debug, Default)]
struct Slot {
    index: u64,
    at: MonotonicUs,
    marker: bool,
    timestamp: u32,
    audio_level: Option<u8>,
    /// Empty if the slot is free: a packet without payload is never kept.
    payload: Vec<u8>,
}

/// A ring of packets by index, bounded in packets, bytes and age.
#[derive(Debug)]
pub(crate) struct History {
    slots: Vec<Slot>,
    bytes: usize,
    bytes_max: usize,
    age_max: ElapsedMs,
    /// Every packet below was given up.
    oldest: u64,
    highest: u64,
}

impl History {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            slots: vec![Slot::default(); limits.history_packets.next_power_of_two()],
            bytes: 0,
            bytes_max: limits.history_bytes,
            age_max: ElapsedMs(limits.history_age_ms),
            oldest: 0,
            highest: 0,
        }
    }

    /// Keeps a packet; the oldest make room. One that is older than the ring reaches, or longer
    /// than all of it, is not kept.
    pub(crate) fn keep(&mut self, now: MonotonicUs, media: &Media<'_>) {
        let reach = self.slots.len() as u64;
        let too_old = media.index < self.oldest || media.index + reach <= self.highest;
        if too_old || media.payload.is_empty() || media.payload.len() > self.bytes_max {
            return;
        }
        self.highest = self.highest.max(media.index);
        self.give_up_below((self.highest + 1).saturating_sub(reach));
        let at = self.place(media.index);
        let slot = &mut self.slots[at];
        self.bytes = self.bytes - slot.payload.len() + media.payload.len();
        slot.payload.clear();
        slot.payload.extend_from_slice(media.payload);
        slot.index = media.index;
        slot.at = now;
        slot.marker = media.marker;
        slot.timestamp = media.timestamp;
        slot.audio_level = media.audio_level;
        while self.bytes > self.bytes_max && self.oldest <= self.highest {
            self.give_up_below(self.oldest + 1);
        }
    }

    /// The packet of that index, if it is still kept and young enough.
    pub(crate) fn find(&self, now: MonotonicUs, index: u64) -> Option<Media<'_>> {
        let slot = &self.slots[self.place(index)];
        let kept = slot.index == index && !slot.payload.is_empty();
        let young = now.us_since(slot.at) <= self.age_max.0 * 1_000;
        (kept && young).then_some(Media {
            index,
            marker: slot.marker,
            timestamp: slot.timestamp,
            audio_level: slot.audio_level,
            payload: &slot.payload,
        })
    }

    /// Empties the slots of all packets below `oldest`; their buffers stay for the next.
    fn give_up_below(&mut self, oldest: u64) {
        let reach = self.slots.len() as u64;
        for index in self.oldest.max(oldest.saturating_sub(2 * reach))..oldest {
            let at = self.place(index);
            let slot = &mut self.slots[at];
            if slot.index < oldest {
                self.bytes -= slot.payload.len();
                slot.payload.clear();
            }
        }
        self.oldest = self.oldest.max(oldest);
    }

    const fn place(&self, index: u64) -> usize {
        index as usize & (self.slots.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn history(packets: usize, bytes: usize) -> History {
        History::new(&Limits {
            history_packets: packets,
            history_bytes: bytes,
            history_age_ms: 1_000,
            ..Limits::default()
        })
    }

    fn media(index: u64, payload: &[u8]) -> Media<'_> {
        Media { index, marker: true, timestamp: 5, audio_level: None, payload }
    }

    #[test]
    fn a_kept_packet_is_found_until_it_is_too_old() {
        let mut history = history(4, 100);
        history.keep(MonotonicUs(0), &media(7, b"abc"));
        assert_eq!(history.find(MonotonicUs(1_000_000), 7), Some(media(7, b"abc")));
        assert_eq!(history.find(MonotonicUs(1_000_001), 7), None);
        assert_eq!(history.find(MonotonicUs(0), 3), None);
    }

    proptest! {
        #[test]
        fn holds_the_latest_within_its_bounds(
            steps in prop::collection::vec((-6i64..9, 1usize..40), 1..300),
        ) {
            let (mut history, mut model) = (history(16, 200), BTreeMap::new());
            let (mut index, mut highest, mut oldest) = (1_000u64, 0u64, 0u64);
            for (step, len) in steps {
                index = index.saturating_add_signed(step);
                let payload = vec![index as u8; len];
                history.keep(MonotonicUs(0), &media(index, &payload));
                if index >= oldest && index + 16 > highest {
                    model.insert(index, payload);
                    highest = highest.max(index);
                    oldest = oldest.max((highest + 1).saturating_sub(16));
                    model.retain(|kept, _| *kept >= oldest);
                    while model.values().map(Vec::len).sum::<usize>() > 200 {
                        oldest = model.pop_first().unwrap().0 + 1;
                    }
                }
                prop_assert!(history.bytes <= 200);
                for (index, payload) in &model {
                    prop_assert_eq!(history.find(MonotonicUs(0), *index).unwrap().payload, payload);
                }
            }
        }
    }
}
