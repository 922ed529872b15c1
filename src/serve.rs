//! `coinline serve`: the three services in one process, or one of them with links to the others.

mod links;
mod meter;
mod service;

use crate::cli::{self, Part, ServeOptions};
use crate::config::{Config, Mode};
use crate::demo;
use crate::receipt_key::signer;
use links::Lines;
use media_relay::MediaRelay;
use meter::Needs;
use prometheus::Registry;
use protocol::token::TokenKey;
use service::{Service, StopWords};
use service_kit::operations::{Operations, Readiness};
use service_kit::{Clock, Shutdown, link, telemetry};
use signaling::{Demo, Signaling};
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tracing::{info, warn};

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("can't make the folder {path}")]
    Folder { path: PathBuf, source: io::Error },
    #[error("can't open the database {name}")]
    Database { name: String, source: store::Error },
    #[error("can't use Redis at {name}")]
    Redis { name: String, source: store::Error },
    #[error(
        "{0} is in use by another program; choose another address, such as --listen 127.0.0.1:8090"
    )]
    AddressInUse(SocketAddr),
    #[error("the private port can't listen on {address}")]
    Operations { address: SocketAddr, source: io::Error },
}

/// Serves until SIGINT or SIGTERM, then settles what is open.
///
/// # Errors
/// If the configuration is not usable, a port or file can't be had, or a service fails.
pub(crate) fn run(options: &ServeOptions) -> Result<(), Box<dyn Error>> {
    let config = Config::load(options.config.as_deref(), options.listen)?.with(options)?;
    telemetry::start(&config.log.filter, config.log.format)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(config, options.role))
}

/// What all services of the process share.
struct Process {
    clock: Clock,
    registry: Registry,
    readiness: Readiness,
    /// The demo's people, in demo mode.
    demo: Option<Demo>,
    stop_words: StopWords,
    /// The private port, if there is one.
    operations: Option<Service>,
}

async fn serve(mut config: Config, part: Option<Part>) -> Result<(), Box<dyn Error>> {
    let demo = match config.mode {
        Mode::Production => None,
        // The demo's own secrets are kept beside its balances.
        Mode::Demo => {
            make_folder(config.store.folder())?;
            Some(config.demo.take().unwrap_or_else(demo::people))
        }
    };
    let mut process = Process {
        clock: Clock::start(),
        registry: Registry::new(),
        readiness: Readiness::default(),
        demo,
        stop_words: StopWords::new()?,
        operations: None,
    };
    process.operations = process.open_operations(config.operations.listen).await?;
    match part {
        None => process.serve_all(config).await,
        Some(Part::Signaling) => process.serve_signaling(config).await,
        Some(Part::MediaRelay) => process.serve_relay(config).await,
        Some(Part::BillingMeter) => process.serve_meter(config).await,
    }
}

impl Process {
    /// All three, joined by links within the process.
    async fn serve_all(self, config: Config) -> Result<(), Box<dyn Error>> {
        let database = config.store.database.to_string();
        let (signaling, greeting) = self.bind_signaling(&config, Some(&database)).await?;
        let at = signaling.local_addr();
        let needs = self.meter_needs(&config, true)?;
        let Some(store) = open_stores(&needs).await? else { return Ok(()) };
        let relay = MediaRelay::bind(config.media_relay.clone(), self.clock, &self.registry)?;
        info!(signaling = %at, media = %media_addresses(&relay), "listening");
        let (signaling_to_relay, relay_to_signaling) = link::pair();
        let (signaling_to_meter, meter_to_signaling) = link::pair();
        let (relay_to_meter, meter_to_relay) = link::pair();
        // In the order in which they stop: signaling ends the calls, the meter settles them by the
        // relay's last reports.
        let services = vec![
            Service::start("signaling", |stop| {
                signaling.run(signaling_to_relay, signaling_to_meter, stop)
            }),
            meter::start(needs, store, meter_to_signaling, meter_to_relay),
            Service::start("media relay", |stop| {
                relay.run(relay_to_signaling, relay_to_meter, stop)
            }),
        ];
        if let Some(greeting) = greeting {
            cli::say(&greeting);
        }
        cli::say(&format!("listening on http://{at}"));
        self.run(services).await
    }

    async fn serve_signaling(self, config: Config) -> Result<(), Box<dyn Error>> {
        let mut lines = self.lines(Part::Signaling, &config)?;
        let (signaling, greeting) = self.bind_signaling(&config, None).await?;
        let at = signaling.local_addr();
        let (relay, meter) = lines.of_signaling().await?;
        let services = vec![Service::start("signaling", |stop| signaling.run(relay, meter, stop))];
        info!(signaling = %at, "listening");
        if let Some(greeting) = greeting {
            cli::say(&greeting);
        }
        cli::say(&format!("listening on http://{at}"));
        let outcome = self.run(services).await;
        lines.network.close().await;
        outcome
    }

    async fn serve_relay(self, config: Config) -> Result<(), Box<dyn Error>> {
        let mut lines = self.lines(Part::MediaRelay, &config)?;
        let relay = MediaRelay::bind(config.media_relay.clone(), self.clock, &self.registry)?;
        let at = media_addresses(&relay);
        let (signaling, meter) = lines.of_relay().await?;
        let services =
            vec![Service::start("media relay", |stop| relay.run(signaling, meter, stop))];
        info!(media = %at, "listening");
        cli::say(&format!("relaying media on {at}"));
        let outcome = self.run(services).await;
        lines.network.close().await;
        outcome
    }

    async fn serve_meter(self, config: Config) -> Result<(), Box<dyn Error>> {
        let mut lines = self.lines(Part::BillingMeter, &config)?;
        let needs = self.meter_needs(&config, false)?;
        let Some(store) = open_stores(&needs).await? else { return Ok(()) };
        let (signaling, relay) = lines.of_meter()?;
        let services = vec![meter::start(needs, store, signaling, relay)];
        cli::say(&format!("metering on {}", config.store.database));
        let outcome = self.run(services).await;
        lines.network.close().await;
        outcome
    }

    /// Runs until the word to stop, or until a service ends by itself; then stops all in order.
    async fn run(mut self, mut services: Vec<Service>) -> Result<(), Box<dyn Error>> {
        let serving = self.readiness.condition("serving");
        serving.holds();
        let early = tokio::select! {
            () = self.stop_words.said() => None,
            ended = any_end(&mut services) => Some(ended),
        };
        serving.fails("stopping");
        info!("stopping");
        let mut outcome = early.unwrap_or(Ok(()));
        for service in services.iter_mut().chain(&mut self.operations) {
            outcome = outcome.and(service.stop().await);
        }
        outcome
    }

    /// Signaling at its address, and what the demo's terminal shows: `database` is where the
    /// balances are, as far as this process knows.
    async fn bind_signaling(
        &self,
        config: &Config,
        database: Option<&str>,
    ) -> Result<(Signaling, Option<String>), Box<dyn Error>> {
        let token_key = self.token_key(config)?;
        let demo = self.demo.clone();
        let signaling = Signaling::bind(config.signaling.clone(), token_key, demo, self.clock)
            .await
            .map_err(explain_address)?;
        let signing = config.receipts.signing_key(config.mode, config.store.folder())?;
        let published = config.receipts.published(signing.as_ref())?;
        let signaling = signaling.with_receipt_key(published.map(|key| key.to_string()));
        let signaling = signaling.with_turn(config.turn.server()?);
        let at = signaling.local_addr();
        let greeting = self.demo.as_ref().map(|demo| demo::greeting(demo, at, database));
        Ok((signaling, greeting))
    }

    fn token_key(&self, config: &Config) -> Result<TokenKey, Box<dyn Error>> {
        if self.demo.is_none() {
            return Ok(config.auth.token_key()?);
        }
        Ok(demo::token_key(config.store.folder())?)
    }

    fn meter_needs<'a>(
        &'a self,
        config: &'a Config,
        whole: bool,
    ) -> Result<Needs<'a>, Box<dyn Error>> {
        let key = config.receipts.signing_key(config.mode, config.store.folder())?;
        if key.is_none() {
            warn!(
                "receipts are not signed, so nobody can prove what a call cost: \
                 set receipts.key_file"
            );
        }
        Ok(Needs {
            config: config.billing_meter,
            shares: config.shares.as_ref(),
            credits: &config.credits,
            store: &config.store,
            whole,
            demo: self.demo.as_ref(),
            sign: key.map(signer),
            clock: self.clock,
            registry: self.registry.clone(),
            readiness: self.readiness.clone(),
        })
    }

    fn lines<'a>(&self, part: Part, config: &'a Config) -> Result<Lines<'a>, Box<dyn Error>> {
        Lines::new(part, &config.links, self.clock, &self.registry, &self.readiness)
    }

    async fn open_operations(
        &self,
        listen: Option<SocketAddr>,
    ) -> Result<Option<Service>, StartError> {
        let Some(address) = listen else { return Ok(None) };
        let failed = |source| StartError::Operations { address, source };
        let port = Operations::bind(address).await.map_err(failed)?;
        info!(operations = %port.local_addr(), "listening");
        let (registry, readiness) = (self.registry.clone(), self.readiness.clone());
        Ok(Some(Service::start("private port", |stop: Shutdown| {
            port.serve(registry, readiness, stop)
        })))
    }
}

/// The meter's stores; `None` if the word to stop came first.
async fn open_stores(needs: &Needs<'_>) -> Result<Option<meter::Opened>, Box<dyn Error>> {
    let mut stop_words = StopWords::new()?;
    tokio::select! {
        opened = meter::open(needs) => Ok(Some(opened?)),
        () = stop_words.said() => Ok(None),
    }
}

/// Where the relay's workers listen.
fn media_addresses(relay: &MediaRelay) -> String {
    let addresses: Vec<_> = relay.local_addrs().map(|at| format!("udp://{at}")).collect();
    addresses.join(", ")
}

/// The first end that nobody asked for.
async fn any_end(services: &mut [Service]) -> Result<(), Box<dyn Error>> {
    let ends = services.iter_mut().map(|service| Box::pin(service.ended()));
    futures::future::select_all(ends).await.0
}

fn make_folder(folder: &Path) -> Result<(), StartError> {
    std::fs::create_dir_all(folder)
        .map_err(|source| StartError::Folder { path: folder.to_owned(), source })
}

/// The commonest reason not to start deserves a hint.
fn explain_address(error: signaling::Error) -> Box<dyn Error> {
    if let signaling::Error::Listen { address, source } = &error
        && source.kind() == io::ErrorKind::AddrInUse
    {
        return StartError::AddressInUse(*address).into();
    }
    error.into()
}
