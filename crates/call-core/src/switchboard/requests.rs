//! What clients ask for.

use super::Switchboard;
use crate::ask::Purpose;
use crate::input::{Request, Ring};
use crate::output::{Closing, Message, Output, Question};
use crate::words::{Party, Refusal, Role, SocketId, Terms};
use units::{CallId, Medium, MonotonicMs, SessionId, UserId};

impl Switchboard {
    pub(super) fn requested(
        &mut self,
        now: MonotonicMs,
        socket: SocketId,
        re: u64,
        request: Request,
    ) {
        let Some(id) = self.sockets.get(&socket).copied() else { return };
        let session = self.sessions.get_mut(&id).expect("each open socket has a session");
        if !session.budget.message(now) {
            return self.unreadable(now, socket, Some(re), Refusal::TooFast, None);
        }
        if !session.is_new(re) {
            return;
        }
        if request.is_wide() && !session.budget.wide(now) {
            return self.refuse(id, re, Refusal::TooFast);
        }
        let user = session.login.user.clone();
        self.heard_from(&user);
        let done = match request {
            Request::GoOnline(prices) => self.go_online(id, prices),
            Request::GoOffline => self.go_offline(id),
            Request::WatchHosts => return self.watch_hosts(id, re),
            Request::AskQuote { host, medium } => {
                return self.quote_asked(now, id, re, &host, medium);
            }
            Request::Ring(ring) => return self.rung(now, id, re, ring),
            Request::Cancel(call) => self.cancel(now, &user, call),
            Request::Accept(call) => match self.accept(now, &user, id, re, call) {
                // Answered when the meter has written the call down.
                Ok(()) => return,
                Err(refusal) => Err(refusal),
            },
            Request::Decline(call) => self.decline(now, &user, call),
            Request::HangUp(call) => self.hang_up(now, &user, call),
            Request::OfferMedia { call, sdp } => {
                return self.media_offered(now, &user, id, re, call, sdp);
            }
            Request::ShowMedia { call, audio, video } => {
                self.show_media(now, &user, call, audio, video)
            }
            Request::ShowWallet => {
                if let Some(ask) = self.open_ask(now, id, re, Purpose::Balance) {
                    self.outputs.push(Output::Ask { ask, question: Question::Balance(user) });
                }
                return;
            }
            Request::Ping => return self.send(id, Some(re), Message::Pong),
        };
        match done {
            Ok(()) => self.send(id, Some(re), Message::Ok),
            Err(refusal) => self.refuse(id, re, refusal),
        }
    }

    /// Tells a client that a frame is no good; disconnects one that does not stop.
    pub(super) fn unreadable(
        &mut self,
        now: MonotonicMs,
        socket: SocketId,
        re: Option<u64>,
        refusal: Refusal,
        detail: Option<String>,
    ) {
        let Some(id) = self.sockets.get(&socket).copied() else { return };
        let session = self.sessions.get_mut(&id).expect("each open socket has a session");
        if !session.budget.bad(now) {
            self.outputs.push(Output::Close { socket, why: Closing::Abused });
            return self.disconnected(now, socket);
        }
        let message = Message::Refused { refusal, detail };
        match re.map(|re| (re, session.is_new(re))) {
            Some((re, true)) => self.send(id, Some(re), message),
            Some((_, false)) => {}
            None => self.send_uncounted(socket, message),
        }
        if refusal == Refusal::TooLarge {
            self.outputs.push(Output::Close { socket, why: Closing::TooLarge });
            self.disconnected(now, socket);
        }
    }

    fn quote_asked(
        &mut self,
        now: MonotonicMs,
        id: SessionId,
        re: u64,
        host: &UserId,
        medium: Medium,
    ) {
        match self.terms(id, host, medium) {
            Ok(terms) => {
                let purpose = Purpose::Quote(terms.clone());
                if let Some(ask) = self.open_ask(now, id, re, purpose) {
                    self.outputs.push(Output::Ask { ask, question: Question::Quote(terms) });
                }
            }
            Err(refusal) => self.refuse(id, re, refusal),
        }
    }

    fn rung(&mut self, now: MonotonicMs, id: SessionId, re: u64, ring: Ring) {
        match self.ringable(id, &ring) {
            Ok(terms) => {
                let purpose = Purpose::Ring { ring, rates: terms.rates };
                if let Some(ask) = self.open_ask(now, id, re, purpose) {
                    self.outputs.push(Output::Ask { ask, question: Question::Quote(terms) });
                }
            }
            Err(refusal) => self.refuse(id, re, refusal),
        }
    }

    /// At what price this session's user could call this host now.
    fn terms(&self, id: SessionId, host: &UserId, medium: Medium) -> Result<Terms, Refusal> {
        let caller = &self.sessions.get(&id).ok_or(Refusal::Forbidden)?.login;
        if caller.user == *host {
            return Err(Refusal::CallSelf);
        }
        if caller.role != Role::Fan {
            return Err(Refusal::Forbidden);
        }
        let prices = self.online.get(host).ok_or(Refusal::HostOffline)?;
        let rates = prices.of_call(medium).ok_or(Refusal::HostNotOffering)?;
        Ok(Terms { fan: caller.user.clone(), host: host.clone(), medium, rates })
    }

    /// Whether nothing but funds stands in the way of a call, and at what price.
    pub(super) fn ringable(&self, id: SessionId, ring: &Ring) -> Result<Terms, Refusal> {
        if self.stopping {
            return Err(Refusal::Draining);
        }
        let terms = self.terms(id, &ring.host, ring.medium)?;
        if self.engaged.contains_key(&terms.fan) {
            return Err(Refusal::CallAlready);
        }
        if self.engaged.contains_key(&terms.host) {
            return Err(Refusal::CallBusy);
        }
        if ring.at_most.is_some_and(|at_most| terms.rate() > at_most) {
            return Err(Refusal::PriceChanged);
        }
        Ok(terms)
    }

    fn media_offered(
        &mut self,
        now: MonotonicMs,
        user: &UserId,
        id: SessionId,
        re: u64,
        call: CallId,
        offer: String,
    ) {
        let admitted = self.their_call(user, call).and_then(|(party, held)| {
            if held.carries_media() { Ok(party) } else { Err(Refusal::CallWrongState) }
        });
        let party: Party = match admitted {
            Ok(party) => party,
            Err(refusal) => return self.refuse(id, re, refusal),
        };
        if let Some(ask) = self.open_ask(now, id, re, Purpose::Offer { call }) {
            self.outputs.push(Output::Admit { call, party, ask, offer });
        }
    }
}
