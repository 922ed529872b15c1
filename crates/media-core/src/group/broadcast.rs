//! What one publisher sends on one line, as one unbroken stream, and everybody who hears it.

use super::Spot;
use super::feed::{Copied, Feed};
use super::member::Member;
use crate::history::History;
use crate::rtp::{Media, Rewriter};
use crate::upstream::Accepted;
use crate::{Limits, MediaLine, Outbox};
use units::{ElapsedMs, MonotonicUs};

/// The shortest time between two sender reports that are passed on; browsers send one or two a
/// second, and each becomes a datagram for every listener.
const SENDER_REPORT_EVERY: ElapsedMs = ElapsedMs(300);

#[derive(Debug)]
pub(super) struct Broadcast {
    /// Gives packets of all its sources their places in the one stream.
    rewriter: Rewriter,
    /// The timestamp and the moment of the latest packet.
    latest: Option<(u32, MonotonicUs)>,
    /// The latest packets, for every listener that lost one: one ring for all.
    history: Option<History>,
    feeds: Vec<Feed>,
    next_sender_report: MonotonicUs,
    /// Nothing of it is for anybody.
    muted: bool,
}

impl Broadcast {
    /// Keeps packets for repair if there are `limits` for that.
    pub(super) fn new(line: &MediaLine, limits: Option<&Limits>) -> Self {
        Self {
            rewriter: Rewriter::new(line.clock_hz, None),
            latest: None,
            history: limits.map(History::new),
            feeds: Vec::new(),
            next_sender_report: MonotonicUs(0),
            muted: false,
        }
    }

    /// Keeps it from everybody, or no longer. Returns whether it was kept until now and is no more.
    pub(super) const fn mute(&mut self, muted: bool) -> bool {
        std::mem::replace(&mut self.muted, muted) && !muted
    }

    /// Adds a listener; returns the feed's number.
    pub(super) fn add(&mut self, feed: Feed) -> usize {
        self.feeds.push(feed);
        self.feeds.len() - 1
    }

    /// Takes a feed out. Returns where its timestamps have ended, if it had begun, and whose feed
    /// has its number now.
    pub(super) fn remove(
        &mut self,
        now: MonotonicUs,
        at: usize,
    ) -> (Option<(u32, MonotonicUs)>, Option<Spot>) {
        let feed = self.feeds.swap_remove(at);
        let (timestamp, moment) = self.latest.unwrap_or((0, now));
        let ended = feed.has_begun().then(|| (feed.timestamp(timestamp), moment));
        (ended, self.feeds.get(at).map(Feed::listener))
    }

    pub(super) fn last_listener(&self) -> Option<Spot> {
        self.feeds.last().map(Feed::listener)
    }

    /// Whether anything was broadcast.
    pub(super) const fn has_begun(&self) -> bool {
        self.latest.is_some()
    }

    pub(super) fn feed(&self, at: usize) -> Option<&Feed> {
        self.feeds.get(at)
    }

    pub(super) fn feed_mut(&mut self, at: usize) -> Option<&mut Feed> {
        self.feeds.get_mut(at)
    }

    pub(super) fn feeds(&self) -> &[Feed] {
        &self.feeds
    }

    /// A packet by its index in the broadcast, if it is still kept.
    pub(super) fn kept(&self, now: MonotonicUs, index: u64) -> Option<Media<'_>> {
        self.history.as_ref()?.find(now, index)
    }

    /// Sends a packet to every listener. Padding leaves no gap, and neither does what is muted.
    pub(super) fn fan_out(
        &mut self,
        now: MonotonicUs,
        packet: &Accepted<'_>,
        members: &mut [Option<Member>],
        out: &mut Outbox,
    ) -> Option<()> {
        let media = &packet.media;
        if media.payload.is_empty() || self.muted {
            self.rewriter.skip(packet.epoch, media.index);
            return None;
        }
        // A repaired packet has no place in a stream that begins with it: nothing is missing there.
        if packet.repaired && !self.rewriter.follows(packet.epoch) {
            return None;
        }
        let place = self.rewriter.place(now, packet.epoch, media.index, media.timestamp)?;
        let media = Media { index: place.index, timestamp: place.timestamp, ..*media };
        if !packet.repaired {
            self.latest = Some((place.timestamp, now));
        }
        if let Some(history) = &mut self.history {
            history.keep(now, &media);
        }
        let copied = Copied { now, media, begins: packet.starts_keyframe && !packet.repaired };
        for feed in &mut self.feeds {
            feed.send(&copied, members, out);
        }
        Some(())
    }

    /// What a timestamp of the source `epoch` is in the broadcast, for a sender report that is to be
    /// passed on. `None` if nothing of that source was broadcast, or one was passed on just now.
    pub(super) fn sender_report(
        &mut self,
        now: MonotonicUs,
        epoch: u64,
        timestamp: u32,
    ) -> Option<u32> {
        let offset =
            self.rewriter.timestamp_offset(epoch).filter(|_| self.next_sender_report <= now)?;
        self.next_sender_report = now + SENDER_REPORT_EVERY;
        Some(timestamp.wrapping_add(offset))
    }
}
