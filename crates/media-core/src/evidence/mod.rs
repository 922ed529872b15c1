//! Media time: what the bill rests on.
//!
//! For each direction of a call three sums are kept, in microseconds:
//!
//! * **Forwarded** time: a forwarded packet at time t adds `t - previous` if that is at most
//!   [`GAP_MAX_US`], else nothing. Packets are RTP of audio or video, authenticated and not
//!   replayed; retransmissions and padding are none.
//! * **Proven** time: the same sum over those packets alone that the receiving client confirmed by
//!   its RTCP. A confirmation of a packet from before the latest confirmed one adds nothing.
//! * **Lost** time: forwarded time that can't be proven any more. A confirmation decides all time
//!   up to its packet: what it does not prove is lost. Time that is still undecided
//!   [`PROOF_WITHIN`] later is lost too, and a proof that comes later still adds nothing.
//!
//! So proven + lost <= forwarded <= time passed; each only grows; and it does not matter how
//! confirmations are cut into reports or how often they are repeated. Time in which nothing was
//! forwarded is in none.
//!
//! **The cut.** The limit is for **provable** time: what is proven or may still be, forwarded -
//! lost. The packet by which it would pass the limit is stamped with the moment at which it reached
//! it, so that provable time is exactly the limit, and so is proven time once that packet is
//! confirmed. If what was on its way turns out to be lost, there is room for as much again.
//!
//! A client that joins again continues the sums: the time between counts like any other gap.

mod showing;
mod undecided;

use showing::Showing;
use undecided::Undecided;
use units::{ElapsedMs, MonotonicUs};

/// The longest time between two packets that is still media: Opus sends one packet every 400 ms
/// in silence (DTX), and half an interval is left for jitter. Less would make silence free; more
/// would bill outages.
pub(crate) const GAP_MAX_US: u64 = 600_000;

/// How long a proof is waited for. Feedback takes 2 s at most unless the way back is broken. Less
/// would give away what a slow network delivered; more lets a call with a dead listener run on
/// that much longer before its limit moves.
const PROOF_WITHIN: ElapsedMs = ElapsedMs(4_000);

/// What a forwarded packet is to its confirmation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// When it went out, or when the limit was reached, if that was earlier.
    moment: MonotonicUs,
    /// Forwarded time up to that moment.
    forwarded_us: u64,
    content: Content,
}

impl Mark {
    /// When it went out.
    pub(crate) const fn moment(&self) -> MonotonicUs {
        self.moment
    }
}

/// What a packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Sound,
    /// Sound that nobody can hear.
    Silence,
    /// A part of the frame with this RTP timestamp.
    Picture {
        frame: u32,
    },
}

/// Media time to one receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Evidence {
    forwarded_us: u64,
    /// The moment of the latest forwarded packet.
    forwarded_to: Option<MonotonicUs>,
    proven_us: u64,
    /// The moment of the latest confirmed packet.
    proven_to: Option<MonotonicUs>,
    /// Forwarded time that is either proven or lost.
    decided_us: u64,
    undecided: Undecided,
    showing: Showing,
}

impl Evidence {
    /// Counts a packet that was forwarded at `now`, up to `limit`; returns what its confirmation
    /// is to be counted by.
    pub(crate) fn forward(&mut self, now: MonotonicUs, limit: ElapsedMs, content: Content) -> Mark {
        self.expire(now);
        let gap = self.forwarded_to.map_or(0, |latest| now.us_since(latest));
        let step = if gap <= GAP_MAX_US { gap } else { 0 };
        let added = step.min(us(limit).saturating_sub(self.provable_us()));
        self.forwarded_us += added;
        let moment = MonotonicUs(now.0 - (step - added));
        self.forwarded_to = Some(moment);
        self.undecided.note(moment, self.forwarded_us);
        Mark { moment, forwarded_us: self.forwarded_us, content }
    }

    /// Counts the confirmation of a packet, which came at `now`.
    pub(crate) fn confirm(&mut self, now: MonotonicUs, mark: Mark) {
        self.expire(now);
        // Sound and picture may be of one moment.
        if self.proven_to.is_some_and(|latest| mark.moment < latest) {
            self.showing.late(mark);
            return;
        }
        let gap = self.proven_to.map_or(0, |latest| mark.moment.us_since(latest));
        let step = if gap <= GAP_MAX_US { gap } else { 0 };
        let proven = step.min(mark.forwarded_us.saturating_sub(self.decided_us));
        self.proven_us += proven;
        self.proven_to = Some(mark.moment);
        self.decided_us = self.decided_us.max(mark.forwarded_us);
        self.showing.proven(mark, proven, self.proven_us);
    }

    /// Gives up what is too old to be proven.
    pub(crate) fn expire(&mut self, now: MonotonicUs) {
        let old = |moment: MonotonicUs| now.us_since(moment) >= us(PROOF_WITHIN);
        while let Some(sum) = self.undecided.take_if(old) {
            self.decided_us = self.decided_us.max(sum);
        }
        if self.forwarded_to.is_some_and(old) {
            self.give_up();
        }
    }

    /// Gives up everything that is not proven yet.
    pub(crate) const fn give_up(&mut self) {
        self.decided_us = self.forwarded_us;
    }

    /// Whether provable time has reached `limit`.
    pub(crate) const fn reaches(&self, limit: ElapsedMs) -> bool {
        self.provable_us() >= us(limit)
    }

    /// Whether no confirmation that may still come can change anything.
    pub(crate) const fn is_decided(&self) -> bool {
        self.decided_us == self.forwarded_us
    }

    /// Whether anything was confirmed.
    pub(crate) const fn is_proven(&self) -> bool {
        self.proven_to.is_some()
    }

    /// Whole milliseconds forwarded.
    pub(crate) const fn forwarded(&self) -> ElapsedMs {
        ElapsedMs(self.forwarded_us / 1_000)
    }

    /// Whole milliseconds proven.
    pub(crate) const fn proven(&self) -> ElapsedMs {
        ElapsedMs(self.proven_us / 1_000)
    }

    /// Whole milliseconds lost.
    pub(crate) const fn lost(&self) -> ElapsedMs {
        ElapsedMs(self.lost_us() / 1_000)
    }

    /// Whole proven milliseconds with picture.
    pub(crate) const fn picture(&self) -> ElapsedMs {
        ElapsedMs(self.showing.picture_us / 1_000)
    }

    /// Whole proven milliseconds in silence.
    pub(crate) const fn silent(&self) -> ElapsedMs {
        ElapsedMs(self.showing.silent_us / 1_000)
    }

    /// Whole proven milliseconds in which the picture stood still.
    pub(crate) const fn frozen(&self) -> ElapsedMs {
        ElapsedMs(self.showing.frozen_us / 1_000)
    }

    const fn lost_us(&self) -> u64 {
        self.decided_us - self.proven_us
    }

    const fn provable_us(&self) -> u64 {
        self.forwarded_us - self.lost_us()
    }
}

const fn us(span: ElapsedMs) -> u64 {
    span.0.saturating_mul(1_000)
}

#[cfg(test)]
mod tests;
