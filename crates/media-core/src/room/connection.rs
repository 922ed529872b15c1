//! One side's connection in a paid call: what it sends, what it is sent, and what is known of that.

use super::awaited::Awaited;
use super::feed::Feed;
use crate::estimate::Estimate;
use crate::srtp::{Role, Sealer, SrtpContext};
use crate::token_bucket::TokenBucket;
use crate::upstream::{self, Track, Upstream};
use crate::{LegKey, Limits, MediaKind, MediaLine, NegotiatedLeg, Outbox};
use units::MonotonicUs;

/// An m-line in use, beside the same of the client's [`Upstream`].
#[derive(Debug)]
pub(super) struct Line {
    pub(super) feed: Feed,
    /// The other side's line that this track is forwarded to.
    pub(super) sink: Option<usize>,
    /// The other side's line whose track is forwarded to this feed.
    pub(super) source: Option<usize>,
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) key: LegKey,
    negotiated: NegotiatedLeg,
    pub(super) up: Upstream,
    pub(super) sealer: Sealer,
    pub(super) lines: Vec<Line>,
    pub(super) awaited: Awaited,
    pub(super) resends: TokenBucket,
    /// What the client's path carries, where it receives video and reports on each packet.
    pub(super) estimate: Option<Box<Estimate>>,
}

impl Connection {
    /// The connection that a leg has after a join: a new one in place of `before`, or `before`
    /// still if `negotiated` is the same or lacks keys. Sources are counted from `first_epoch` on,
    /// above those of every connection before.
    pub(super) fn new(
        key: LegKey,
        negotiated: NegotiatedLeg,
        (limits, first_epoch): (&Limits, u64),
        before: Option<Self>,
    ) -> Option<Self> {
        let same_keys = |before: &Self| {
            before.negotiated.keying_material == negotiated.keying_material
                && before.negotiated.profile == negotiated.profile
        };
        let up_line =
            |spec: &MediaLine| upstream::Line { spec: *spec, track: Track::new(spec, first_epoch) };
        let up_lines = negotiated.lines.iter().map(up_line).collect();
        let (up, mut sealer, awaited, estimate) = match before {
            Some(before) if before.negotiated == negotiated => return Some(before),
            // An index must not be sealed twice with one key, nor a number be given twice.
            Some(before) if same_keys(&before) => {
                (before.up.with_lines(up_lines), before.sealer, before.awaited, before.estimate)
            }
            Some(_) | None => {
                let material = &negotiated.keying_material;
                let streams = limits.inbound_ssrcs;
                match SrtpContext::new(negotiated.profile, material, Role::Server, streams) {
                    Ok(SrtpContext { opener, sealer }) => {
                        let up = Upstream::new(key.into(), opener, up_lines, limits);
                        (up, sealer, Awaited::new(limits.awaited_packets), None)
                    }
                    Err(_) => return before,
                }
            }
        };
        let restrained = negotiated.lines.iter().any(|line| {
            line.client_receives && line.codec.kind() == MediaKind::Video && line.transport_cc
        });
        let line = |spec: &MediaLine| {
            let feed = Feed::new(spec, limits, &mut sealer);
            Line { feed, sink: None, source: None }
        };
        let lines = negotiated.lines.iter().map(line).collect();
        let resends = TokenBucket::new(limits.resend_bytes_per_s, limits.resend_burst_bytes);
        let estimate = estimate.or_else(|| restrained.then(Box::default));
        Some(Self { key, negotiated, up, sealer, lines, awaited, resends, estimate })
    }

    /// Asks the client for whatever is due: missing packets, key frames.
    pub(super) fn ask(&mut self, now: MonotonicUs, out: &mut Outbox) {
        self.up.ask(now, &mut self.sealer, out);
    }
}

/// Connects each sending line of `from` with the receiving line of `to` that has the same codec and
/// the same place among such lines.
pub(super) fn connect(from: &mut [Line], to: &mut [Line]) {
    for line in from.iter_mut() {
        line.sink = None;
    }
    for line in to.iter_mut() {
        line.source = None;
    }
    for (at, line) in from.iter_mut().enumerate().filter(|(_, line)| line.feed.line().client_sends)
    {
        let codec = line.feed.line().codec;
        let free = |(_, sink): &(usize, &mut Line)| {
            let spec = sink.feed.line();
            spec.client_receives && spec.codec == codec && sink.source.is_none()
        };
        if let Some((sink, feed)) = to.iter_mut().enumerate().find(free) {
            line.sink = Some(sink);
            feed.source = Some(at);
        }
    }
}
