//! What goes to one side of a call.

use crate::Carried;
use crate::evidence::Evidence;

/// The totals toward one side, over all its connections.
#[derive(Debug, Default)]
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
            lost_ms: self.evidence.lost(),
            video_ms: self.evidence.picture(),
            silent_ms: self.evidence.silent(),
            frozen_ms: self.evidence.frozen(),
            packets: self.packets,
            bytes: self.bytes,
            lost: self.lost,
        }
    }
}
