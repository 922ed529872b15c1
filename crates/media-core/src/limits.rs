//! What one leg may make the relay hold or send.

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
    /// feedback: 2,048 are 5 s at 400 packets per second, 32 bytes each while they are awaited.
    pub awaited_packets: usize,
    /// Inbound SSRCs per leg, for RTP and for RTCP each. A browser uses three to six; each costs
    /// about 150 bytes.
    pub inbound_ssrcs: usize,
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
            resend_bytes_per_s: 125_000,
            resend_burst_bytes: 64 * 1_024,
        }
    }
}
