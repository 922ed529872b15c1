//! Small changes to bytes, by chance that is the same in every run.

/// Longest mutant: a little more than any datagram, or than twice the largest frame's corpus entry.
const BYTES_MAX: usize = 8 * 1_024;

/// Numbers at which arithmetic breaks.
const NASTY: [u32; 10] = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0xffff_ffff];

/// Makes mutants of bytes.
pub(crate) struct Mutator<'a> {
    state: u64,
    /// What pieces are taken from.
    others: &'a [&'a [u8]],
}

impl<'a> Mutator<'a> {
    pub(crate) const fn new(seed: u64, others: &'a [&'a [u8]]) -> Self {
        Self { state: seed, others }
    }

    /// One to four changes.
    pub(crate) fn mutant(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut mutant = bytes.to_vec();
        for _ in 0..=self.below(4) {
            self.change(&mut mutant);
        }
        mutant.truncate(BYTES_MAX);
        mutant
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let (from, to) = self.range(bytes.len());
        match self.below(9) {
            0 => bytes.iter_mut().skip(from).take(1).for_each(|byte| *byte ^= 1 << self.below(8)),
            1 => bytes.iter_mut().skip(from).take(1).for_each(|byte| *byte = self.next() as u8),
            2 => self.overwrite(bytes, from),
            3 => bytes.truncate(from),
            4 => drop(bytes.drain(from..to)),
            5 => {
                let again = bytes[from..to].to_vec();
                bytes.splice(to..to, again);
            }
            6 => {
                let len = 1 + self.below(16);
                let fresh: Vec<u8> = (0..len).map(|_| self.next() as u8).collect();
                bytes.splice(from..from, fresh);
            }
            7 => {
                let nasty = NASTY[self.below(NASTY.len())] as u8;
                bytes[from..to].fill(nasty);
            }
            _ => {
                let other = self.others[self.below(self.others.len())];
                let (start, end) = self.range(other.len());
                bytes.splice(from..to, other[start..end].iter().copied());
            }
        }
    }

    /// A nasty number of one, two or four bytes.
    fn overwrite(&mut self, bytes: &mut [u8], at: usize) {
        let nasty = NASTY[self.below(NASTY.len())].to_be_bytes();
        let len = [1, 2, 4][self.below(3)];
        for (byte, nasty) in bytes.iter_mut().skip(at).zip(&nasty[4 - len..]) {
            *byte = *nasty;
        }
    }

    /// A part of so many bytes, mostly a short one.
    fn range(&mut self, len: usize) -> (usize, usize) {
        let from = self.below(len + 1);
        let longest = if self.below(4) == 0 { len - from } else { (len - from).min(8) };
        (from, from + self.below(longest + 1))
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// SplitMix64.
    const fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn mutants_differ_are_bounded_and_are_the_same_in_every_run() {
        let (short, long) = (b"abcdefgh".to_vec(), vec![7; 3 * BYTES_MAX]);
        for bytes in [&short, &long, &Vec::new()] {
            let others = [short.as_slice(), long.as_slice()];
            let run = || {
                let mut mutator = Mutator::new(5, &others);
                (0..300).map(|_| mutator.mutant(bytes)).collect::<Vec<_>>()
            };
            let mutants = run();
            assert_eq!(mutants, run());
            assert!(mutants.iter().all(|mutant| mutant.len() <= BYTES_MAX));
            assert!(mutants.iter().collect::<BTreeSet<_>>().len() > 100);
        }
    }
}
