//! The auditor's own arithmetic: what media costs, walked through piece by piece.
//!
//! Shares no code with the meter. Where the meter sums products and divides once, this walks
//! through the media in whole milliseconds and carries a fraction of a micro-coin along.

use billing_core::{Change, Proven, Tariff};

/// The bill in micro-coins for `proven` under `tariff` and its changes.
///
/// Time with picture and time without are laid out per stretch of equal prices: within a stretch
/// the picture's time comes first, since that is what free time pays for first.
#[must_use]
pub(crate) fn bill(tariff: &Tariff, changes: &[Change], proven: Proven) -> u64 {
    let mut bounds = vec![(0, 0, tariff.rates)];
    bounds.extend(changes.iter().map(|c| (c.from.media.0, c.from.video.0, c.rates)));
    let mut free = tariff.free.0;
    let (mut micro, mut sixty_thousandths) = (0_u64, 0_u64);
    let mut add = |rate: u64, ms: u64| {
        for chunk in [ms / 1_000_000 * 1_000_000, ms % 1_000_000] {
            let product = u128::from(rate) * u128::from(chunk) + u128::from(sixty_thousandths);
            micro += u64::try_from(product / 60_000).expect("a bill");
            sixty_thousandths = u64::try_from(product % 60_000).expect("a remainder");
        }
    };
    let (mut charged, mut last) = (0_u64, tariff.rates);
    for (place, (from_media, from_video, rates)) in bounds.iter().enumerate() {
        // A change that is ahead prices nothing yet.
        if place > 0 && proven.media.0 <= *from_media {
            break;
        }
        let end = bounds.get(place + 1);
        let to_media = end.map_or(proven.media.0, |(media, ..)| proven.media.0.min(*media));
        let to_video = end.map_or(proven.video.0, |(_, video, _)| proven.video.0.min(*video));
        let media = to_media.saturating_sub(*from_media);
        let video = to_video.saturating_sub(*from_video).min(media);
        // Without picture never costs more than with it.
        let voice = rates.voice.min(rates.video);
        for (rate, ms) in [(rates.video, video), (voice, media - video)] {
            let given = ms.min(free);
            free -= given;
            add(rate.micro_per_minute(), ms - given);
            charged += ms - given;
        }
        last = *rates;
    }
    if charged > 0 {
        let mut whole = charged.max(tariff.minimum.0);
        if tariff.pulse.0 > 1 && whole % tariff.pulse.0 > 0 {
            whole += tariff.pulse.0 - whole % tariff.pulse.0;
        }
        add(last.voice.min(last.video).micro_per_minute(), whole - charged);
        micro += tariff.connect_fee.micro();
    }
    micro
}

/// A host's part of one kind of coin, rounded down.
#[must_use]
pub(crate) fn part(micro: u64, bps: u16) -> u64 {
    let (whole, rest) = (micro / 10_000, micro % 10_000);
    whole * u64::from(bps) + rest * u64::from(bps) / 10_000
}
