//! Report blocks of sender and receiver reports (RFC 3550 section 6.4.1).

use super::word;

/// How one source is received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReportBlock {
    pub(crate) ssrc: u32,
    /// Share of packets lost since the last report, in 256ths.
    pub(crate) fraction_lost: u8,
    /// Packets lost since the beginning: 24 bits, below zero if there were duplicates.
    pub(crate) lost: i32,
    /// Extended highest sequence number received.
    pub(crate) highest: u32,
    /// In units of the RTP clock.
    pub(crate) jitter: u32,
    /// The middle 32 bits of the last sender report's NTP time.
    pub(crate) last_report: u32,
    /// Time since that report, in 65,536ths of a second.
    pub(crate) delay: u32,
}

impl ReportBlock {
    pub(super) const LEN: usize = 24;

    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let lost = word(bytes, 4)?;
        Some(Self {
            ssrc: word(bytes, 0)?,
            fraction_lost: (lost >> 24) as u8,
            lost: (lost << 8).cast_signed() >> 8,
            highest: word(bytes, 8)?,
            jitter: word(bytes, 12)?,
            last_report: word(bytes, 16)?,
            delay: word(bytes, 20)?,
        })
    }

    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        let lost = u32::from(self.fraction_lost) << 24 | self.lost.cast_unsigned() & 0x00ff_ffff;
        for field in [self.ssrc, lost, self.highest, self.jitter, self.last_report, self.delay] {
            bytes.extend_from_slice(&field.to_be_bytes());
        }
    }
}
