//! The service: bound sockets, then a media thread for each.

use crate::config::Config;
use crate::cores;
use crate::dispatch::Dispatcher;
use crate::dtls::{Identity, IdentityError};
use crate::exchange::{Exchange, Terms};
use crate::metrics::Metrics;
use crate::orders::queue;
use crate::socket;
use crate::worker::{Voice, Worker};
use prometheus::Registry;
use protocol::service::{MediaReport, RelayCommand, RelayEvent, RelayLimit};
use service_kit::link::Link;
use service_kit::{Clock, Shutdown};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use units::ElapsedMs;

/// The media relay, ready to run.
pub struct MediaRelay {
    /// One per worker.
    ports: Vec<Port>,
    pinned: bool,
    metrics: Metrics,
    clock: Clock,
}

/// A worker's socket and its rooms.
struct Port {
    socket: UdpSocket,
    local: SocketAddr,
    exchange: Exchange,
}

/// Why the relay can't run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A UDP address is taken or not ours.
    #[error("media can't listen on UDP {listen}: {source}")]
    Bind { listen: SocketAddr, source: io::Error },
    /// There are not that many ports above that of `listen`.
    #[error("{workers} workers need as many ports from {listen} on, and the last port is 65535")]
    PortsEnd { listen: SocketAddr, workers: usize },
    /// Clients can't be told to send to an unspecified address.
    #[error("media listens on {0}, so the addresses that clients can reach must be announced")]
    NothingToAnnounce(SocketAddr),
    /// No certificate.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The registry has metrics of the relay's names already.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
    /// A media thread could not start.
    #[error("a media thread can't start: {0}")]
    Thread(io::Error),
    /// A media thread ended by a failing socket.
    #[error("a media socket failed: {0}")]
    Socket(io::Error),
    /// A media thread ended by a bug.
    #[error("a media thread ended unexpectedly")]
    Ended,
}

impl MediaRelay {
    /// Binds the ports and makes a certificate.
    ///
    /// # Errors
    /// [`Error::Bind`], [`Error::PortsEnd`], [`Error::NothingToAnnounce`], [`Error::Identity`],
    /// [`Error::Metrics`].
    pub fn bind(config: Config, clock: Clock, registry: &Registry) -> Result<Self, Error> {
        let Config { listen, workers, pinned, announce, .. } = config;
        let Config { legs_max, join_timeout_ms, socket_buffer_bytes, .. } = config;
        if announce.is_empty() && listen.ip().is_unspecified() {
            return Err(Error::NothingToAnnounce(listen));
        }
        let workers = if workers == 0 { cores::available() } else { workers.into() };
        let identity = Identity::generate()?;
        let mut ports = Vec::with_capacity(workers);
        for listen in addresses(listen, workers)? {
            let bound = socket::bind(listen, socket_buffer_bytes)
                .and_then(|socket| Ok((socket.local_addr()?, socket)));
            let (local, socket) = bound.map_err(|source| Error::Bind { listen, source })?;
            let reachable = if announce.is_empty() { vec![local.ip()] } else { announce.clone() };
            let terms = Terms {
                identity: identity.clone(),
                candidates: reachable.into_iter().map(|ip| (ip, local.port()).into()).collect(),
                legs_max: legs_max.div_ceil(workers),
                join_timeout: ElapsedMs(join_timeout_ms),
                clock,
            };
            ports.push(Port { socket, local, exchange: Exchange::new(terms) });
        }
        if let Some(Port { socket, .. }) = ports.first() {
            socket::warn_of_small_buffers(socket, socket_buffer_bytes);
        }
        Ok(Self { ports, pinned, metrics: Metrics::new(registry)?, clock })
    }

    /// The bound UDP addresses, one per worker.
    pub fn local_addrs(&self) -> impl Iterator<Item = SocketAddr> {
        self.ports.iter().map(|port| port.local)
    }

    /// Carries media until shutdown, or until both links have ended.
    ///
    /// Media has threads of its own, so that it never waits behind other work of the process. They
    /// end when this future ends or is dropped; on a failure of one, the others close their rooms
    /// first.
    ///
    /// # Errors
    /// [`Error::Thread`], [`Error::Socket`], [`Error::Ended`].
    pub async fn run(
        self,
        mut signaling: Link<RelayEvent, RelayCommand>,
        mut meter: Link<MediaReport, RelayLimit>,
        mut shutdown: Shutdown,
    ) -> Result<(), Error> {
        let voice = Voice {
            signaling: signaling.outgoing.clone(),
            meter: meter.outgoing.clone(),
            restarted: Arc::new(AtomicBool::new(false)),
        };
        let mut at_work = self.ports.len();
        let (mut dispatcher, mut ends) = self.start(&voice)?;
        let (mut commands_open, mut limits_open, mut stopping) = (true, true, false);
        let mut outcome = Ok(());
        while at_work > 0 {
            tokio::select! {
                biased;
                Some(end) = ends.recv() => {
                    at_work -= 1;
                    if end.is_err() {
                        stopping = true;
                        dispatcher.stop();
                    }
                    outcome = outcome.and(end);
                }
                () = shutdown.requested(), if !stopping => {
                    stopping = true;
                    dispatcher.stop();
                }
                command = signaling.incoming.recv(), if commands_open => match command {
                    Some(command) => dispatcher.command(command),
                    None => commands_open = false,
                },
                limit = meter.incoming.recv(), if limits_open => match limit {
                    Some(limit) => dispatcher.limit(limit),
                    None => limits_open = false,
                },
                else => break,
            }
            if !commands_open && !limits_open {
                dispatcher.dismiss();
            }
        }
        outcome
    }

    /// Starts a thread per port. Each tells once how it ended.
    fn start(
        self,
        voice: &Voice,
    ) -> Result<(Dispatcher, UnboundedReceiver<Result<(), Error>>), Error> {
        let Self { ports, pinned, metrics, clock } = self;
        let (ended, ends) = unbounded_channel();
        let cores = if pinned { cores::places(ports.len()) } else { vec![None; ports.len()] };
        let mut desks = Vec::with_capacity(ports.len());
        for (port, core) in ports.into_iter().zip(cores) {
            let Port { socket, local: _, exchange } = port;
            let (desk, orders) = queue().map_err(Error::Thread)?;
            let (voice, metrics) = (voice.clone(), metrics.clone());
            let worker = Worker { exchange, clock, socket, orders, voice, metrics };
            spawn(desks.len(), core, worker, ended.clone()).map_err(Error::Thread)?;
            desks.push(desk);
        }
        Ok((Dispatcher::new(desks), ends))
    }
}

/// Where each of the workers listens.
fn addresses(listen: SocketAddr, workers: usize) -> Result<Vec<SocketAddr>, Error> {
    let port = |number: usize| match listen.port() {
        0 => Some(0),
        first => u16::try_from(usize::from(first) + number).ok(),
    };
    (0..workers)
        .map(|number| Some(SocketAddr::new(listen.ip(), port(number)?)))
        .collect::<Option<_>>()
        .ok_or(Error::PortsEnd { listen, workers })
}

/// Starts a media thread, on its own processor if it is given one.
fn spawn(
    number: usize,
    core: Option<usize>,
    worker: Worker,
    ended: UnboundedSender<Result<(), Error>>,
) -> io::Result<()> {
    let work = move || {
        if let Some(core) = core {
            cores::pin(core);
        }
        let end = match catch_unwind(AssertUnwindSafe(|| worker.run())) {
            Ok(outcome) => outcome.map_err(Error::Socket),
            Err(_) => Err(Error::Ended),
        };
        let _ = ended.send(end);
    };
    std::thread::Builder::new().name(format!("media-{number}")).spawn(work)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::client::Party;
    use rustix::event::{EventfdFlags, eventfd};
    use service_kit::entropy;
    use service_kit::link::pair;
    use std::time::Duration;
    use tokio::time::timeout;

    /// How long the service may take to end.
    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_broken_socket_ends_the_service_after_the_last_words_of_the_other_workers() {
        let config = Config { workers: 2, ..Config::default() };
        let mut relay = MediaRelay::bind(config, Clock::start(), &Registry::new()).unwrap();
        let (mut signaling, to_signaling) = pair();
        let (mut meter, to_meter) = pair();
        // Nothing that can be received from; readable once it is written to.
        let no_socket = eventfd(0, EventfdFlags::NONBLOCK).unwrap();
        relay.ports[0].socket = no_socket.try_clone().unwrap().into();
        let (_trigger, shutdown) = Shutdown::new();
        let end = tokio::spawn(relay.run(to_signaling, to_meter, shutdown));

        for request in 0..100 {
            let (call, party) = (entropy::call_id(), Party::Fan);
            let open = RelayCommand::OpenRoom { call, funded_ms: ElapsedMs(1) };
            signaling.outgoing.send(open).unwrap();
            let admit = RelayCommand::Admit { call, party, request, offer: String::new() };
            signaling.outgoing.send(admit).unwrap();
            let refused = timeout(PATIENCE, signaling.incoming.recv()).await.unwrap().unwrap();
            assert!(matches!(refused, RelayEvent::Refused { .. }), "{refused:?}");
        }
        rustix::io::write(&no_socket, &1_u64.to_ne_bytes()).unwrap();
        let end = timeout(PATIENCE, end).await.expect("in time").unwrap();
        assert!(matches!(end, Err(Error::Socket(_))), "{end:?}");
        let told = std::iter::from_fn(|| meter.incoming.try_recv().ok());
        let closed = told.filter(|report: &MediaReport| report.last).count();
        assert!((10..=90).contains(&closed), "the other worker had about half: {closed}");
        assert_eq!(signaling.incoming.try_recv(), Ok(RelayEvent::Restarted));
        assert!(signaling.incoming.try_recv().is_err());
    }

    #[tokio::test]
    async fn workers_end_when_nobody_commands_them_any_more() {
        let clock = Clock::start();
        let config = Config { workers: 2, ..Config::default() };
        let relay = MediaRelay::bind(config, clock, &Registry::new()).unwrap();
        let (signaling, to_signaling) = pair();
        let (meter, to_meter) = pair::<RelayLimit, MediaReport>();
        let open = RelayCommand::OpenRoom { call: entropy::call_id(), funded_ms: ElapsedMs(1) };
        signaling.outgoing.send(open).unwrap();
        drop((signaling, meter));
        let (_trigger, shutdown) = Shutdown::new();
        let end = relay.run(to_signaling, to_meter, shutdown);
        timeout(PATIENCE, end).await.expect("in time").unwrap();
    }

    #[test]
    fn workers_have_successive_ports_or_any_free_ones() {
        let shown = |listen: &str, workers| {
            let addresses = addresses(listen.parse().unwrap(), workers);
            addresses.map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(shown("192.0.2.1:5000", 1).unwrap(), "192.0.2.1:5000");
        assert_eq!(shown("[::1]:65534", 2).unwrap(), "[::1]:65534 [::1]:65535");
        assert_eq!(shown("192.0.2.1:0", 2).unwrap(), "192.0.2.1:0 192.0.2.1:0");
        assert!(matches!(shown("192.0.2.1:65534", 3), Err(Error::PortsEnd { workers: 3, .. })));
    }
}
