//! What became of a datagram that nobody's client sent.

use super::Exchange;
use crate::metrics::Dropped;
use std::net::SocketAddr;
use units::MonotonicUs;

impl Exchange {
    /// As [`Exchange::receive`]; tells why the datagram was dropped, if it was no live leg's. A
    /// forgery in a client's name and from its address, which only SRTP or DTLS itself can tell, is
    /// not told.
    pub(crate) fn judge(
        &mut self,
        now: MonotonicUs,
        source: SocketAddr,
        datagram: &mut [u8],
    ) -> Result<(), Dropped> {
        let kind = datagram.first().copied();
        let answers = self.outgoing.len();
        self.receive(now, source, datagram);
        // A datagram is served in the name of a call only once its leg is found.
        match (kind, self.serving) {
            (Some(0..=3), None) => Err(Dropped::UnknownCheck),
            // Each authentic check is answered.
            (Some(0..=3), Some(_)) if self.outgoing.len() == answers => Err(Dropped::ForgedCheck),
            (Some(20..=63 | 128..=191), None) => Err(Dropped::UnknownSource),
            (Some(0..=3 | 20..=63 | 128..=191), Some(_)) => Ok(()),
            (Some(_) | None, _) => Err(Dropped::UnknownProtocol),
        }
    }
}
