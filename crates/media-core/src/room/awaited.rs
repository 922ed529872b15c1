//! Packets that one client has been sent, by their transport-wide numbers, until they are
//! confirmed.

use crate::evidence::Mark;

/// A ring of what was sent: transport-wide number, and what its confirmation counts by as evidence,
/// if it does.
#[derive(Debug)]
pub(crate) struct Awaited {
    ring: Vec<Option<Mark>>,
    next: u64,
}

impl Awaited {
    /// A ring of at least `packets`.
    pub(crate) fn new(packets: usize) -> Self {
        Self { ring: vec![None; packets.next_power_of_two()], next: 0 }
    }

    /// The transport-wide number of the next packet.
    pub(crate) const fn next(&self) -> u16 {
        self.next as u16
    }

    /// Notes that the next packet was sent.
    pub(crate) fn sent(&mut self, evidence: Option<Mark>) {
        let at = self.place(self.next);
        self.ring[at] = evidence;
        self.next += 1;
    }

    /// The mark of a packet that the client says it got. `None` if it is no evidence, was never
    /// sent, or is too long ago.
    pub(crate) fn confirmed(&self, number: u16) -> Option<Mark> {
        let last = self.next.checked_sub(1)?;
        let back = u64::from((last as u16).wrapping_sub(number));
        let sent = last.checked_sub(back).filter(|_| back < self.ring.len() as u64)?;
        self.ring[self.place(sent)]
    }

    const fn place(&self, number: u64) -> usize {
        number as usize & (self.ring.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Content, Evidence};
    use units::{ElapsedMs, MonotonicUs};

    #[test]
    fn only_what_was_sent_lately_is_confirmed() {
        let mut awaited = Awaited::new(4);
        let mut evidence = Evidence::default();
        let confirmed =
            |awaited: &Awaited, number| awaited.confirmed(number).map(|mark| mark.moment().0);
        assert_eq!(confirmed(&awaited, 0), None);
        for at in 0..65_540u64 {
            assert_eq!(awaited.next(), at as u16);
            let mark = evidence.forward(MonotonicUs(at), ElapsedMs(u64::MAX), Content::Sound);
            awaited.sent((at % 2 == 0).then_some(mark));
        }
        // The last four are 65,536 to 65,539.
        assert_eq!(confirmed(&awaited, 0), Some(65_536));
        assert_eq!(confirmed(&awaited, 1), None);
        assert_eq!(confirmed(&awaited, 2), Some(65_538));
        assert_eq!(confirmed(&awaited, 4), None);
        assert_eq!(confirmed(&awaited, 65_534), None);
    }
}
