//! Clients that come, go, come back, and come twice.

use super::Switchboard;
use crate::alarm::Alarm;
use crate::call::MediaLink;
use crate::input::{Login, Resume};
use crate::output::{Closing, Message, Output, Welcome};
use crate::session::Session;
use crate::words::SocketId;
use units::{MonotonicMs, SessionId, UserId};

impl Switchboard {
    pub(super) fn connected(
        &mut self,
        now: MonotonicMs,
        socket: SocketId,
        login: Login,
        resume: Option<Resume>,
        fresh: SessionId,
    ) {
        let was_there = self.is_there(&login.user);
        let missed = resume.and_then(|wanted| {
            let session = self.sessions.get(&wanted.session)?;
            let same = session.login.user == login.user && session.login.role == login.role;
            let missed = if same { session.replay.after(wanted.after) } else { None };
            missed.map(|frames| (wanted.session, frames))
        });
        match missed {
            Some((session, frames)) => {
                self.attach(session, socket);
                self.welcome(now, session, socket, true);
                let resend = |frame| Output::Send { socket, frame };
                self.outputs.extend(frames.into_iter().map(resend));
            }
            None => {
                let wanted = resume.map(|wanted| wanted.session);
                if wanted.is_some_and(|wanted| self.was_replaced(wanted, &login.user)) {
                    self.send_uncounted(socket, Message::SessionReplaced);
                    self.outputs.push(Output::Close { socket, why: Closing::Replaced });
                    return;
                }
                self.replace(&login.user);
                self.people.insert(login.user.clone(), fresh);
                self.sessions.insert(fresh, Session::new(now, login.clone(), socket, wanted));
                self.sockets.insert(socket, fresh);
                self.welcome(now, fresh, socket, false);
                self.tell_missed_endings(&login.user);
            }
        }
        self.client_returned(now, &login.user, was_there);
    }

    /// Whether the user has logged in elsewhere since that session: a client that was away then and
    /// comes back by itself must not take the call from where the user is now.
    fn was_replaced(&self, wanted: SessionId, user: &UserId) -> bool {
        let Some(current) = self.people.get(user) else { return false };
        let successor = self.sessions.get(current).and_then(|session| session.instead_of);
        *current != wanted && successor != Some(wanted)
    }

    /// Moves a session to a new socket.
    fn attach(&mut self, id: SessionId, socket: SocketId) {
        let session = self.sessions.get_mut(&id).expect("the caller has just seen it");
        if let Some(old) = session.socket.replace(socket) {
            self.sockets.remove(&old);
            self.outputs.push(Output::Close { socket: old, why: Closing::Moved });
        }
        self.sockets.insert(socket, id);
        self.alarms.set(Alarm::Session(id), None);
    }

    /// Ends a user's session in favour of a newer one. Their call goes on.
    fn replace(&mut self, user: &UserId) {
        let Some(old) = self.people.get(user).copied() else { return };
        self.tell(user, Message::SessionReplaced);
        if let Some(socket) = self.sessions.get(&old).and_then(|session| session.socket) {
            self.outputs.push(Output::Close { socket, why: Closing::Replaced });
        }
        self.forget(old);
    }

    fn welcome(&mut self, now: MonotonicMs, id: SessionId, socket: SocketId, resumed: bool) {
        let login = &self.sessions.get(&id).expect("the caller has just made it").login;
        let welcome = Welcome {
            session: id,
            user: login.user.clone(),
            name: login.name.clone(),
            role: login.role,
            resumed,
            grace: self.rules.grace,
            bands: self.rules.bands,
            host_share: self.shares.get(&login.user).copied().unwrap_or(self.rules.host_share),
            call: self.call_of(now, &login.user),
        };
        self.send_uncounted(socket, Message::Welcome(Box::new(welcome)));
    }

    /// Whether the user's client is connected at this moment.
    pub(super) fn is_there(&self, user: &UserId) -> bool {
        let session = self.people.get(user).and_then(|id| self.sessions.get(id));
        session.is_some_and(|session| session.socket.is_some())
    }

    pub(super) fn disconnected(&mut self, now: MonotonicMs, socket: SocketId) {
        let Some(id) = self.sockets.remove(&socket) else { return };
        let session = self.sessions.get_mut(&id).expect("each open socket has a session");
        session.socket = None;
        let user = session.login.user.clone();
        self.alarms.set(Alarm::Session(id), Some(now + self.rules.grace));
        self.client_left(now, &user);
    }

    /// The client was away for too long.
    pub(super) fn session_expired(&mut self, now: MonotonicMs, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        let user = session.login.user.clone();
        self.forget(id);
        if let Some(call) = self.engaged.get(&user).copied() {
            let party = self.calls.get(&call).and_then(|call| call.party(&user));
            self.lose(now, call, party.expect("a user is engaged in a call of theirs"));
        }
    }

    /// Drops a session and what depends on it. Its asks are dropped when they are answered or
    /// overdue.
    fn forget(&mut self, id: SessionId) {
        let Some(session) = self.sessions.remove(&id) else { return };
        if let Some(socket) = session.socket {
            self.sockets.remove(&socket);
        }
        self.alarms.set(Alarm::Session(id), None);
        self.watchers.remove(&id);
        self.people.remove(&session.login.user);
        if self.online.remove(&session.login.user).is_some() {
            self.announce(&session.login.user, &session.login.name);
        }
    }

    /// A client that is there again gets its full time to connect lost media anew, and the other
    /// side sees it return.
    fn client_returned(&mut self, now: MonotonicMs, user: &UserId, was_there: bool) {
        let Some(id) = self.engaged.get(user).copied() else { return };
        let until = now + self.rules.media_grace;
        self.change_media(id, user, |media| match media {
            MediaLink::LostAway => MediaLink::LostUntil(until),
            MediaLink::Kept | MediaLink::LostUntil(_) => media,
        });
        if !was_there {
            self.show_peer_of(now, id, user);
        }
    }

    /// A client that is away can't connect lost media anew: its session's grace decides.
    fn client_left(&mut self, now: MonotonicMs, user: &UserId) {
        let Some(id) = self.engaged.get(user).copied() else { return };
        self.change_media(id, user, |media| match media {
            MediaLink::LostUntil(_) => MediaLink::LostAway,
            MediaLink::Kept | MediaLink::LostAway => media,
        });
        self.show_peer_of(now, id, user);
    }
}
