//! What goes to one side of a call.

use crate::Carried;
use crate::evidence::Evidence;
use units::ElapsedMs;

/// The totals toward one side, over all its connections.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Direction {
    pub(super) evidence: Evidence,
    pub(super) packets: u64,
    pub(super) bytes: u64,
    pub(super) lost: u64,
}

impl Direction {
    pub(super) const fn carried(&self) -> Carried {
        Carried {
            forwarded_ms: self.evidence.forwarded(),
            proven_ms: self.evidence.proven(),
            lost_ms: ElapsedMs::ZERO,
            video_ms: ElapsedMs::ZERO,
            silent_ms: ElapsedMs::ZERO,
            frozen_ms: ElapsedMs::ZERO,
            packets: self.packets,
            bytes: self.bytes,
            lost: self.lost,
        }
    }
}
