//! One link's state: its peers, what each is owed, and how far each was heard.

use super::conversation::MESSAGE_BYTES_MAX;
use super::handshake::{Hello, Name, Refusal, fresh};
use super::lasting::Lasting;
use super::metrics::Metrics;
use super::outbox::{Outbox, Overflow};
use super::{Delivered, Kind};
use crate::Clock;
use crate::operations::Condition;
use serde::Serialize;
use std::collections::BTreeMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tracing::{error, info, warn};
use units::{ElapsedMs, MonotonicMs};
use uuid::Uuid;

/// How long a peer may be away before it is given up. Rooms that nobody commands close by
/// themselves in that time; waiting longer would only keep what nobody needs.
const AWAY_MAX: ElapsedMs = ElapsedMs(5 * 60 * 1_000);

/// Messages that may wait for the service of this process. It takes one in microseconds; more
/// would hide that it hangs, fewer would make its peers wait at each burst.
const INBOX_MAX: usize = 16_384;

/// The state of a link, shared by its connections.
#[derive(Debug)]
pub(super) struct Post<Out, In> {
    pub(super) label: &'static str,
    kind: Kind<Out, In>,
    clock: Clock,
    metrics: Metrics,
    condition: Condition,
    state: Mutex<State>,
    inbox: UnboundedSender<Delivered<In>>,
    pub(super) room: Arc<Semaphore>,
    /// Rings whenever a connection may have something to send, or should end.
    pub(super) bell: Notify,
}

#[derive(Debug, Default)]
struct State {
    peers: BTreeMap<Name, Peer>,
    /// What was said before anybody came; the first to come gets it.
    early: Outbox,
    lasting: Lasting,
    connections: u64,
}

#[derive(Debug)]
struct Peer {
    outbox: Outbox,
    /// Names our numbering of what the peer gets.
    run: Uuid,
    /// The peer's run and the last of its numbers that was delivered.
    heard: Option<(Uuid, u64)>,
    /// The last number that was acknowledged to the peer.
    acknowledged: u64,
    presence: Presence,
}

#[derive(Clone, Copy, Debug)]
enum Presence {
    /// By which of our connections.
    Here(u64),
    AwaySince(MonotonicMs),
}

/// A connection that is no longer the peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another connection took its place, or the peer was given up")]
pub(super) struct Replaced;

/// What a connection is to send.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) acknowledged: u64,
    pub(super) messages: Vec<(u64, Arc<str>)>,
    /// Whether there is anything that the peer does not know yet.
    pub(super) is_news: bool,
}

impl<Out: Serialize, In> Post<Out, In> {
    pub(super) fn new(
        label: &'static str,
        kind: Kind<Out, In>,
        clock: Clock,
        metrics: Metrics,
        condition: Condition,
        inbox: UnboundedSender<Delivered<In>>,
    ) -> Self {
        condition.fails("nobody is connected");
        Self {
            label,
            kind,
            clock,
            metrics,
            condition,
            state: Mutex::default(),
            inbox,
            room: Arc::new(Semaphore::new(INBOX_MAX)),
            bell: Notify::new(),
        }
    }

    /// Queues a message for every peer.
    pub(super) fn send(&self, message: &Out) {
        let body: Arc<str> = match serde_json::to_string(message) {
            Ok(body) if body.len() <= MESSAGE_BYTES_MAX => body.into(),
            Ok(body) => {
                error!(link = self.label, bytes = body.len(), "a message is too long; it is lost");
                return;
            }
            Err(cause) => {
                error!(link = self.label, %cause, "a message can't be written; it is lost");
                return;
            }
        };
        let subject = (self.kind.replaces)(message);
        let mut state = self.lock();
        if (self.kind.lasts)(message) {
            state.lasting.keep(self.clock.now(), subject, Arc::clone(&body));
        }
        if state.peers.is_empty() && state.early.push(subject, Arc::clone(&body)).is_err() {
            let lost = mem::take(&mut state.early).len();
            self.lost(lost);
            error!(link = self.label, lost, "nobody is connected; messages are lost");
        }
        let mut full = Vec::new();
        for (name, peer) in &mut state.peers {
            if peer.outbox.push(subject, Arc::clone(&body)) == Err(Overflow) {
                full.push(name.clone());
            }
        }
        for name in full {
            self.give_up(&mut state, &name, "too much waits for it");
        }
        self.count(&state);
        drop(state);
        self.bell.notify_waiters();
    }

    /// Gives up peers that have been away for too long.
    pub(super) fn tidy(&self) {
        let now = self.clock.now();
        let mut state = self.lock();
        let overdue = |peer: &Peer| match peer.presence {
            Presence::Here(_) => false,
            Presence::AwaySince(since) => since + AWAY_MAX <= now,
        };
        let gone: Vec<_> = state
            .peers
            .iter()
            .filter(|(_, peer)| overdue(peer))
            .map(|(name, _)| name.clone())
            .collect();
        for name in gone {
            self.give_up(&mut state, &name, "it has been away for too long");
        }
        self.count(&state);
    }

    /// What to tell a peer of this name when it introduces itself.
    pub(super) fn hello(&self, name: &Name) -> Hello {
        let mut state = self.lock();
        let now = self.clock.now();
        let early =
            if state.peers.is_empty() { mem::take(&mut state.early) } else { Outbox::default() };
        let peer = state.peers.entry(name.clone()).or_insert_with(|| Peer {
            outbox: early,
            run: fresh(),
            heard: None,
            acknowledged: 0,
            presence: Presence::AwaySince(now),
        });
        Hello { run: peer.run, heard: peer.heard }
    }

    /// The peer is connected. Returns the number of the connection.
    pub(super) fn enter(&self, name: &Name, ours: Hello, theirs: Hello) -> Result<u64, Refusal> {
        let mut state = self.lock();
        state.connections += 1;
        let connection = state.connections;
        let last_words: Vec<_> = state.lasting.told(self.clock.now()).collect();
        // Given up between its introduction and its entry: it must introduce itself again.
        let peer = state.peers.get_mut(name).filter(|peer| peer.run == ours.run);
        let peer = peer.ok_or(Refusal::Order)?;
        let known = peer.heard.map(|(run, _)| run);
        if matches!(peer.presence, Presence::Here(_)) && known != Some(theirs.run) {
            return Err(Refusal::NameTaken);
        }
        if known != Some(theirs.run) {
            peer.heard = Some((theirs.run, 0));
            for (subject, body) in last_words {
                // One that is too far behind is given up with the next message.
                let _ = peer.outbox.push(subject, body);
            }
            if known.is_some() {
                warn!(link = self.label, peer = %name, "the peer has restarted");
                self.tell_restarted();
            }
        }
        let has_of_us = theirs.heard.filter(|(run, _)| *run == peer.run);
        peer.outbox.rewind(has_of_us.map_or(0, |(_, n)| n));
        peer.acknowledged = 0;
        peer.presence = Presence::Here(connection);
        info!(link = self.label, peer = %name, waiting = peer.outbox.len(), "connected");
        self.metrics.connections.with_label_values(&[self.label]).inc();
        self.count(&state);
        drop(state);
        // A connection that was replaced ends.
        self.bell.notify_waiters();
        Ok(connection)
    }

    /// The connection has ended.
    pub(super) fn leave(&self, name: &Name, connection: u64, why: &str) {
        let mut state = self.lock();
        if let Ok(peer) = here(&mut state, name, connection) {
            peer.presence = Presence::AwaySince(self.clock.now());
            warn!(link = self.label, peer = %name, waiting = peer.outbox.len(), why, "disconnected");
        }
        self.count(&state);
    }

    /// What the connection is to send next.
    pub(super) fn parcel(
        &self,
        name: &Name,
        connection: u64,
        bytes_max: usize,
    ) -> Result<Parcel, Replaced> {
        let mut state = self.lock();
        let peer = here(&mut state, name, connection)?;
        let messages = peer.outbox.batch(bytes_max);
        let acknowledged = peer.heard.map_or(0, |(_, n)| n);
        let is_news = !messages.is_empty() || acknowledged > peer.acknowledged;
        peer.acknowledged = acknowledged;
        self.metrics.sent.with_label_values(&[self.label]).inc_by(messages.len() as u64);
        Ok(Parcel { acknowledged, messages, is_news })
    }

    /// The peer has everything up to this number.
    pub(super) fn acknowledged(
        &self,
        name: &Name,
        connection: u64,
        up_to: u64,
    ) -> Result<(), Replaced> {
        let mut state = self.lock();
        here(&mut state, name, connection)?.outbox.acknowledged(up_to);
        self.count(&state);
        Ok(())
    }

    /// Hands a message to the service, unless it has it already. Once the service has ended,
    /// messages are left to the peer, for the next run.
    pub(super) fn deliver(
        &self,
        name: &Name,
        connection: u64,
        n: u64,
        message: In,
        place: OwnedSemaphorePermit,
    ) -> Result<(), Replaced> {
        let mut state = self.lock();
        let peer = here(&mut state, name, connection)?;
        if let Some((_, heard)) = &mut peer.heard
            && n > *heard
            && self.inbox.send(Delivered { message, _place: Some(place) }).is_ok()
        {
            *heard = n;
            self.metrics.received.with_label_values(&[self.label]).inc();
        }
        Ok(())
    }

    /// Skips a message that can't be read: a repeat could not be read either.
    pub(super) fn skip(&self, name: &Name, connection: u64, n: u64) -> Result<(), Replaced> {
        let mut state = self.lock();
        if let Some((_, heard)) = &mut here(&mut state, name, connection)?.heard {
            *heard = n.max(*heard);
        }
        Ok(())
    }

    /// Whether every peer that is here has everything.
    pub(super) fn is_delivered(&self) -> bool {
        let is_here = |peer: &&Peer| matches!(peer.presence, Presence::Here(_));
        self.lock().peers.values().filter(is_here).all(|peer| peer.outbox.len() == 0)
    }

    /// Forgets a peer. Both sides take the other for restarted.
    fn give_up(&self, state: &mut State, name: &Name, why: &str) {
        let Some(peer) = state.peers.remove(name) else { return };
        let lost = peer.outbox.len();
        self.lost(lost);
        error!(link = self.label, peer = %name, lost, why, "the peer is given up");
        if peer.heard.is_some() {
            self.tell_restarted();
        }
    }

    fn tell_restarted(&self) {
        if let Some(restarted) = self.kind.restarted {
            // An error means that the service has ended.
            let _ = self.inbox.send(Delivered { message: restarted(), _place: None });
        }
    }

    fn lost(&self, messages: usize) {
        self.metrics.lost.with_label_values(&[self.label]).inc_by(messages as u64);
    }

    fn count(&self, state: &State) {
        let gauge = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        let is_here = |peer: &&Peer| matches!(peer.presence, Presence::Here(_));
        let here = state.peers.values().filter(is_here).count();
        let waiting: usize = state.peers.values().map(|peer| peer.outbox.len()).sum();
        self.metrics.peers.with_label_values(&[self.label]).set(gauge(here));
        let waiting = gauge(waiting + state.early.len());
        self.metrics.waiting.with_label_values(&[self.label]).set(waiting);
        if here > 0 {
            self.condition.holds();
        } else {
            self.condition.fails("nobody is connected");
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The peer, if this is its connection.
fn here<'a>(state: &'a mut State, name: &Name, connection: u64) -> Result<&'a mut Peer, Replaced> {
    let is_its = |peer: &&mut Peer| matches!(peer.presence, Presence::Here(at) if at == connection);
    state.peers.get_mut(name).filter(is_its).ok_or(Replaced)
}
