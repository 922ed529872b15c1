//! A call's tariff with its changes, and what media costs under it (BILLING.md, rule 1).
//!
//! The charge is a pure, monotone function of the cumulative media time: one exact numerator over
//! all segments, divided once. A change adds a segment and never re-prices the past.

use crate::tariff::MS_PER_MINUTE;
use crate::{CALL_MS_MAX, Proven, Tariff};
use serde::{Deserialize, Serialize};
use units::{ElapsedMs, MicroCoins, Rates};

/// New prices from some media time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Counts the changes of a call from 1; names the change, so that it is made once.
    pub n: u32,
    /// The media time from which the new prices hold: the end of the pulse that was paid for.
    pub from: Proven,
    pub rates: Rates,
}

/// What a call is sold at, from its start to now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// As locked when the call was opened.
    pub tariff: Tariff,
    /// In order of `n`; their `from` never falls.
    pub changes: Vec<Change>,
}

/// Media time within one segment, and its prices.
struct Segment {
    rates: Rates,
    voice_ms: u64,
    video_ms: u64,
}

impl Plan {
    /// A tariff without changes.
    #[must_use]
    pub const fn new(tariff: Tariff) -> Self {
        Self { tariff, changes: Vec::new() }
    }

    /// The cumulative charge for `proven`, rounded down.
    ///
    /// Monotone: more media never costs less. At most [`MicroCoins::MAX`].
    #[must_use]
    pub fn charge(&self, proven: Proven) -> MicroCoins {
        let proven = proven.bounded();
        let mut free_ms = self.tariff.free.0;
        let (mut numerator, mut charged_ms, mut rates) = (0_u128, 0_u64, self.tariff.rates);
        for segment in self.segments(proven) {
            let free_video = segment.video_ms.min(free_ms);
            free_ms -= free_video;
            let free_voice = segment.voice_ms.min(free_ms);
            free_ms -= free_voice;
            let (video, voice) = (segment.video_ms - free_video, segment.voice_ms - free_voice);
            numerator += cost(segment.rates.video.micro_per_minute(), video)
                + cost(segment.rates.voice.micro_per_minute(), voice);
            charged_ms += video + voice;
            rates = segment.rates;
        }
        if charged_ms > 0 {
            let paid_for = self.tariff.charged_time(ElapsedMs(charged_ms)).0;
            numerator += cost(rates.lowest().micro_per_minute(), paid_for - charged_ms)
                + u128::from(self.tariff.connect_fee.micro()) * MS_PER_MINUTE;
        }
        u64::try_from(numerator / MS_PER_MINUTE)
            .ok()
            .and_then(|micro| MicroCoins::new(micro).ok())
            .unwrap_or(MicroCoins::MAX)
    }

    /// The media time at which the charge reaches `coins` in all (BILLING.md, rule 11), if the call
    /// goes on from `proven` with or without picture: the least at which it does, and never less
    /// than the free time. [`CALL_MS_MAX`] where it never does.
    #[must_use]
    pub fn funded(&self, proven: Proven, picture: bool, coins: MicroCoins) -> ElapsedMs {
        let proven = proven.bounded();
        let after = |more: u64| {
            let more = ElapsedMs(more);
            let video = if picture { proven.video + more } else { proven.video };
            Proven { media: proven.media + more, video }
        };
        let (mut low, mut high) = (0, CALL_MS_MAX.0 - proven.media.0);
        if self.charge(after(high)) < coins {
            return CALL_MS_MAX;
        }
        while low < high {
            let middle = low.midpoint(high);
            if self.charge(after(middle)) >= coins { high = middle } else { low = middle + 1 }
        }
        (proven.media + ElapsedMs(high)).max(self.tariff.free).min(CALL_MS_MAX)
    }

    /// The prices now.
    #[must_use]
    pub fn rates(&self) -> Rates {
        self.changes.last().map_or(self.tariff.rates, |change| change.rates)
    }

    /// Where a change that is made at `proven` takes effect: what is paid for is used up first.
    #[must_use]
    pub fn change_from(&self, proven: Proven) -> Proven {
        let proven = proven.bounded();
        let charged = proven.media.saturating_sub(self.tariff.free);
        let ahead = self.tariff.charged_time(charged).saturating_sub(charged);
        Proven { media: proven.media + ahead, ..proven }
    }

    fn segments(&self, proven: Proven) -> impl Iterator<Item = Segment> {
        let starts = std::iter::once((Proven::ZERO, self.tariff.rates))
            .chain(self.changes.iter().map(|change| (change.from, change.rates)));
        let ends = self.changes.iter().map(|change| change.from).chain([proven]);
        starts.zip(ends).map(move |((start, rates), end)| {
            let media = end.media.min(proven.media).saturating_sub(start.media).0;
            let video = end.video.min(proven.video).saturating_sub(start.video).0.min(media);
            Segment { rates, voice_ms: media - video, video_ms: video }
        })
    }
}

fn cost(micro_per_minute: u64, ms: u64) -> u128 {
    u128::from(micro_per_minute) * u128::from(ms)
}
