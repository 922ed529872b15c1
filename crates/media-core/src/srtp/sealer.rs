//! Seals what we send, and no index twice.

use super::cipher::Cipher;
use super::{SrtpError, rtcp_ssrc};
use crate::rtp::Header;
use crate::window::Window;

/// Streams that are kept beside the key.
const FIRST: usize = 2;

/// The largest SRTCP index (RFC 3711 section 3.2.1).
const RTCP_INDEX_MAX: u32 = (1 << 31) - 1;

/// The outbound direction of one connection. Its streams are as many as the caller has SSRCs.
#[derive(Debug)]
#[repr(C)] // What each RTP packet needs comes first, in as few cache lines as possible.
pub struct Sealer {
    rtp: Cipher,
    /// The first two streams: what most listeners have, near the key.
    first: [(u32, Window); FIRST],
    /// How many streams there are.
    len: usize,
    rest: Vec<(u32, Window)>,
    rtcp: Cipher,
    /// The last SRTCP index, one sequence for all our SSRCs.
    rtcp_index: u32,
}

/// One SSRC of a [`Sealer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stream(usize);

/// The right to seal one packet under an index that nothing else was or will be sealed under. It
/// can't be copied, and sealing uses it up.
#[derive(Debug)]
pub(crate) struct Claim {
    ssrc: u32,
    index: u64,
}

impl Sealer {
    pub(super) fn new((rtp, rtcp): (Cipher, Cipher)) -> Self {
        let first = std::array::from_fn(|_| (0, Window::default()));
        Self { rtp, first, len: 0, rest: Vec::new(), rtcp, rtcp_index: 0 }
    }

    /// The highest index used on `ssrc`.
    #[must_use]
    pub fn highest_index(&self, ssrc: u32) -> Option<u64> {
        self.streams().find(|(of, _)| *of == ssrc).and_then(|(_, window)| window.highest())
    }

    /// The stream of `ssrc`.
    pub(crate) fn stream(&mut self, ssrc: u32) -> Stream {
        let known = self.streams().position(|(of, _)| *of == ssrc);
        Stream(known.unwrap_or_else(|| {
            let fresh = (ssrc, Window::default());
            match self.first.get_mut(self.len) {
                Some(free) => *free = fresh,
                None => self.rest.push(fresh),
            }
            self.len += 1;
            self.len - 1
        }))
    }

    fn streams(&self) -> impl Iterator<Item = &(u32, Window)> {
        self.first.iter().chain(&self.rest).take(self.len)
    }

    fn at(&mut self, Stream(at): Stream) -> &mut (u32, Window) {
        match at.checked_sub(FIRST) {
            None => &mut self.first[at],
            Some(at) => &mut self.rest[at],
        }
    }

    /// How much longer a sealed RTP packet is, in bytes.
    pub(crate) const fn tag_len(&self) -> usize {
        self.rtp.tag_len()
    }

    /// Claims an index of a stream.
    ///
    /// # Errors
    /// [`SrtpError::IndexUsed`] if the index was claimed, is more than 1,024 below the highest, or
    /// so far from it that a receiver would take it for another.
    pub(crate) fn claim(&mut self, stream: Stream, index: u64) -> Result<Claim, SrtpError> {
        let (ssrc, window) = self.at(stream);
        if window.estimate(index as u16) != Some(index) || !window.admits(index) {
            return Err(SrtpError::IndexUsed);
        }
        window.admit(index);
        Ok(Claim { ssrc: *ssrc, index })
    }

    /// Seals an RTP packet in parts straight to where it goes: `out` has room for header, payload
    /// and tag, exactly. `header` bears the claimed SSRC and the low 16 bits of the index.
    pub(crate) fn seal_rtp_to(&self, out: &mut [u8], claim: Claim, header: &[u8], payload: &[u8]) {
        let Claim { ssrc, index } = claim;
        self.rtp.seal_rtp_to(out, header, payload, ssrc, index);
    }

    /// Seals the RTP packet that begins at `start` and ends with `bytes`. A stream's first packet
    /// has rollover counter 0.
    ///
    /// # Errors
    /// [`SrtpError::Malformed`], or [`SrtpError::IndexUsed`] if its index was used or is more than
    /// 1,024 below the highest; `bytes` is then unchanged.
    pub fn seal_rtp(&mut self, bytes: &mut Vec<u8>, start: usize) -> Result<(), SrtpError> {
        let header = Header::parse(&bytes[start..]).ok_or(SrtpError::Malformed)?;
        let stream = self.stream(header.ssrc);
        let (_, window) = self.at(stream);
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
        let window = self.streams().find(|(of, _)| *of == header.ssrc).map(|(_, window)| window);
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
