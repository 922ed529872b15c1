//! A two-way link between two services: within one process ([`pair`]), or between processes
//! ([`Network`]).
//!
//! Between processes a link is one WebSocket per peer with frames of JSON text. What that promises:
//!
//! * A message arrives once and in order, over any number of lost connections, as long as both
//!   processes live and are apart for less than 5 minutes.
//! * It may arrive twice, or not at all, only around the restart of a process. What the old run had
//!   not acknowledged is sent to the new one; what it had acknowledged is gone with its memory. So
//!   messages are cumulative facts or idempotent commands, and whoever needs an answer asks again.
//!   Last words, which nobody would say again, are kept for 5 minutes and told to every new run.
//! * A link may have several peers (signaling has each meter). All of them get everything, and
//!   what they say arrives merged.
//! * What waits is bounded, to 64 MiB per peer. A later fact about a subject takes
//!   the place of the one before; a peer that is too far behind all the same is given up, loudly:
//!   both sides then take the other for restarted.

mod address;
mod conversation;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod handshake;
mod lasting;
mod metrics;
mod network;
mod outbox;
mod post;

pub use address::{DialAddress, DialAddressError};
pub use handshake::{Name, NameError, Secret, SecretTooShort};
pub use network::{Network, Settings};

use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use uuid::Uuid;

/// One end: sends `Out`, receives `In`. Dropped, it ends the link; between processes what was
/// sent is still delivered by [`Network::close`].
#[derive(Debug)]
pub struct Link<Out, In> {
    /// Never blocks: a link carries a few small messages per call and second, and its reader does
    /// nothing but read. A message to a service of this process that has ended is dropped.
    pub outgoing: mpsc::UnboundedSender<Out>,
    pub incoming: Incoming<In>,
}

/// The receiving half of a [`Link`].
#[derive(Debug)]
pub struct Incoming<In>(Source<In>);

#[derive(Debug)]
enum Source<In> {
    Local(mpsc::UnboundedReceiver<In>),
    Remote(mpsc::UnboundedReceiver<Delivered<In>>),
}

/// A message from another process, and its place among those that may wait for the service.
#[derive(Debug)]
struct Delivered<In> {
    message: In,
    _place: Option<OwnedSemaphorePermit>,
}

impl<In> Incoming<In> {
    /// The next message; `None` once the other service of this process has ended. A peer in
    /// another process never ends the link: it may come back.
    pub async fn recv(&mut self) -> Option<In> {
        match &mut self.0 {
            Source::Local(messages) => messages.recv().await,
            Source::Remote(messages) => Some(messages.recv().await?.message),
        }
    }

    /// The next message, if there is one already.
    ///
    /// # Errors
    /// Nothing waits, or the link has ended.
    pub fn try_recv(&mut self) -> Result<In, TryRecvError> {
        match &mut self.0 {
            Source::Local(messages) => messages.try_recv(),
            Source::Remote(messages) => Ok(messages.try_recv()?.message),
        }
    }
}

/// What a link between processes has to know of its messages.
#[derive(Debug)]
pub struct Kind<Out, In> {
    /// What a message is about, if it makes an earlier one about the same needless.
    pub replaces: fn(&Out) -> Option<Uuid>,
    /// Whether a message is the last word about its subject: a peer that comes without its memory,
    /// or for the first time, hears it again.
    pub lasts: fn(&Out) -> bool,
    /// What this side hears when a peer has restarted, or was given up: it has forgotten
    /// everything.
    pub restarted: Option<fn() -> In>,
}

/// The two ends of a new link within this process.
#[must_use]
pub fn pair<A, B>() -> (Link<A, B>, Link<B, A>) {
    let (to_b, from_a) = mpsc::unbounded_channel();
    let (to_a, from_b) = mpsc::unbounded_channel();
    let end = |outgoing, incoming| Link { outgoing, incoming: Incoming(Source::Local(incoming)) };
    (end(to_b, from_b), Link { outgoing: to_a, incoming: Incoming(Source::Local(from_a)) })
}
