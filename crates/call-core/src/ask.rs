//! Questions to the meter and the relay that are not answered yet.

use crate::input::Ring;
use crate::words::{AskId, Terms};
use std::collections::BTreeMap;
use units::{CallId, Rates, SessionId};

/// Most unanswered requests of one session. A page has two or three; more would let one client
/// fill the neighbours' queues.
pub(crate) const ASKS_PER_SESSION_MAX: u8 = 16;

/// Who waits for an answer, and what for.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) session: SessionId,
    /// The request to answer.
    pub(crate) re: u64,
    pub(crate) purpose: Purpose,
}

/// What the answer is for.
#[derive(Clone, Debug)]
pub(crate) enum Purpose {
    Quote(Terms),
    /// A ring waits for the word that there are funds. Holds no one: others may ring meanwhile,
    /// and the first whose funds are confirmed gets the host.
    Ring {
        ring: Ring,
        /// The prices that the meter was asked about.
        rates: Rates,
    },
    Balance,
    Offer {
        call: CallId,
    },
}

/// Asks by number.
#[derive(Debug, Default)]
pub(crate) struct Asks {
    open: BTreeMap<AskId, Ask>,
    last: u64,
}

impl Asks {
    /// Numbers asks from here on.
    pub(crate) fn number_from(&mut self, last: u64) {
        self.last = last;
    }

    /// Keeps an ask under a new number.
    pub(crate) fn open(&mut self, ask: Ask) -> AskId {
        self.last += 1;
        self.open.insert(AskId(self.last), ask);
        AskId(self.last)
    }

    /// Takes an ask out: each is answered once.
    pub(crate) fn close(&mut self, id: AskId) -> Option<Ask> {
        self.open.remove(&id)
    }

    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }
}
