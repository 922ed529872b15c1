//! One client's session, which outlives its sockets.

use crate::budget::Budget;
use crate::input::Login;
use crate::replay::Replay;
use crate::words::SocketId;
use units::{MonotonicMs, SessionId};

/// A session: who it is, where it is connected, and what it has sent and been sent.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) login: Login,
    /// `None` while the client is away; an alarm then ends the session.
    pub(crate) socket: Option<SocketId>,
    pub(crate) replay: Replay,
    pub(crate) budget: Budget,
    /// The session that the client wanted to continue and could not.
    pub(crate) instead_of: Option<SessionId>,
    /// Requests that wait for a neighbour.
    pub(crate) asks: u8,
    last_request: u64,
}

impl Session {
    pub(crate) fn new(
        now: MonotonicMs,
        login: Login,
        socket: SocketId,
        instead_of: Option<SessionId>,
    ) -> Self {
        Self {
            login,
            socket: Some(socket),
            replay: Replay::default(),
            budget: Budget::new(now),
            instead_of,
            asks: 0,
            last_request: 0,
        }
    }

    /// Whether request number `id` is new. Each number is carried out once: a client that resumes
    /// sends again whatever it has no answer to.
    pub(crate) fn is_new(&mut self, id: u64) -> bool {
        let new = id > self.last_request;
        self.last_request = self.last_request.max(id);
        new
    }
}
