//! The billing meter on the stores that the configuration names.

use super::StartError;
use super::service::Service;
use crate::config::{Database, Store as StoreConfig};
use billing_core::{Credit, CreditKind, CreditRules, ShareTiers};
use billing_meter::{Config, Surroundings};
use prometheus::Registry;
use protocol::service::{MediaReport, MeterCommand, MeterEvent, RelayLimit};
use service_kit::link::Link;
use service_kit::operations::Readiness;
use service_kit::{Clock, entropy};
use signaling::Demo;
use std::path::Path;
use std::time::Duration;
use store::{Hot, Ledger, Options, Postgres, Redis, Sign, Sqlite, Store, hot};
use tracing::warn;
use units::{MeterId, MicroCoins};
use uuid::Uuid;

/// The pause before a database that could not be reached is tried again; an attempt itself takes up
/// to 5 s. More would start later; less would fill the log.
const REACH_AGAIN_EVERY: Duration = Duration::from_secs(1);

/// What the meter needs besides its links.
pub(super) struct Needs<'a> {
    pub(super) config: Config,
    pub(super) shares: Option<&'a ShareTiers>,
    pub(super) credits: &'a CreditRules,
    pub(super) store: &'a StoreConfig,
    /// Whether signaling and relay are in this process.
    pub(super) whole: bool,
    pub(super) demo: Option<&'a Demo>,
    pub(super) sign: Option<Sign>,
    pub(super) clock: Clock,
    pub(super) registry: Registry,
    pub(super) readiness: Readiness,
}

/// The stores are there; the meter is not yet running.
pub(super) enum Opened {
    File(Box<Store<hot::Memory, Sqlite>>),
    Servers(Box<Store<Redis, Postgres>>),
}

/// Opens the stores.
///
/// # Errors
/// [`StartError`]
pub(super) async fn open(needs: &Needs<'_>) -> Result<Opened, StartError> {
    let Needs { store, shares, credits, sign, .. } = needs;
    let options = |meter| Options {
        shares: shares.cloned(),
        credits: Some((*credits).clone()),
        sign: sign.clone(),
        ..Options::new(meter)
    };
    let database = &store.database;
    let failed = |source| StartError::Database { name: database.to_string(), source };
    // With leases that end, a run takes the shards of the one before when its leases have ended.
    let a_run = || MeterId(Uuid::from_bytes(entropy::bytes()));
    match database {
        Database::Sqlite(path) => {
            let folder = path.parent().unwrap_or(Path::new("."));
            super::make_folder(folder)?;
            let ledger = Sqlite::open(path).await.map_err(failed)?;
            let meter = if needs.whole { MeterId::ALONE } else { a_run() };
            let options = Options { inline_checkpoint: true, ..options(meter) };
            Ok(Opened::File(Box::new(Store::new(hot::Memory::default(), ledger, options))))
        }
        Database::Postgres(url) => {
            let ledger = reach(url.secret(), &needs.readiness).await.map_err(failed)?;
            let redis = &store.redis;
            let hot = match redis.several() {
                Some(nodes) => Redis::cluster(&nodes),
                None => Redis::one(redis.secret()),
            };
            let hot =
                hot.map_err(|source| StartError::Redis { name: redis.to_string(), source })?;
            Ok(Opened::Servers(Box::new(Store::new(hot, ledger, options(a_run())))))
        }
    }
}

/// Connects to the database, however long it is away: what is started together comes up in any
/// order, and a meter that ends leaves its supervisor with nothing better to do than to start it.
async fn reach(url: &str, readiness: &Readiness) -> Result<Postgres, store::Error> {
    let there = readiness.condition("ledger");
    loop {
        match Postgres::open(url).await {
            Err(error) if error.is_passing() => {
                warn!(%error, "the ledger can't be reached; trying on");
                there.fails("it can't be reached");
                tokio::time::sleep(REACH_AGAIN_EVERY).await;
            }
            outcome => {
                there.holds();
                return outcome;
            }
        }
    }
}

/// Starts the meter.
pub(super) fn start(
    needs: Needs<'_>,
    opened: Opened,
    signaling: Link<MeterEvent, MeterCommand>,
    relay: Link<RelayLimit, MediaReport>,
) -> Service {
    match opened {
        Opened::File(store) => start_on(needs, *store, signaling, relay),
        Opened::Servers(store) => start_on(needs, *store, signaling, relay),
    }
}

fn start_on<H: Hot, L: Ledger>(
    needs: Needs<'_>,
    store: Store<H, L>,
    signaling: Link<MeterEvent, MeterCommand>,
    relay: Link<RelayLimit, MediaReport>,
) -> Service {
    let Needs { config, whole, demo, clock, registry, readiness, store: kind, .. } = needs;
    let surroundings = Surroundings {
        clock,
        registry,
        ready: readiness.condition("billing meter"),
        alone: whole && matches!(kind.database, Database::Sqlite(_)),
        presents: demo.map_or_else(Vec::new, |demo| presents(demo, clock)),
    };
    Service::start("billing meter", |stop| {
        billing_meter::run(config, store, surroundings, signaling, relay, stop)
    })
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
