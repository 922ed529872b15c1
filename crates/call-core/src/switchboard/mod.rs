//! The whole of signaling as one machine: every input goes through [`Switchboard::handle`].
//!
//! * People are named by their user id. A user has at most one session, and is in at most one call.
//! * A call belongs to its two users, not to their sessions: a page that loads anew finds it.
//! * The end of a call is said to the meter until its bill comes, and the bill is told until its
//!   reader's client has been heard of since.
//! * Whatever waits has an alarm; overdue ones go off before the next input is looked at, so that
//!   the outcome does not depend on whether the wake-up or a late message is handled first.

mod calls;
mod endings;
mod presence;
mod requests;
mod services;
mod sessions;

use crate::alarm::{Alarm, Alarms};
use crate::ask::{Ask, Asks, Purpose};
use crate::call::Call;
use crate::ending::Endings;
use crate::input::Input;
use crate::output::{Frame, Message, Output};
use crate::rules::Rules;
use crate::session::Session;
use crate::unsettled::Unsettled;
use crate::words::{AskId, Prices, Refusal, SocketId};
use std::collections::{BTreeMap, BTreeSet};
use units::{CallId, MonotonicMs, SessionId, ShareBps, UserId};

/// Sessions, presence and calls.
#[derive(Debug)]
pub struct Switchboard {
    rules: Rules,
    sessions: BTreeMap<SessionId, Session>,
    /// Each user's only session.
    people: BTreeMap<UserId, SessionId>,
    /// Open sockets. A socket that is not here is no longer listened to.
    sockets: BTreeMap<SocketId, SessionId>,
    /// Hosts that take calls, and at what prices. Each of them has a session.
    online: BTreeMap<UserId, Prices>,
    /// Hosts' shares, as the meter last said in a quote.
    shares: BTreeMap<UserId, ShareBps>,
    /// Sessions that want to hear of hosts.
    watchers: BTreeSet<SessionId>,
    calls: BTreeMap<CallId, Call>,
    /// Each user's only call.
    engaged: BTreeMap<UserId, CallId>,
    asks: Asks,
    /// Ends that wait for their bills.
    unsettled: Unsettled,
    /// Bills whose people may not have seen them.
    endings: Endings,
    alarms: Alarms,
    /// No call begins any more.
    stopping: bool,
    /// What the input at hand has led to so far.
    outputs: Vec<Output>,
}

impl Switchboard {
    /// A switchboard with nobody there.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            sessions: BTreeMap::new(),
            people: BTreeMap::new(),
            sockets: BTreeMap::new(),
            online: BTreeMap::new(),
            shares: BTreeMap::new(),
            watchers: BTreeSet::new(),
            calls: BTreeMap::new(),
            engaged: BTreeMap::new(),
            asks: Asks::default(),
            unsettled: Unsettled::default(),
            endings: Endings::default(),
            alarms: Alarms::default(),
            stopping: false,
            outputs: Vec::new(),
        }
    }

    /// Numbers questions from here on, so that the answer to a question of an earlier run is
    /// nobody's.
    #[must_use]
    pub fn asking_from(mut self, number: u64) -> Self {
        self.asks.number_from(number);
        self
    }

    /// Applies one input. The only place that changes the switchboard.
    #[must_use = "a dropped output is a lost message"]
    pub fn handle(&mut self, now: MonotonicMs, input: Input) -> Vec<Output> {
        while let Some(alarm) = self.alarms.pop_due(now) {
            match alarm {
                Alarm::Session(session) => self.session_expired(now, session),
                Alarm::Call(call) => self.call_expired(now, call),
                Alarm::Ask(ask) => self.ask_expired(ask),
                Alarm::Unsettled(call) => self.end_again(now, call),
                Alarm::Endings => self.endings_expired(now),
            }
        }
        match input {
            Input::Connected { socket, login, resume, fresh } => {
                self.connected(now, socket, login, resume, fresh);
            }
            Input::Disconnected { socket } => self.disconnected(now, socket),
            Input::Requested { socket, id, request } => self.requested(now, socket, id, request),
            Input::Unreadable { socket, id, refusal, detail } => {
                self.unreadable(now, socket, id, refusal, detail);
            }
            Input::Meter(fact) => self.meter_said(now, fact),
            Input::Relay(fact) => self.relay_said(now, fact),
            Input::StopRequested => self.stop(now),
            Input::WokeUp => {}
        }
        std::mem::take(&mut self.outputs)
    }

    /// When `handle` wants to be called with [`Input::WokeUp`] at the latest.
    #[must_use]
    pub fn next_wake(&self) -> Option<MonotonicMs> {
        self.alarms.next()
    }

    /// How many calls there are, ringing and ending ones included.
    #[must_use]
    pub fn call_count(&self) -> usize {
        self.calls.len()
    }

    /// How many sessions there are, those whose client is away included.
    #[must_use]
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// Whether nothing at all is held: nobody there, nothing waited for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let maps = self.sessions.len() + self.people.len() + self.sockets.len();
        let lists = self.online.len() + self.watchers.len();
        let calls = self.calls.len() + self.engaged.len() + self.unsettled.len();
        maps + lists + calls + self.asks.len() + self.endings.len() + self.alarms.len() == 0
    }

    /// Numbers a message of a session, keeps it for a replay, and sends it if the client is there.
    fn send(&mut self, to: SessionId, re: Option<u64>, message: Message) {
        let Some(session) = self.sessions.get_mut(&to) else { return };
        let frame = session.replay.push(re, message);
        if let Some(socket) = session.socket {
            self.outputs.push(Output::Send { socket, frame });
        }
    }

    /// Sends a message outside of the count: it is not replayed.
    fn send_uncounted(&mut self, socket: SocketId, message: Message) {
        self.outputs.push(Output::Send { socket, frame: Frame { seq: 0, re: None, message } });
    }

    /// Sends an event to a user, if they have a session.
    fn tell(&mut self, user: &UserId, message: Message) {
        if let Some(session) = self.people.get(user).copied() {
            self.send(session, None, message);
        }
    }

    fn refuse(&mut self, session: SessionId, re: u64, refusal: Refusal) {
        self.send(session, Some(re), Message::Refused { refusal, detail: None });
    }

    /// Keeps a request until a neighbour answers; `None`, and refused, if the session has too many
    /// of those already.
    fn open_ask(
        &mut self,
        now: MonotonicMs,
        session: SessionId,
        re: u64,
        purpose: Purpose,
    ) -> Option<AskId> {
        let holder = self.sessions.get_mut(&session)?;
        if holder.asks >= crate::ask::ASKS_PER_SESSION_MAX {
            self.refuse(session, re, Refusal::TooFast);
            return None;
        }
        holder.asks += 1;
        let ask = self.asks.open(Ask { session, re, purpose });
        self.alarms.set(Alarm::Ask(ask), Some(now + self.rules.ask_timeout));
        Some(ask)
    }

    /// Takes an ask whose session is still there.
    fn close_ask(&mut self, id: AskId) -> Option<Ask> {
        let ask = self.asks.close(id)?;
        self.alarms.set(Alarm::Ask(id), None);
        self.sessions.get_mut(&ask.session)?.asks -= 1;
        Some(ask)
    }

    fn ask_expired(&mut self, id: AskId) {
        let Some(ask) = self.close_ask(id) else { return };
        let refusal = match ask.purpose {
            Purpose::Quote(_) | Purpose::Ring { .. } | Purpose::Balance => {
                Refusal::BillingUnavailable
            }
            Purpose::Offer { .. } => Refusal::MediaUnavailable,
        };
        self.refuse(ask.session, ask.re, refusal);
    }
}
