//! Fans and hosts: what they do next, and what they remember.

use crate::Chance;
use call_core::{
    CallState, CallView, Frame, Login, Message, Prices, Request, Ring, Role, SocketId,
};
use std::collections::BTreeSet;
use units::{CallId, Medium, MicroCoins, Rate, SessionId, UserId};

/// Something that a person does at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Connect,
    /// The socket breaks; the client comes back.
    LoseSocket,
    Ring,
    Accept(CallId),
    Decline(CallId),
    OfferMedia(CallId),
    HangUp(CallId),
}

/// A person and their client.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) user: UserId,
    pub(crate) role: Role,
    pub(crate) socket: Option<SocketId>,
    pub(crate) session: Option<SessionId>,
    /// The highest frame number that was read.
    pub(crate) seen: u64,
    next_request: u64,
    offered: BTreeSet<CallId>,
    accepted: BTreeSet<CallId>,
    hanging_up: BTreeSet<CallId>,
}

impl Person {
    pub(crate) fn new(user: UserId, role: Role) -> Self {
        Self {
            user,
            role,
            socket: None,
            session: None,
            seen: 0,
            next_request: 0,
            offered: BTreeSet::new(),
            accepted: BTreeSet::new(),
            hanging_up: BTreeSet::new(),
        }
    }

    pub(crate) fn login(&self) -> Login {
        Login { user: self.user.clone(), name: self.user.to_string(), role: self.role }
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.next_request += 1;
        self.next_request
    }

    /// A new session counts requests from the beginning.
    pub(crate) fn starts_anew(&mut self) {
        (self.seen, self.next_request) = (0, 0);
        self.offered.clear();
    }

    /// Reads a frame; says what to do about it, and after how many milliseconds.
    #[expect(clippy::wildcard_enum_match_arm, reason = "people act on few of the many messages")]
    pub(crate) fn read(&mut self, frame: &Frame, chance: &Chance) -> Vec<(u64, Act)> {
        self.seen = self.seen.max(frame.seq);
        match &frame.message {
            Message::Welcome(welcome) => {
                welcome.call.as_ref().map_or_else(Vec::new, |view| self.see(view, chance))
            }
            Message::Call(view) => self.see(view, chance),
            Message::CallIncoming(view) => {
                if !self.accepted.insert(view.call) {
                    return Vec::new();
                }
                let act = if chance.one_in(12) { Act::Decline } else { Act::Accept };
                vec![(chance.between(50, 2_000), act(view.call))]
            }
            // Whatever else people are told changes nothing that they do.
            _ => Vec::new(),
        }
    }

    fn see(&mut self, view: &CallView, chance: &Chance) -> Vec<(u64, Act)> {
        let mut acts = Vec::new();
        let media = matches!(view.state, CallState::Connecting | CallState::Live);
        if media && self.offered.insert(view.call) {
            acts.push((chance.between(10, 600), Act::OfferMedia(view.call)));
        }
        if view.state == CallState::Live && self.hanging_up.insert(view.call) {
            // Now and then a host hangs up before the fan does.
            let patience = if self.role == Role::Fan { 40_000 } else { 160_000 };
            acts.push((chance.between(100, patience), Act::HangUp(view.call)));
        }
        acts
    }
}

/// What a host asks for.
pub(crate) fn prices(chance: &Chance) -> Prices {
    let rate = |low, high| Rate::per_minute(chance.between(low, high) * 10_007).ok();
    let voice = rate(1, 1_500);
    Prices { voice, video: if chance.one_in(3) { None } else { rate(1_000, 2_500) } }
}

/// A fan's wish for a call.
pub(crate) fn ring(chance: &Chance, host: UserId) -> Request {
    let medium = if chance.one_in(2) { Medium::Voice } else { Medium::Video };
    let fresh = CallId(chance.id());
    Request::Ring(Ring { fresh, host, medium, at_most: None })
}

/// Coins for a wallet: from nearly nothing to enough.
pub(crate) fn amount(chance: &Chance) -> MicroCoins {
    let micro = match chance.between(0, 3) {
        0 => chance.between(1, 300_000),
        1 => chance.between(100_000, 3_000_000),
        _ => chance.between(1_000_000, 30_000_000),
    };
    MicroCoins::new(micro).expect("a small amount")
}
