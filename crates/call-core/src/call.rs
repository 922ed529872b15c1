//! One call: its sides, its state, and when it gives up waiting.

use crate::input::Login;
use crate::output::CallState;
use crate::words::{EndReason, Party, Proof, Terms};
use units::{Medium, MicroCoins, MonotonicMs, SessionId, ShareBps, UserId};

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The host's client rings.
    Ringing { ends_at: MonotonicMs },
    /// Accepted by this request; the meter writes it down. To its people it still rings.
    Opening { session: SessionId, re: u64, ends_at: MonotonicMs },
    /// Both sides connect media.
    Connecting { ends_at: MonotonicMs },
    /// The host's media has reached the fan.
    Live,
    /// Media is closed; the meter settles.
    Ending { reason: EndReason, ends_at: MonotonicMs },
}

/// Whether a side's media connection is up, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MediaLink {
    /// Never lost: up, or coming up for the first time.
    Kept,
    /// Lost, while the client can be told to connect it anew until then.
    LostUntil(MonotonicMs),
    /// Lost, and the client is away: its session's grace decides.
    LostAway,
}

/// A side of a call.
#[derive(Clone, Debug)]
pub(crate) struct Side {
    pub(crate) user: UserId,
    pub(crate) name: String,
    /// What they say they send.
    pub(crate) audio: bool,
    pub(crate) video: bool,
    pub(crate) media: MediaLink,
}

impl Side {
    pub(crate) fn new(login: &Login, medium: Medium) -> Self {
        Self {
            user: login.user.clone(),
            name: login.name.clone(),
            audio: true,
            video: medium == Medium::Video,
            media: MediaLink::Kept,
        }
    }
}

/// A call from the first ring until its end is told.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) terms: Terms,
    pub(crate) host_share: ShareBps,
    pub(crate) fan: Side,
    pub(crate) host: Side,
    pub(crate) phase: Phase,
    /// What its people were told last.
    pub(crate) proof: Proof,
    pub(crate) charged: MicroCoins,
}

impl Call {
    pub(crate) fn side(&self, party: Party) -> &Side {
        match party {
            Party::Fan => &self.fan,
            Party::Host => &self.host,
        }
    }

    pub(crate) fn side_mut(&mut self, party: Party) -> &mut Side {
        match party {
            Party::Fan => &mut self.fan,
            Party::Host => &mut self.host,
        }
    }

    /// Which side `user` is, if any.
    pub(crate) fn party(&self, user: &UserId) -> Option<Party> {
        Party::BOTH.into_iter().find(|party| self.side(*party).user == *user)
    }

    /// The state as its people see it.
    pub(crate) fn state(&self) -> CallState {
        match self.phase {
            Phase::Ringing { .. } | Phase::Opening { .. } => CallState::Ringing,
            Phase::Connecting { .. } => CallState::Connecting,
            Phase::Live => CallState::Live,
            Phase::Ending { .. } => CallState::Ending,
        }
    }

    /// Whether the relay holds a room in which media may flow.
    pub(crate) fn carries_media(&self) -> bool {
        match self.phase {
            Phase::Connecting { .. } | Phase::Live => true,
            Phase::Ringing { .. } | Phase::Opening { .. } | Phase::Ending { .. } => false,
        }
    }

    /// The side whose media was lost and has not come back by `now`.
    pub(crate) fn lost_side(&self, now: MonotonicMs) -> Option<Party> {
        let due = |party: &Party| self.media_deadline(*party).is_some_and(|at| at <= now);
        Party::BOTH.into_iter().find(due)
    }

    /// When the call stops waiting for whatever it waits for.
    pub(crate) fn deadline(&self) -> Option<MonotonicMs> {
        let phase = match self.phase {
            Phase::Ringing { ends_at }
            | Phase::Opening { ends_at, .. }
            | Phase::Connecting { ends_at }
            | Phase::Ending { ends_at, .. } => Some(ends_at),
            Phase::Live => None,
        };
        let media = Party::BOTH.into_iter().filter_map(|party| self.media_deadline(party));
        phase.into_iter().chain(media).min()
    }

    fn media_deadline(&self, party: Party) -> Option<MonotonicMs> {
        match self.side(party).media {
            MediaLink::LostUntil(at) if self.carries_media() => Some(at),
            MediaLink::LostUntil(_) | MediaLink::LostAway | MediaLink::Kept => None,
        }
    }
}
