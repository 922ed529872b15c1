//! The media relay as a process of its own, and signaling's end of its link.

use super::ProcessError;
use crate::server_process::Running;
use prometheus::Registry;
use protocol::service::{RelayCommand, RelayEvent};
use rustix::process::Pid;
use service_kit::link::{Kind, Link, Name, Network, Secret, Settings};
use service_kit::operations::Readiness;
use service_kit::{Clock, entropy};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::timeout;

/// The door through which relays come in to signaling.
const DOOR: &str = "media-relay";

/// What it prints when it is up, before its address.
const READY_LINE: &str = "relaying media on ";

/// How long the relay may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// A running relay.
pub(super) struct Relay {
    running: Running,
    link: Link<RelayCommand, RelayEvent>,
    network: Network,
    /// Heard and not yet waited for.
    waiting: Vec<RelayEvent>,
}

impl Relay {
    /// Starts a relay with one media thread.
    ///
    /// # Errors
    /// [`ProcessError`]
    pub(super) async fn start(clock: Clock) -> Result<Self, ProcessError> {
        let secret = entropy::bytes::<32>().iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        let readiness = Readiness::default();
        let settings = Settings {
            name: Name::try_from("loadtest".to_owned()).expect("a plain word"),
            secret: Secret::new(secret.as_bytes()).expect("64 bytes are enough"),
            clock,
            readiness: readiness.clone(),
        };
        let mut network = Network::new(settings, &Registry::new())?;
        let restarted: fn() -> RelayEvent = || RelayEvent::Restarted;
        let kind = Kind {
            replaces: |_: &RelayCommand| None,
            lasts: |_| false,
            restarted: Some(restarted),
        };
        let link = network.door(DOOR, kind);
        let at = network.listen(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let folder = tempfile::tempdir()?;
        let secret_file = folder.path().join("secret");
        std::fs::write(&secret_file, &secret)?;
        let config = format!(
            "mode = \"demo\"\n\
             media_relay.listen = \"127.0.0.1:0\"\n\
             media_relay.workers = 1\n\
             media_relay.legs_max = 10000\n\
             links.listen = \"127.0.0.1:0\"\n\
             links.signaling = \"ws://{at}\"\n\
             links.secret_file = {secret_file:?}\n"
        );
        let arguments = ["--role", "media-relay"];
        let running = Running::start(folder, &config, &arguments, READY_LINE).await?;
        // What is said before it has come in would be said to nobody.
        let late = |_| ProcessError::NoAnswer(readiness.reasons().join(", "));
        timeout(ANSWER_WITHIN, readiness.reached()).await.map_err(late)?;
        Ok(Self { running, link, network, waiting: Vec::new() })
    }

    pub(super) fn pid(&self) -> Option<Pid> {
        self.running.pid()
    }

    pub(super) fn say(&self, command: RelayCommand) {
        // The link's other half is ours; it does not end before us.
        let _ = self.link.outgoing.send(command);
    }

    /// The first event that matches, of those that came and those that come.
    ///
    /// # Errors
    /// [`ProcessError::NoAnswer`]
    pub(super) async fn hears(
        &mut self,
        matches: impl Fn(&RelayEvent) -> bool,
    ) -> Result<RelayEvent, ProcessError> {
        if let Some(at) = self.waiting.iter().position(&matches) {
            return Ok(self.waiting.remove(at));
        }
        let coming = async {
            loop {
                let event = self.link.incoming.recv().await?;
                if matches(&event) {
                    return Some(event);
                }
                self.waiting.push(event);
            }
        };
        match timeout(ANSWER_WITHIN, coming).await {
            Ok(Some(event)) => Ok(event),
            Ok(None) | Err(_) => Err(ProcessError::NoAnswer(format!("{:?}", self.waiting))),
        }
    }

    /// Stops it by SIGTERM.
    ///
    /// # Errors
    /// [`ProcessError::Server`]
    pub(super) async fn stop(self) -> Result<(), ProcessError> {
        self.running.stop().await?;
        self.network.close().await;
        Ok(())
    }
}
