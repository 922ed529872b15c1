//! One client in a group.

use crate::rtp::Template;
use crate::srtp::{Role, Sealer, SrtpContext, Stream};
use crate::token_bucket::TokenBucket;
use crate::upstream::{self, Track, Upstream};
use crate::{GroupLeg, Limits, MediaLine, NegotiatedLeg, SrtpError};
use units::MonotonicUs;

/// What is known of a client, apart from what each forwarded packet needs of its feeds.
#[derive(Debug)]
#[repr(C, align(64))] // What each packet needs comes first, in two cache lines.
pub(super) struct Member {
    pub(super) leg: GroupLeg,
    /// The transport-wide number of the next packet.
    pub(super) next_number: u16,
    pub(super) sealer: Sealer,
    pub(super) up: Upstream,
    pub(super) downlinks: Vec<Downlink>,
    pub(super) resends: TokenBucket,
}

/// An m-line, beside the same of the client's [`Upstream`].
#[derive(Debug)]
pub(super) struct Downlink {
    pub(super) spec: MediaLine,
    pub(super) stream: Stream,
    /// The broadcast of what the client sends on it.
    pub(super) publishes: Option<usize>,
    /// What it carries to the client.
    pub(super) hears: Option<Hears>,
    /// The timestamp at which something that it carried before ended, and when.
    pub(super) ended: Option<(u32, MonotonicUs)>,
    /// Whether the client knows which line our SSRC belongs to.
    pub(super) introduced: bool,
}

/// A feed, by numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hears {
    pub(super) broadcast: usize,
    pub(super) at: usize,
}

impl Member {
    /// A client that has just connected. Its sources are counted from `first_epoch` on.
    pub(super) fn new(
        leg: GroupLeg,
        negotiated: &NegotiatedLeg,
        (limits, first_epoch): (&Limits, u64),
    ) -> Result<Self, SrtpError> {
        let NegotiatedLeg { profile, keying_material, lines } = negotiated;
        let streams = limits.inbound_ssrcs;
        let SrtpContext { opener, mut sealer } =
            SrtpContext::new(*profile, keying_material, Role::Server, streams)?;
        let line =
            |spec: &MediaLine| upstream::Line { spec: *spec, track: Track::new(spec, first_epoch) };
        let up = Upstream::new(leg.into(), opener, lines.iter().map(line).collect(), limits);
        let downlink = |spec: &MediaLine| Downlink {
            spec: *spec,
            stream: sealer.stream(spec.ssrc),
            publishes: None,
            hears: None,
            ended: None,
            introduced: false,
        };
        let downlinks = lines.iter().map(downlink).collect();
        let resends = TokenBucket::new(limits.resend_bytes_per_s, limits.resend_burst_bytes);
        Ok(Self { leg, next_number: 0, sealer, up, downlinks, resends })
    }
}

impl Downlink {
    pub(super) fn template(&self) -> Template {
        Template::new(&self.spec, self.spec.payload_type, self.spec.ssrc, !self.introduced)
    }
}
