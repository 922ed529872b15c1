//! A fast hash of call ids.
//!
//! Ids are drawn by signaling, at random: nobody outside can choose ids that collide, so that a
//! hash against such attacks, which costs a packet 20 ns, protects from nothing here.

use std::hash::{BuildHasherDefault, Hasher};

/// For maps whose keys are ids.
pub(crate) type IdHash = BuildHasherDefault<IdHasher>;

/// Multiplies eight bytes at a time, and mixes in the end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IdHasher(u64);

/// An odd number without a pattern: the golden ratio's fraction.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_ne_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(SPREAD);
    }

    fn write_usize(&mut self, len: usize) {
        self.write_u64(len as u64);
    }

    /// The finalizer of MurmurHash3.
    fn finish(&self) -> u64 {
        let mut hash = self.0;
        hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash = (hash ^ hash >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        hash ^ hash >> 33
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::hash::BuildHasher;
    use units::CallId;

    /// Ids that differ by little spread over the places of a table, and over the seven bits by
    /// which its entries are told apart.
    #[test]
    fn ids_that_differ_by_little_are_spread() {
        let hash = IdHash::default();
        for shift in [0, 32, 64, 96] {
            let hashes: Vec<u64> = (0..1_024u128)
                .map(|n| hash.hash_one(CallId(uuid::Uuid::from_u128((n << shift) ^ 7))))
                .collect();
            for part in [|hash: u64| hash % 1_024, |hash: u64| hash >> 57] {
                let places: HashSet<_> = hashes.iter().map(|hash| part(*hash)).collect();
                // 1,024 at random fill 647 of 1,024 places, and all of 128.
                assert!(places.len() > 100, "{shift}: {}", places.len());
            }
            assert_eq!(hashes.iter().collect::<HashSet<_>>().len(), 1_024, "{shift}");
        }
    }
}
