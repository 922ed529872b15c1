//! Signaling service: WebSocket, REST, and the web client it serves.
//!
//! A thin shell around [`call_core::Switchboard`]: [`socket`] turns frames into inputs, [`hub`] is
//! the one task that owns the switchboard, [`translate`] the only bridge between wire types and the
//! core's. Nothing here decides who may call whom.
//!
//! Tokens, SDP and addresses are never logged.
#![forbid(unsafe_code)]

mod assets;
mod config;
mod demo;
mod hub;
mod incoming;
mod problem;
mod receipts;
mod routes;
mod socket;
mod translate;
mod turn;

pub use config::{Band, Bands, Config, ConfigError, Demo, DemoUser};

pub use turn::Turn;

use protocol::service::{MeterCommand, MeterEvent, RelayCommand, RelayEvent};
use protocol::token::TokenKey;
use service_kit::link::Link;
use service_kit::{Clock, Shutdown};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// How long HTTP requests in flight may take once the service stops. None should take long; a
/// client that reads slowly must not keep the process up.
const HTTP_STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// Why the service can't start or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The address can't be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: std::io::Error },
    /// The listener failed.
    #[error("serving HTTP: {0}")]
    Serve(std::io::Error),
    /// A neighbour ended although nobody asked it to.
    #[error("the {0} has gone")]
    NeighbourGone(&'static str),
}

/// The service, bound to its address and not yet running.
#[derive(Debug)]
pub struct Signaling {
    config: Config,
    token_key: TokenKey,
    demo: Option<Demo>,
    clock: Clock,
    listener: TcpListener,
    address: SocketAddr,
    receipt_key: Option<String>,
    turn: Option<Turn>,
}

impl Signaling {
    /// Checks the settings and takes the address.
    ///
    /// # Errors
    /// [`Error::Config`] or [`Error::Listen`].
    pub async fn bind(
        config: Config,
        token_key: TokenKey,
        demo: Option<Demo>,
        clock: Clock,
    ) -> Result<Self, Error> {
        config.check(demo.is_some())?;
        let failed = |source| Error::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (receipt_key, turn) = (None, None);
        Ok(Self { config, token_key, demo, clock, listener, address, receipt_key, turn })
    }

    /// Publishes the public key that signed receipts are checked by: 64 hexadecimal digits,
    /// or none where receipts are not signed.
    #[must_use]
    pub fn with_receipt_key(self, key: Option<String>) -> Self {
        Self { receipt_key: key, ..self }
    }

    /// Gives clients credentials for a TURN server, if there is one.
    #[must_use]
    pub fn with_turn(self, turn: Option<Turn>) -> Self {
        Self { turn, ..self }
    }

    /// Where it listens: the configured address, with the port filled in.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`. Then it ends the calls, gives the meter up to `stop_timeout_ms` to
    /// settle them (so the neighbours should stop after this service), and closes the sockets.
    ///
    /// # Errors
    /// [`Error::NeighbourGone`] if a link ends before `shutdown`, [`Error::Serve`] if the listener
    /// fails.
    pub async fn run(
        self,
        relay: Link<RelayCommand, RelayEvent>,
        meter: Link<MeterCommand, MeterEvent>,
        shutdown: Shutdown,
    ) -> Result<(), Error> {
        let (entrance, hub) = hub::new(&self.config, self.clock, relay, meter);
        let desk = routes::Desk::new(
            self.config,
            self.token_key,
            self.demo,
            self.clock,
            entrance,
            (self.receipt_key, self.turn),
            shutdown.clone(),
        );
        let (stopped, stop) = oneshot::channel::<()>();
        let server =
            axum::serve(self.listener, routes::router(desk)).with_graceful_shutdown(async {
                // An error means that the hub has ended: stop as well.
                let _ = stop.await;
            });
        let mut serving = tokio::spawn(server.into_future());
        let outcome = tokio::select! {
            outcome = hub.run(shutdown) => outcome,
            failed = &mut serving => {
                return match failed {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(source)) => Err(Error::Serve(source)),
                    Err(panicked) => Err(Error::Serve(std::io::Error::other(panicked))),
                };
            }
        };
        drop(stopped);
        if tokio::time::timeout(HTTP_STOP_TIMEOUT, &mut serving).await.is_err() {
            serving.abort();
        }
        outcome
    }
}
