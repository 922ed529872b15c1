//! Settings of the relay.

use serde::Deserialize;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Settings of the relay. Unknown keys are errors.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The UDP address for media: of the first worker; the others have the ports that follow. Port
    /// 0 picks a free one for each.
    pub listen: SocketAddr,
    /// Media threads, each with a port of its own; a call stays with one. 0: one per processor.
    /// Fewer leave processors to the other services; more take each other's time.
    pub workers: u16,
    /// Binds each media thread to a processor, if they are as many as there are processors. On a
    /// machine that does nothing else it saves cache misses; beside other work media would wait for
    /// a busy processor while another is free.
    pub pinned: bool,
    /// The addresses that clients are told to send to, with their worker's port. Empty: the address
    /// of `listen`, which then must not be the unspecified one.
    pub announce: Vec<IpAddr>,
    /// Most connections at once: two per call, one per member of a room of many, and one more for
    /// each that is being replaced. About 50 KB each, and up to 0.6 MB of video that does not get
    /// through to a client. Each worker has an equal part of them, rounded up.
    pub legs_max: usize,
    /// How long an answered offer may take to be connected, in ms. Less fails slow networks; more
    /// keeps abandoned joins.
    pub join_timeout_ms: u64,
    /// The buffers of each socket in bytes, each way; the system may allow less, which is logged.
    /// They bridge the time in which a worker is not scheduled: 4 MiB are about 30 ms at 1 Gbit/s.
    pub socket_buffer_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            workers: 0,
            pinned: false,
            announce: Vec::new(),
            legs_max: 2_000,
            join_timeout_ms: 15_000,
            socket_buffer_bytes: 4 * 1_024 * 1_024,
        }
    }
}
