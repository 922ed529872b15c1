//! What a link counts.

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};

/// One set per process; each link has its own label.
#[derive(Clone, Debug)]
pub(super) struct Metrics {
    /// Peers that are connected.
    pub(super) peers: IntGaugeVec,
    /// Messages that wait for an acknowledgement, of all peers.
    pub(super) waiting: IntGaugeVec,
    /// Messages handed to connections; a message that is sent again counts again.
    pub(super) sent: IntCounterVec,
    /// Messages handed to the service.
    pub(super) received: IntCounterVec,
    /// Messages dropped because a peer was given up.
    pub(super) lost: IntCounterVec,
    /// Connections that were made.
    pub(super) connections: IntCounterVec,
}

impl Metrics {
    /// # Errors
    /// The registry has metrics of these names already.
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name, help| {
            let gauge = IntGaugeVec::new(Opts::new(name, help), &["link"])?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let counter = |name, help| {
            let counter = IntCounterVec::new(Opts::new(name, help), &["link"])?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        Ok(Self {
            peers: gauge("link_peers", "Peers that are connected")?,
            waiting: gauge("link_waiting_messages", "Messages not acknowledged yet, all peers")?,
            sent: counter("link_sent_messages_total", "Messages sent, repeats included")?,
            received: counter("link_received_messages_total", "Messages received")?,
            lost: counter("link_lost_messages_total", "Messages dropped with a peer given up")?,
            connections: counter("link_connections_total", "Connections made")?,
        })
    }
}
