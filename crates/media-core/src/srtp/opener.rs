//! Opens what a peer sealed.

use super::cipher::Cipher;
use super::streams::Streams;
use super::{SrtpError, rtcp_ssrc};
use crate::rtp::Header;

/// The inbound direction of one connection.
#[derive(Debug)]
pub struct Opener {
    rtp: Cipher,
    rtcp: Cipher,
    rtp_streams: Streams,
    rtcp_streams: Streams,
}

impl Opener {
    pub(super) fn new((rtp, rtcp): (Cipher, Cipher), streams_max: usize) -> Self {
        let streams = || Streams::new(streams_max);
        Self { rtp, rtcp, rtp_streams: streams(), rtcp_streams: streams() }
    }

    /// Opens an SRTP packet in place; returns the length of the RTP packet in it.
    ///
    /// # Errors
    /// Every [`SrtpError`] but those of sealing. A forged packet's bytes are spoilt.
    pub fn open_rtp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let header = Header::parse(packet).ok_or(SrtpError::Malformed)?;
        let window = self.rtp_streams.find(header.ssrc)?;
        let index = match window {
            Some(window) => window.estimate(header.sequence).ok_or(SrtpError::Replayed)?,
            None => header.sequence.into(),
        };
        if window.is_some_and(|window| !window.admits(index)) {
            return Err(SrtpError::Replayed);
        }
        let len =
            self.rtp.open_rtp(packet, header.len, header.ssrc, index).ok_or(SrtpError::Forged)?;
        self.rtp_streams.admit(header.ssrc, index);
        Ok(len)
    }

    /// Opens an SRTCP packet in place; returns the length of the RTCP packet in it.
    ///
    /// # Errors
    /// As [`Opener::open_rtp`].
    pub fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let ssrc = rtcp_ssrc(packet)?;
        let index = self.rtcp.rtcp_index(packet).ok_or(SrtpError::Malformed)?;
        let window = self.rtcp_streams.find(ssrc)?;
        if window.is_some_and(|window| !window.admits(index.into())) {
            return Err(SrtpError::Replayed);
        }
        let len = self.rtcp.open_rtcp(packet, ssrc, index).ok_or(SrtpError::Forged)?;
        self.rtcp_streams.admit(ssrc, index.into());
        Ok(len)
    }

    #[cfg(test)]
    pub(super) fn streams(&self) -> usize {
        self.rtp_streams.len() + self.rtcp_streams.len()
    }
}
