//! What became of a datagram that was of no use.

use super::Exchange;
use crate::metrics::Dropped;
use std::net::SocketAddr;
use units::MonotonicUs;

impl Exchange {
    /// As [`Exchange::receive`]; tells why the datagram was dropped, if it was. What DTLS makes of a
    /// forgery in a client's name and from its address is not told.
    pub(crate) fn judge(
        &mut self,
        now: MonotonicUs,
        source: SocketAddr,
        datagram: &mut [u8],
    ) -> Result<(), Dropped> {
        let kind = datagram.first().copied();
        let answers = self.outgoing.len();
        self.dropped = None;
        self.receive(now, source, datagram);
        if let Some(dropped) = self.dropped {
            return Err(dropped);
        }
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
