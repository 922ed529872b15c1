//! The private port: what the process tells its operators.
//!
//! `/metrics` in the text format of Prometheus, `/healthz` (the process runs), `/readyz` (it can
//! do its work; 503 with the reasons while it can't). It answers anybody who reaches it, so it
//! listens where only operators do.

use crate::Shutdown;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus::{Registry, TextEncoder};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::{info, warn};

/// Whether the process can do its work: it is ready when each of its conditions holds. Clones are
/// the same readiness.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    /// By name: why the condition does not hold.
    reasons: Arc<watch::Sender<Reasons>>,
}

type Reasons = BTreeMap<&'static str, Option<String>>;

/// One thing that must hold for the process to be ready. Clones are the same condition.
#[derive(Clone, Debug)]
pub struct Condition {
    name: &'static str,
    readiness: Readiness,
}

impl Readiness {
    /// A condition, which does not hold until [`Condition::holds`]. The reason until then is
    /// "not yet". A name that was given before names the same condition.
    #[must_use]
    pub fn condition(&self, name: &'static str) -> Condition {
        self.reasons.send_modify(|reasons| {
            reasons.entry(name).or_insert_with(|| Some("not yet".to_owned()));
        });
        Condition { name, readiness: self.clone() }
    }

    /// Each condition that does not hold, as "name: reason". Empty: the process is ready.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        let told = |(name, reason): (&&str, &Option<String>)| {
            reason.as_ref().map(|reason| format!("{name}: {reason}"))
        };
        self.reasons.borrow().iter().filter_map(told).collect()
    }

    /// Waits until the process is ready.
    pub async fn reached(&self) {
        let ready = |reasons: &Reasons| reasons.values().all(Option::is_none);
        // The sender is ours and lives as long as we wait.
        let _ = self.reasons.subscribe().wait_for(ready).await;
    }
}

impl Condition {
    /// The condition holds.
    pub fn holds(&self) {
        self.set(None);
    }

    /// The condition does not hold. The reason is shown to operators: no secrets in it.
    pub fn fails(&self, reason: impl Into<String>) {
        self.set(Some(reason.into()));
    }

    fn set(&self, reason: Option<String>) {
        let changed = self.readiness.reasons.send_if_modified(|reasons| {
            let before = reasons.insert(self.name, reason.clone());
            before.is_none_or(|before| before != reason)
        });
        match reason {
            Some(reason) if changed => warn!(condition = self.name, %reason, "not ready"),
            None if changed => info!(condition = self.name, "ready"),
            Some(_) | None => {}
        }
    }
}

/// The private port, bound and not yet answering.
#[derive(Debug)]
pub struct Operations {
    listener: TcpListener,
    address: SocketAddr,
}

impl Operations {
    /// Takes the address.
    ///
    /// # Errors
    /// The address is taken or not ours.
    pub async fn bind(listen: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Where it listens: the port filled in.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown`.
    ///
    /// # Errors
    /// The listener failed.
    pub async fn serve(
        self,
        registry: Registry,
        readiness: Readiness,
        mut shutdown: Shutdown,
    ) -> io::Result<()> {
        let router = Router::new()
            .route("/healthz", get(async || "ok\n"))
            .route("/readyz", get(ready).with_state(readiness))
            .route("/metrics", get(metrics).with_state(registry));
        let serving = axum::serve(self.listener, router).into_future();
        tokio::select! {
            outcome = serving => outcome,
            // Answers are short; nobody is owed the rest of one.
            () = shutdown.requested() => Ok(()),
        }
    }
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    let reasons = readiness.reasons();
    if reasons.is_empty() {
        return "ready\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n").into_response()
}

async fn metrics(State(registry): State<Registry>) -> Response {
    match TextEncoder::new().encode_to_string(&registry.gather()) {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
            .into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}
