//! Which of the latest packets of one SSRC have been seen, and which index a sequence number means.
//!
//! RFC 3711 section 3.3.2 (replay list) and appendix A (index estimation), over the 48-bit index
//! `2^16 * rollover counter + sequence number`.

/// Packets that are told apart below the highest. Narrower windows drop repaired packets that come
/// late; wider costs one bit each.
pub(crate) const WINDOW: u64 = 1_024;

const WORDS: usize = WINDOW as usize / 64;

/// The largest index: the rollover counter has 32 bits.
const INDEX_MAX: u64 = (1 << 48) - 1;

/// The seen indexes of one stream: the highest, and a bit for each of the [`WINDOW`] up to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    highest: Option<u64>,
    seen: [u64; WORDS],
}

impl Window {
    /// The highest index seen.
    pub(crate) const fn highest(&self) -> Option<u64> {
        self.highest
    }

    /// The index nearest to the highest that has these low 16 bits; for a new stream the rollover
    /// counter is 0. `None` if that index would be below 0 or above 2^48 - 1.
    pub(crate) fn estimate(&self, low: u16) -> Option<u64> {
        let Some(highest) = self.highest else { return Some(low.into()) };
        let ahead = low.wrapping_sub(highest as u16).cast_signed();
        highest.checked_add_signed(ahead.into()).filter(|index| *index <= INDEX_MAX)
    }

    /// Whether `index` is new and not too old.
    pub(crate) fn admits(&self, index: u64) -> bool {
        let Some(highest) = self.highest else { return true };
        index > highest || (highest - index < WINDOW && !self.bit(index))
    }

    /// Marks an admitted index as seen.
    pub(crate) fn admit(&mut self, index: u64) {
        match self.highest {
            Some(highest) if index <= highest => {}
            Some(highest) if index - highest < WINDOW => {
                for between in highest + 1..index {
                    self.set(between, false);
                }
                self.highest = Some(index);
            }
            Some(_) | None => {
                self.seen = [0; WORDS];
                self.highest = Some(index);
            }
        }
        self.set(index, true);
    }

    fn bit(&self, index: u64) -> bool {
        self.seen[(index % WINDOW / 64) as usize] >> (index % 64) & 1 == 1
    }

    fn set(&mut self, index: u64, seen: bool) {
        let word = &mut self.seen[(index % WINDOW / 64) as usize];
        *word = *word & !(1 << (index % 64)) | u64::from(seen) << (index % 64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn at(highest: u64) -> Window {
        let mut window = Window::default();
        window.admit(highest);
        window
    }

    #[test]
    fn a_sequence_number_means_the_nearest_index() {
        for (highest, low, index) in [
            (10, 11, Some(11)),
            (10, 9, Some(9)),
            (10, 65_535, None),
            (65_530, 2, Some(65_538)),
            (65_538, 65_530, Some(65_530)),
            (3 << 16, 65_535, Some((3 << 16) - 1)),
            (INDEX_MAX, 0, None),
        ] {
            assert_eq!(at(highest).estimate(low), index, "{highest} {low}");
        }
        assert_eq!(Window::default().estimate(65_535), Some(65_535));
    }

    #[test]
    fn the_window_is_1024_wide() {
        let window = at(5_000);
        assert!(window.admits(5_000 - 1_023));
        assert!(!window.admits(5_000 - 1_024));
        assert!(!window.admits(5_000));
    }

    proptest! {
        #[test]
        fn admits_exactly_what_a_set_would(indexes in prop::collection::vec(0u64..4_000, 1..400)) {
            let (mut window, mut seen) = (Window::default(), HashSet::new());
            let mut highest: Option<u64> = None;
            for index in indexes {
                let fresh = !seen.contains(&index) && highest.is_none_or(|top| index + WINDOW > top);
                prop_assert_eq!(window.admits(index), fresh);
                if fresh {
                    window.admit(index);
                    seen.insert(index);
                    highest = highest.max(Some(index));
                }
            }
        }
    }
}
