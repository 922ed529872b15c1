//! Seals what we send, and no index twice.

use super::cipher::Cipher;
use super::{SrtpError, rtcp_ssrc};
use crate::rtp::Header;
use crate::window::Window;

/// The largest SRTCP index (RFC 3711 section 3.2.1).
const RTCP_INDEX_MAX: u32 = (1 << 31) - 1;

/// The outbound direction of one connection. Its streams are as many as the caller has SSRCs.
#[derive(Debug)]
pub struct Sealer {
    rtp: Cipher,
    rtcp: Cipher,
    streams: Vec<(u32, Window)>,
    /// The last SRTCP index, one sequence for all our SSRCs.
    rtcp_index: u32,
}

impl Sealer {
    pub(super) fn new((rtp, rtcp): (Cipher, Cipher)) -> Self {
        Self { rtp, rtcp, streams: Vec::new(), rtcp_index: 0 }
    }

    /// The highest index used on `ssrc`.
    #[must_use]
    pub fn highest_index(&self, ssrc: u32) -> Option<u64> {
        self.streams.iter().find(|(of, _)| *of == ssrc).and_then(|(_, window)| window.highest())
    }

    /// Seals the RTP packet that begins at `start` and ends with `bytes`. A stream's first packet
    /// has rollover counter 0.
    ///
    /// # Errors
    /// [`SrtpError::Malformed`], or [`SrtpError::IndexUsed`] if its index was used or is more than
    /// 1,024 below the highest; `bytes` is then unchanged.
    pub fn seal_rtp(&mut self, bytes: &mut Vec<u8>, start: usize) -> Result<(), SrtpError> {
        let header = Header::parse(&bytes[start..]).ok_or(SrtpError::Malformed)?;
        let at = self.streams.iter().position(|(of, _)| *of == header.ssrc).unwrap_or_else(|| {
            self.streams.push((header.ssrc, Window::default()));
            self.streams.len() - 1
        });
        let window = &mut self.streams[at].1;
        let index = window
            .estimate(header.sequence)
            .filter(|index| window.admits(*index))
            .ok_or(SrtpError::IndexUsed)?;
        window.admit(index);
        self.rtp.seal_rtp(bytes, start, header.len, header.ssrc, index);
        Ok(())
    }

    /// Seals a packet once more whose bytes are exactly those that were sealed before under this
    /// index, as a plain retransmission without RTX wants it: the same bytes under the same index
    /// are the same datagram.
    ///
    /// # Errors
    /// [`SrtpError::Malformed`], or [`SrtpError::IndexUsed`] if the index was **not** used before.
    pub fn reseal_rtp(&mut self, bytes: &mut Vec<u8>, start: usize) -> Result<(), SrtpError> {
        let header = Header::parse(&bytes[start..]).ok_or(SrtpError::Malformed)?;
        let window =
            self.streams.iter().find(|(of, _)| *of == header.ssrc).map(|(_, window)| window);
        let index = window
            .and_then(|window| {
                window.estimate(header.sequence).filter(|index| !window.admits(*index))
            })
            .ok_or(SrtpError::IndexUsed)?;
        self.rtp.seal_rtp(bytes, start, header.len, header.ssrc, index);
        Ok(())
    }

    /// Seals the RTCP packet that begins at `start` and ends with `bytes`.
    ///
    /// # Errors
    /// [`SrtpError::Malformed`], or [`SrtpError::IndexUsed`] after 2^31 packets.
    pub fn seal_rtcp(&mut self, bytes: &mut Vec<u8>, start: usize) -> Result<(), SrtpError> {
        let ssrc = rtcp_ssrc(&bytes[start..])?;
        if self.rtcp_index == RTCP_INDEX_MAX {
            return Err(SrtpError::IndexUsed);
        }
        self.rtcp_index += 1;
        self.rtcp.seal_rtcp(bytes, start, ssrc, self.rtcp_index);
        Ok(())
    }
}
