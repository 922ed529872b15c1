//! A call's tariff with its changes, and what media costs under it (BILLING.md, rules 1 and 30 to
//! 34).
//!
//! The charge is a pure, monotone function of the cumulative media time: one exact numerator over
//! all segments, divided once. A change adds a segment and never re-prices the past.

use crate::tariff::MS_PER_MINUTE;
use crate::{CALL_MS_MAX, Proven, Tariff};
use serde::{Deserialize, Serialize};
use units::{ElapsedMs, MicroCoins, Rate, Rates};

/// New prices from some media time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Counts the changes of a call from 1; names the change, so that it is made once.
    pub n: u32,
    /// The media time from which the new prices hold: the end of the pulse that was paid for; and
    /// the most of it that can have had picture.
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

/// What media costs by the exact millisecond, before pulse and minimum.
#[derive(Default)]
struct Exact {
    /// Micro-coins times [`MS_PER_MINUTE`]: no rounding yet. With the connect fee, once due.
    numerator: u128,
    /// Time beyond the free time.
    charged_ms: u64,
    /// The lower price where the media has got to.
    lowest: Rate,
}

impl Plan {
    /// A tariff without changes.
    #[must_use]
    pub const fn new(tariff: Tariff) -> Self {
        Self { tariff, changes: Vec::new() }
    }

    /// The cumulative charge for `proven`, rounded down.
    ///
    /// Monotone: more media never costs less, nor does more of it with picture, as long as no more
    /// picture is proven up to a change than [`Change::from`] foresaw. At most
    /// [`MicroCoins::MAX`].
    #[must_use]
    pub fn charge(&self, proven: Proven) -> MicroCoins {
        let Exact { numerator, charged_ms, lowest } = self.exact(proven);
        let charged = ElapsedMs(charged_ms);
        let ahead = self.tariff.charged_time(charged).saturating_sub(charged);
        whole_micro(numerator + cost(lowest, ahead.0))
    }

    /// The media time that `coins` pay for in all (BILLING.md, rule 11), if the call goes on from
    /// `proven` with or without picture: the least at which its exact price reaches them, and
    /// never less than the free time. [`CALL_MS_MAX`] where it never passes them.
    ///
    /// Pulse and minimum are left out: whoever pays for a pulse gets all of it, and one that the
    /// funds pay in part is given in part. The charge is never below the exact price, so that the
    /// clamp leaves exactly 0 at that time.
    #[must_use]
    pub fn funded(&self, proven: Proven, picture: bool, coins: MicroCoins) -> ElapsedMs {
        let proven = proven.bounded();
        let limit = u128::from(coins.micro()) * MS_PER_MINUTE;
        let more_max = CALL_MS_MAX.0 - proven.media.0;
        if self.exact(later(proven, picture, more_max)).numerator <= limit {
            return CALL_MS_MAX;
        }
        let more = if self.changes.is_empty() {
            self.more_until(proven, picture, limit)
        } else {
            self.more_searched(proven, picture, limit)
        };
        ElapsedMs(proven.media.0 + more).max(self.tariff.free).min(CALL_MS_MAX)
    }

    /// The least further time at which the exact price reaches `limit`, where it does: by halving,
    /// which holds for every plan.
    fn more_searched(&self, proven: Proven, picture: bool, limit: u128) -> u64 {
        let (mut low, mut high) = (0, CALL_MS_MAX.0 - proven.media.0);
        while low < high {
            let middle = low.midpoint(high);
            let reached = self.exact(later(proven, picture, middle)).numerator >= limit;
            if reached { high = middle } else { low = middle + 1 }
        }
        high
    }

    /// The same in one step, for a plan without changes: thirty times as fast.
    fn more_until(&self, proven: Proven, picture: bool, limit: u128) -> u64 {
        let (media, video) = (u128::from(proven.media.0), u128::from(proven.video.0));
        let free = u128::from(self.tariff.free.0);
        let prices = falling(self.tariff.rates);
        let [voice_rate, video_rate] =
            [prices.voice, prices.video].map(|rate| u128::from(rate.micro_per_minute()));
        let fee = fee_numerator(&self.tariff);
        if limit <= fee {
            // The fee alone takes everything, at the first charged millisecond.
            let charged_from = if limit == 0 { free } else { free + 1 };
            return saturating_u64(charged_from.saturating_sub(media));
        }
        let (time, voice) = (limit - fee, media - video);
        let until = if picture {
            // Free time that is left pays for the picture to come; what voice it paid for until
            // then is charged in its place.
            let voice_cost = voice_rate * voice;
            if time <= voice_cost {
                (time.div_ceil(voice_rate) + free).saturating_sub(media)
            } else {
                ((time - voice_cost).div_ceil(video_rate) + free).saturating_sub(video)
            }
        } else {
            let video_cost = video_rate * video.saturating_sub(free);
            let rest = time.saturating_sub(video_cost);
            if rest == 0 {
                0
            } else {
                (rest.div_ceil(voice_rate) + free.max(video)).saturating_sub(media)
            }
        };
        saturating_u64(until)
    }

    /// The prices now.
    #[must_use]
    pub fn rates(&self) -> Rates {
        self.changes.last().map_or(self.tariff.rates, |change| change.rates)
    }

    /// Where a change takes effect that is made when `carried` has flowed: what is paid for is used
    /// up first.
    ///
    /// `carried` should be what the relay has sent on, proven or not: media that is under way keeps
    /// the price at which it was sent. Until then there may be picture all the time, so that much
    /// is kept at the old price for it: with less, the charge could fall when the change takes
    /// effect.
    #[must_use]
    pub fn change_from(&self, carried: Proven) -> Proven {
        let carried = carried.bounded();
        let charged = carried.media.saturating_sub(self.tariff.free);
        let ahead = self.tariff.charged_time(charged).saturating_sub(charged).min(CALL_MS_MAX);
        let last = self.changes.last().map_or(Proven::ZERO, |change| change.from);
        later(carried, true, ahead.0).merge(last)
    }

    /// The exact price of `proven` in micro-coins times 60,000: what differences are taken of, so
    /// that only their sum is rounded. Pulse and minimum are left out.
    pub(crate) fn exact_numerator(&self, proven: Proven) -> u128 {
        self.exact(proven).numerator
    }

    fn exact(&self, proven: Proven) -> Exact {
        let proven = proven.bounded();
        let mut free_ms = self.tariff.free.0;
        let mut exact = Exact::default();
        for Segment { rates, voice_ms, video_ms } in self.segments(proven) {
            let free_video = video_ms.min(free_ms);
            free_ms -= free_video;
            let free_voice = voice_ms.min(free_ms);
            free_ms -= free_voice;
            let (video, voice) = (video_ms - free_video, voice_ms - free_voice);
            exact.numerator += cost(rates.video, video) + cost(rates.voice, voice);
            exact.charged_ms += video + voice;
            exact.lowest = rates.voice;
        }
        if exact.charged_ms > 0 {
            exact.numerator += fee_numerator(&self.tariff);
        }
        exact
    }

    /// The segments that `proven` has reached. A change that is still ahead prices nothing.
    fn segments(&self, proven: Proven) -> impl Iterator<Item = Segment> {
        let reached =
            self.changes.iter().take_while(move |change| change.from.media < proven.media);
        let starts = std::iter::once((Proven::ZERO, self.tariff.rates))
            .chain(reached.clone().map(|change| (change.from, change.rates)));
        let ends = reached.map(|change| change.from).chain([proven]);
        starts.zip(ends).map(move |((start, rates), end)| {
            let media = end.media.saturating_sub(start.media).0;
            let video = end.video.min(proven.video).saturating_sub(start.video).0.min(media);
            Segment { rates: falling(rates), voice_ms: media - video, video_ms: video }
        })
    }
}

/// `proven`, and `more` after it.
fn later(proven: Proven, picture: bool, more: u64) -> Proven {
    let more = ElapsedMs(more);
    let video = if picture { proven.video + more } else { proven.video };
    Proven { media: proven.media + more, video }
}

/// A camera that goes off never makes a call dearer: voice costs at most what picture does.
fn falling(rates: Rates) -> Rates {
    Rates { voice: rates.lowest(), video: rates.video }
}

fn cost(rate: Rate, ms: u64) -> u128 {
    u128::from(rate.micro_per_minute()) * u128::from(ms)
}

fn fee_numerator(tariff: &Tariff) -> u128 {
    u128::from(tariff.connect_fee.micro()) * MS_PER_MINUTE
}

/// Micro-coins of a sum times 60,000, rounded down; at most [`MicroCoins::MAX`].
pub(crate) fn whole_micro(numerator: u128) -> MicroCoins {
    u64::try_from(numerator / MS_PER_MINUTE)
        .ok()
        .and_then(|micro| MicroCoins::new(micro).ok())
        .unwrap_or(MicroCoins::MAX)
}

fn saturating_u64(ms: u128) -> u64 {
    u64::try_from(ms).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
