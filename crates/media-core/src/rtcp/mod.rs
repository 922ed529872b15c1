//! RTCP: what clients tell us and what we tell them (RFC 3550, RFC 4585, RFC 5104, RFC 5506).

mod read;
mod report;
mod transport_feedback;
mod write;

pub(crate) use read::{Packet, packets};
pub(crate) use report::ReportBlock;
pub(crate) use transport_feedback::{Arrival, write_transport_feedback};
pub(crate) use write::{nack, pli, receiver_report, remb, sender_report};

/// Packet types (RFC 3550 section 12.1, RFC 4585 section 6.1).
mod kind {
    pub(super) const SENDER_REPORT: u8 = 200;
    pub(super) const RECEIVER_REPORT: u8 = 201;
    pub(super) const BYE: u8 = 203;
    pub(super) const TRANSPORT_FEEDBACK: u8 = 205;
    pub(super) const PAYLOAD_FEEDBACK: u8 = 206;
}

/// Formats of feedback: NACK (RFC 4585), transport-wide congestion control
/// (draft-holmer-rmcat-transport-wide-cc-extensions-01), PLI (RFC 4585), FIR (RFC 5104), REMB
/// (draft-alvestrand-rmcat-remb-03).
mod format {
    pub(super) const NACK: u8 = 1;
    pub(super) const TRANSPORT_WIDE: u8 = 15;
    pub(super) const PLI: u8 = 1;
    pub(super) const FIR: u8 = 4;
    /// Messages of applications: REMB is one.
    pub(super) const APPLICATION: u8 = 15;
}

/// The big-endian word at `at`.
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}
