//! What one leg may make the relay hold or send.

/// Header extensions that are read of one packet; the rest of it is as if it were not there. A browser
/// sends up to six, and the one-byte form has 14 ids. More would let one packet of empty elements
/// cost as much as a hundred.
pub(crate) const EXTENSIONS_MAX: u8 = 32;

/// Bounds on memory and on answers. The defaults fit calls of up to 4 Mbit/s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Packets kept for retransmission, per listener of a call's video until it has got them, and
    /// per video track of a group (rounded up to a power of two). At 300 packets per second 512
    /// reach back 1.7 s; more costs up to 1.5 KB each.
    pub history_packets: usize,
    /// Payload bytes kept of them. Less than the round trip times the bitrate, and lost
    /// packets can't be repaired.
    pub history_bytes: usize,
    /// Age in ms after which a packet is no longer resent. A listener's player gives a frame up
    /// after about a second, so older packets are wasted on it.
    pub history_age_ms: u64,
    /// Members of one group. Each costs about 3 KB, and a datagram for each packet that it hears.
    pub group_seats: usize,
    /// Sent packets per leg whose confirmation is awaited. Must cover the longest delay of
    /// feedback: 2,048 are 5 s at 400 packets per second, 40 bytes each while they are awaited.
    pub awaited_packets: usize,
    /// Inbound SSRCs per leg, for RTP and for RTCP each. A browser uses three to six; each costs
    /// about 150 bytes.
    pub inbound_ssrcs: usize,
    /// Bytes of RTCP per second that one client may send on average, about 64 more counted for each
    /// datagram. Less would cost feedback, and with it proof, of who is sent much; more lets a flood
    /// of wishes cost us more: each four bytes can ask for 17 packets.
    pub control_bytes_per_s: u64,
    /// Bytes of RTCP that may come at once: what waited while a network was away.
    pub control_burst_bytes: u64,
    /// Bytes per second, headers included, that may be resent to one leg on average. Less repairs
    /// less; more lets a listener's requests multiply what we send.
    pub resend_bytes_per_s: u64,
    /// Bytes that may be resent to one leg at once: one lost key frame.
    pub resend_burst_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            history_packets: 512,
            history_bytes: 512 * 1_024,
            history_age_ms: 2_000,
            group_seats: 10_000,
            awaited_packets: 2_048,
            inbound_ssrcs: 16,
            control_bytes_per_s: 32 * 1_024,
            control_burst_bytes: 64 * 1_024,
            resend_bytes_per_s: 125_000,
            resend_burst_bytes: 64 * 1_024,
        }
    }
}
