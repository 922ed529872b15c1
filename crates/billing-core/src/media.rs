//! What the relay counts of a call: the evidence that a bill rests on.
//!
//! All of it is cumulative, so reports merge field by field with [`max`](Counted::merge).

use crate::CALL_MS_MAX;
use serde::{Deserialize, Serialize};
use units::ElapsedMs;

/// What went one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// Media time that the relay sent on.
    pub forwarded: ElapsedMs,
    /// The part of it that the receiver's own client confirmed.
    pub proven: ElapsedMs,
    /// The part of it that can't be proven any more: proven + lost <= forwarded.
    pub lost: ElapsedMs,
    /// RTP packets and payload bytes sent on, without retransmissions.
    pub packets: u64,
    pub bytes: u64,
    /// Packets that the receiver's reports count as lost.
    pub packets_lost: u64,
}

/// Everything that was counted of a call, in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// From the host: what is billed.
    pub to_fan: Flow,
    /// From the fan: evidence only.
    pub to_host: Flow,
    /// Proven time of the host's media with picture.
    pub video: ElapsedMs,
    /// Proven time in which the host was silent (RFC 6464).
    pub silent: ElapsedMs,
    /// Proven time of a video call in which the host's picture, once it had come, stood still.
    pub frozen: ElapsedMs,
}

/// The host's media that the fan confirmed: what a tariff prices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Proven {
    /// All of it.
    pub media: ElapsedMs,
    /// The part with picture.
    pub video: ElapsedMs,
}

impl Proven {
    /// Nothing yet.
    pub const ZERO: Self = Self { media: ElapsedMs::ZERO, video: ElapsedMs::ZERO };

    /// Voice alone.
    #[must_use]
    pub const fn voice(media: ElapsedMs) -> Self {
        Self { media, video: ElapsedMs::ZERO }
    }

    /// Media that had picture all along.
    #[must_use]
    pub const fn video(media: ElapsedMs) -> Self {
        Self { media, video: media }
    }

    /// Field by field the larger: how cumulative counts merge.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        Self { media: self.media.max(other.media), video: self.video.max(other.video) }
    }

    /// The same within the bounds that hold for every call: at most [`CALL_MS_MAX`], and no more
    /// picture than media.
    #[must_use]
    pub fn bounded(self) -> Self {
        let media = self.media.min(CALL_MS_MAX);
        Self { media, video: self.video.min(media) }
    }
}

impl Counted {
    /// What so much proven time is the least count of.
    pub(crate) fn proven(proven: Proven) -> Self {
        let to_fan = Flow { forwarded: proven.media, proven: proven.media, ..Flow::default() };
        Self { to_fan, video: proven.video, ..Self::default() }
    }
}

impl Flow {
    fn merge(self, other: Self) -> Self {
        Self {
            forwarded: self.forwarded.max(other.forwarded),
            proven: self.proven.max(other.proven),
            lost: self.lost.max(other.lost),
            packets: self.packets.max(other.packets),
            bytes: self.bytes.max(other.bytes),
            packets_lost: self.packets_lost.max(other.packets_lost),
        }
    }
}

impl Counted {
    /// Field by field the larger: a late or repeated report changes nothing.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        Self {
            to_fan: self.to_fan.merge(other.to_fan),
            to_host: self.to_host.merge(other.to_host),
            video: self.video.max(other.video),
            silent: self.silent.max(other.silent),
            frozen: self.frozen.max(other.frozen),
        }
    }

    /// What a tariff prices of it.
    #[must_use]
    pub fn billable(&self) -> Proven {
        Proven { media: self.to_fan.proven, video: self.video }.bounded()
    }
}
