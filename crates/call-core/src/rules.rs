//! What an operator may set: waiting times and price bands.

use crate::words::Prices;
use units::{ElapsedMs, Medium, Rate, ShareBps};

/// The prices allowed for one medium, ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriceBand {
    pub min: Rate,
    pub max: Rate,
}

impl PriceBand {
    fn holds(&self, rate: Rate) -> bool {
        (self.min..=self.max).contains(&rate)
    }
}

/// The band of each medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriceBands {
    pub voice: PriceBand,
    pub video: PriceBand,
}

impl PriceBands {
    /// Whether something is for sale and each price lies in its band.
    #[must_use]
    pub fn allow(&self, prices: &Prices) -> bool {
        let band = |medium| match medium {
            Medium::Voice => self.voice,
            Medium::Video => self.video,
        };
        let offered = |medium| prices.of(medium).map(|rate| band(medium).holds(rate));
        let mut verdicts = Medium::ALL.into_iter().filter_map(offered).peekable();
        verdicts.peek().is_some() && verdicts.all(|allowed| allowed)
    }
}

/// The switchboard's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    pub bands: PriceBands,
    /// A host's part of each coin, until the meter has said so itself in a quote.
    pub host_share: ShareBps,
    /// How long a host's client rings. Longer keeps the fan waiting and both of them engaged;
    /// shorter misses hosts whose phone is in another room.
    pub ring_timeout: ElapsedMs,
    /// How long a session waits for its client to come back. Longer keeps the other side before a
    /// dead screen; shorter ends calls that a tunnel or a lift interrupts.
    pub grace: ElapsedMs,
    /// From accepting to the first proven media. Longer keeps both before a black screen; shorter
    /// cuts off slow networks, on which ICE and DTLS take many seconds.
    pub connect_timeout: ElapsedMs,
    /// How long a client that lost its media but not its socket has to connect it anew.
    pub media_grace: ElapsedMs,
    /// How long people wait for the meter's receipt. It waits up to 5 s for the relay's last
    /// report itself, so less than that would lose receipts that are on their way.
    pub settle_timeout: ElapsedMs,
    /// How long a request waits for the meter's or the relay's answer.
    pub ask_timeout: ElapsedMs,
}
