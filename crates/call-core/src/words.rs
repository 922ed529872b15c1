//! The small words that inputs, outputs and the machine share.

use units::{ElapsedMs, Medium, Rate, Rates, UserId};

/// One socket of one client, numbered by the shell; a number is never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub u64);

/// Proven media time of a call, as its people were told: cumulative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    pub media: ElapsedMs,
    /// Of it, with picture.
    pub video: ElapsedMs,
}

impl Proof {
    pub(crate) fn merge(self, other: Self) -> Self {
        Self { media: self.media.max(other.media), video: self.video.max(other.video) }
    }
}

/// One question to a neighbouring service; its answer carries the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId(pub u64);

/// What a user's token lets them be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Calls and pays.
    Fan,
    /// Is called and earns.
    Host,
}

/// A side of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// Who rang and pays.
    Fan,
    /// Who was rung and earns.
    Host,
}

impl Party {
    /// Both sides, for loops.
    pub const BOTH: [Self; 2] = [Self::Fan, Self::Host];

    /// The other side.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Fan => Self::Host,
            Self::Host => Self::Fan,
        }
    }
}

/// A host's price per medium; an absent medium is not for sale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    pub voice: Option<Rate>,
    pub video: Option<Rate>,
}

impl Prices {
    /// The price of `medium`, if it is for sale.
    #[must_use]
    pub const fn of(&self, medium: Medium) -> Option<Rate> {
        match medium {
            Medium::Voice => self.voice,
            Medium::Video => self.video,
        }
    }

    /// The prices of a call in `medium`, if that is for sale: while the camera of a video call is
    /// off, the price of voice holds, or the same where voice is not for sale.
    #[must_use]
    pub fn of_call(&self, medium: Medium) -> Option<Rates> {
        let rate = self.of(medium)?;
        Some(match medium {
            Medium::Voice => Rates::flat(rate),
            Medium::Video => Rates { voice: self.voice.unwrap_or(rate), video: rate },
        })
    }
}

/// What a call is sold at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    pub fan: UserId,
    pub host: UserId,
    pub medium: Medium,
    pub rates: Rates,
}

impl Terms {
    /// The price of the medium that was chosen.
    #[must_use]
    pub const fn rate(&self) -> Rate {
        match self.medium {
            Medium::Voice => self.rates.voice,
            Medium::Video => self.rates.video,
        }
    }
}

/// Why a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EndReason {
    /// The fan stopped ringing.
    Cancelled,
    /// The host said no.
    Declined,
    /// Nobody answered in time.
    Unanswered,
    HungUpByFan,
    HungUpByHost,
    /// The fan's balance is spent.
    FundsExhausted,
    /// The fan's client went away and did not come back in time.
    FanLost,
    /// The host's client went away and did not come back in time.
    HostLost,
    /// Media never came up.
    NotConnected,
    /// The server stopped in the middle.
    Interrupted,
    /// The fan's client confirmed nothing while media went out.
    Unconfirmed,
}

impl EndReason {
    /// `party` hung up.
    pub(crate) const fn hung_up_by(party: Party) -> Self {
        match party {
            Party::Fan => Self::HungUpByFan,
            Party::Host => Self::HungUpByHost,
        }
    }

    /// `party` went away.
    pub(crate) const fn lost(party: Party) -> Self {
        match party {
            Party::Fan => Self::FanLost,
            Party::Host => Self::HostLost,
        }
    }
}

/// Why a request was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// The role does not allow it.
    Forbidden,
    /// The frame can't be read.
    Malformed,
    /// The message's type is not known.
    UnknownType,
    /// The frame is too large.
    TooLarge,
    /// Too many messages, or too many unanswered ones.
    TooFast,
    HostOffline,
    /// The host does not sell this medium.
    HostNotOffering,
    /// Outside the operator's [`PriceBands`](crate::PriceBands).
    PriceOutOfBand,
    /// The price is not the one the fan agreed to.
    PriceChanged,
    CallSelf,
    /// The host is in another call.
    CallBusy,
    /// The caller is in another call.
    CallAlready,
    /// There is no such call, or it is somebody else's.
    CallUnknown,
    CallWrongState,
    /// The balance is below the minimum.
    NoFunds,
    /// The meter can't answer.
    BillingUnavailable,
    /// The offer lacks something.
    MediaUnsupported,
    /// The relay can't answer.
    MediaUnavailable,
    /// The server is stopping.
    Draining,
}
