//! The service: a bound socket, then the media thread.

use crate::config::Config;
use crate::dtls::{Identity, IdentityError};
use crate::exchange::{Exchange, Terms};
use crate::socket;
use crate::worker::Worker;
use protocol::service::{MediaReport, RelayCommand, RelayEvent, RelayLimit};
use service_kit::link::Link;
use service_kit::{Clock, Shutdown};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use tokio::net::UdpSocket as AsyncUdpSocket;
use tokio::sync::oneshot;
use units::ElapsedMs;

/// The media relay, ready to run.
pub struct MediaRelay {
    exchange: Exchange,
    socket: UdpSocket,
    local: SocketAddr,
    clock: Clock,
}

/// Why the relay can't run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The UDP address is taken or not ours.
    #[error("media can't listen on UDP {listen}: {source}")]
    Bind { listen: SocketAddr, source: io::Error },
    /// Clients can't be told to send to an unspecified address.
    #[error("media listens on {0}, so the addresses that clients can reach must be announced")]
    NothingToAnnounce(SocketAddr),
    /// No certificate.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The media thread could not start.
    #[error("the media thread can't start: {0}")]
    Thread(io::Error),
    /// The media thread ended by a failing socket.
    #[error("the media socket failed: {0}")]
    Socket(io::Error),
    /// The media thread ended by a bug.
    #[error("the media thread ended unexpectedly")]
    Ended,
}

impl MediaRelay {
    /// Binds the port and makes a certificate.
    ///
    /// # Errors
    /// [`Error::Bind`], [`Error::NothingToAnnounce`], [`Error::Identity`].
    pub fn bind(config: Config, clock: Clock) -> Result<Self, Error> {
        let Config { listen, announce, legs_max, join_timeout_ms, socket_buffer_bytes } = config;
        if announce.is_empty() && listen.ip().is_unspecified() {
            return Err(Error::NothingToAnnounce(listen));
        }
        let bound = socket::bind(listen, socket_buffer_bytes)
            .and_then(|socket| Ok((socket.local_addr()?, socket)));
        let (local, socket) = bound.map_err(|source| Error::Bind { listen, source })?;
        let reachable = if announce.is_empty() { vec![local.ip()] } else { announce };
        let terms = Terms {
            identity: Identity::generate()?,
            candidates: reachable.into_iter().map(|ip| (ip, local.port()).into()).collect(),
            legs_max,
            join_timeout: ElapsedMs(join_timeout_ms),
            clock,
        };
        Ok(Self { exchange: Exchange::new(terms), socket, local, clock })
    }

    /// The bound UDP address.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Carries media until shutdown, or until both links have ended.
    ///
    /// Media has a thread of its own, so that it never waits behind other work of the process. The
    /// thread lives on if this future is dropped, until one of the two ends it.
    ///
    /// # Errors
    /// [`Error::Thread`], [`Error::Socket`], [`Error::Ended`].
    pub async fn run(
        self,
        signaling: Link<RelayEvent, RelayCommand>,
        meter: Link<MediaReport, RelayLimit>,
        shutdown: Shutdown,
    ) -> Result<(), Error> {
        let Self { exchange, socket, local: _, clock } = self;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Error::Thread)?;
        let (ended, end) = oneshot::channel();
        let work = move || {
            let outcome = runtime.block_on(async {
                let socket = AsyncUdpSocket::from_std(socket)?;
                Worker { exchange, clock, socket, signaling, meter, shutdown }.run().await
            });
            let _ = ended.send(outcome);
        };
        std::thread::Builder::new().name("media".to_owned()).spawn(work).map_err(Error::Thread)?;
        end.await.map_err(|_| Error::Ended)?.map_err(Error::Socket)
    }
}
