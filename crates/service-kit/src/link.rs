//! A two-way link between two services, within one process.

use tokio::sync::mpsc;

/// One end: sends `Out`, receives `In`.
#[derive(Debug)]
pub struct Link<Out, In> {
    /// Never blocks: a link carries a few small messages per call and second, and its reader does
    /// nothing but read. A message to a service that has ended is dropped.
    pub outgoing: mpsc::UnboundedSender<Out>,
    /// `None` once the other service has ended.
    pub incoming: mpsc::UnboundedReceiver<In>,
}

/// The two ends of a new link.
#[must_use]
pub fn pair<A, B>() -> (Link<A, B>, Link<B, A>) {
    let (to_b, from_a) = mpsc::unbounded_channel();
    let (to_a, from_b) = mpsc::unbounded_channel();
    (Link { outgoing: to_b, incoming: from_b }, Link { outgoing: to_a, incoming: from_a })
}
