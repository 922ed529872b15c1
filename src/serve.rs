//! `coinline serve`: the three services in one process, joined by in-process links.

use crate::cli::{self, ServeOptions};
use crate::config::{Config, Mode};
use crate::{demo, receipt_key};
use billing_core::{Credit, CreditKind};
use billing_meter::Surroundings;
use media_relay::MediaRelay;
use prometheus::Registry;
use service_kit::operations::Readiness;
use service_kit::{Clock, Shutdown, Trigger, link, telemetry};
use signaling::{Demo, Signaling};
use std::error::Error;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use store::{Options, Sqlite, Store, hot};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tracing::info;
use units::{MeterId, MicroCoins};

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("can't make the folder {path}")]
    Folder { path: PathBuf, source: io::Error },
    #[error("can't open the database {path}")]
    Database { path: PathBuf, source: store::Error },
    #[error(
        "{0} is in use by another program; choose another address, such as --listen 127.0.0.1:8090"
    )]
    AddressInUse(SocketAddr),
}

/// Serves until SIGINT or SIGTERM, then settles what is open.
///
/// # Errors
/// If the configuration is not usable, a port or file can't be had, or a service fails.
pub(crate) fn run(options: &ServeOptions) -> Result<(), Box<dyn Error>> {
    let config = Config::load(options.config.as_deref(), options.listen)?;
    telemetry::start(&config.log.filter, config.log.format)?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(config))
}

async fn serve(config: Config) -> Result<(), Box<dyn Error>> {
    let clock = Clock::start();
    let mut stop_words = StopWords::new()?;
    let database = config.store.database;
    let folder = database.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)
        .map_err(|source| StartError::Folder { path: folder.to_owned(), source })?;
    let (token_key, demo) = match config.mode {
        Mode::Production => (config.auth.token_key()?, None),
        Mode::Demo => (demo::token_key(folder)?, Some(config.demo.unwrap_or_else(demo::people))),
    };
    let books = Sqlite::open(&database)
        .await
        .map_err(|source| StartError::Database { path: database.clone(), source })?;
    let signing_key = config.receipts.signing_key(config.mode, folder)?;
    let published_key = config.receipts.published(signing_key.as_ref())?;
    let sign = signing_key.map(receipt_key::signer);
    let store = Store::new(
        hot::Memory::default(),
        books,
        Options { inline_checkpoint: true, sign, ..Options::new(MeterId::ALONE) },
    );
    let surroundings = Surroundings {
        clock,
        registry: Registry::new(),
        ready: Readiness::default().condition("billing meter"),
        alone: true,
        presents: demo.as_ref().map_or_else(Vec::new, |demo| presents(demo, clock)),
    };
    let relay = MediaRelay::bind(config.media_relay, clock)?;
    let signaling = Signaling::bind(config.signaling, token_key, demo.clone(), clock)
        .await
        .map_err(explain_address)?
        .with_receipt_key(published_key.map(|key| key.to_string()));
    let at = signaling.local_addr();
    info!(signaling = %at, media = %relay.local_addr(), "listening");

    let (signaling_to_relay, relay_to_signaling) = link::pair();
    let (signaling_to_meter, meter_to_signaling) = link::pair();
    let (relay_to_meter, meter_to_relay) = link::pair();
    let meter = config.billing_meter;
    // In the order in which they stop: signaling ends the calls, the meter settles them by the
    // relay's last reports.
    let mut services = [
        Service::start("signaling", |stop| {
            signaling.run(signaling_to_relay, signaling_to_meter, stop)
        }),
        Service::start("billing meter", |stop| {
            billing_meter::run(meter, store, surroundings, meter_to_signaling, meter_to_relay, stop)
        }),
        Service::start("media relay", |stop| relay.run(relay_to_signaling, relay_to_meter, stop)),
    ];
    if let Some(demo) = &demo {
        cli::say(&demo::greeting(demo, at, &database));
    }
    cli::say(&format!("listening on http://{at}"));

    let [signaling, meter, relay] = &mut services;
    let early = tokio::select! {
        () = stop_words.said() => None,
        ended = signaling.ended() => Some(ended),
        ended = meter.ended() => Some(ended),
        ended = relay.ended() => Some(ended),
    };
    info!("stopping");
    let mut outcome = early.unwrap_or(Ok(()));
    for service in &mut services {
        outcome = outcome.and(service.stop().await);
    }
    outcome
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

/// What each demo person starts with: given once, however often the server starts.
fn presents(demo: &Demo, clock: Clock) -> Vec<Credit> {
    let rich = demo.users.iter().filter(|user| user.coins > MicroCoins::ZERO);
    rich.map(|user| Credit {
        id: format!("demo-start:{}", user.id),
        user: user.id.clone(),
        amount: user.coins,
        kind: CreditKind::Purchase,
        at: clock.unix(),
    })
    .collect()
}

/// A running service and the word that stops it.
struct Service {
    name: &'static str,
    trigger: Trigger,
    /// `None` once its end was told.
    task: Option<JoinHandle<Result<(), Box<dyn Error + Send + Sync>>>>,
}

impl Service {
    fn start<F, E>(name: &'static str, run: impl FnOnce(Shutdown) -> F) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Error + Send + Sync + 'static,
    {
        let (trigger, shutdown) = Shutdown::new();
        let running = run(shutdown);
        let task = tokio::spawn(async move { Ok(running.await?) });
        Self { name, trigger, task: Some(task) }
    }

    /// Waits for an end that nobody asked for.
    async fn ended(&mut self) -> Result<(), Box<dyn Error>> {
        self.join().await?;
        Err(format!("the {} ended by itself", self.name).into())
    }

    async fn stop(&mut self) -> Result<(), Box<dyn Error>> {
        self.trigger.stop();
        self.join().await
    }

    async fn join(&mut self) -> Result<(), Box<dyn Error>> {
        let Some(task) = &mut self.task else { return Ok(()) };
        let outcome = task.await;
        self.task = None;
        match outcome {
            Ok(outcome) => outcome.map_err(|error| error as Box<dyn Error>),
            Err(panicked) => Err(panicked.into()),
        }
    }
}

/// SIGINT (Ctrl-C) and SIGTERM.
struct StopWords {
    interrupt: Signal,
    terminate: Signal,
}

impl StopWords {
    fn new() -> io::Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { interrupt, terminate: signal(SignalKind::terminate())? })
    }

    async fn said(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
