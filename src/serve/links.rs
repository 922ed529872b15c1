//! What the services say to each other when each is a process of its own, and how.

use crate::cli::Part;
use crate::config::{Links, LinksError};
use prometheus::Registry;
use protocol::service::{
    MediaReport, MeterCommand, MeterEvent, RelayCommand, RelayEvent, RelayLimit,
};
use service_kit::Clock;
use service_kit::link::{Kind, Link, Name, Network, Settings};
use service_kit::operations::Readiness;
use std::error::Error;
use tracing::info;

/// Where others come in.
const MEDIA_RELAY: &str = "media-relay";
const BILLING_METER: &str = "billing-meter";

/// Signaling's two links.
pub(super) type ToRelay = Link<RelayCommand, RelayEvent>;
pub(super) type ToMeter = Link<MeterCommand, MeterEvent>;

/// The links of a process that runs one service.
pub(super) struct Lines<'a> {
    config: &'a Links,
    pub(super) network: Network,
}

/// The relay as a meter sees it.
type RelayOfMeter = Link<RelayLimit, MediaReport>;

impl<'a> Lines<'a> {
    /// # Errors
    /// No usable secret.
    pub(super) fn new(
        part: Part,
        config: &'a Links,
        clock: Clock,
        registry: &Registry,
        readiness: &Readiness,
    ) -> Result<Self, Box<dyn Error>> {
        let role = || Name::try_from(part.name().to_owned()).expect("roles are plain words");
        let name = config.name.clone().unwrap_or_else(role);
        let secret = config.secret()?;
        let readiness = readiness.clone();
        let network = Network::new(Settings { name, secret, clock, readiness }, registry)?;
        Ok(Self { config, network })
    }

    /// Signaling's ends: relay and meters come to it.
    ///
    /// # Errors
    /// The address can't be had.
    pub(super) async fn of_signaling(&mut self) -> Result<(ToRelay, ToMeter), Box<dyn Error>> {
        let restarted: fn() -> RelayEvent = || RelayEvent::Restarted;
        let relay = Kind {
            replaces: |_: &RelayCommand| None,
            lasts: |_| false,
            restarted: Some(restarted),
        };
        let meter = Kind { replaces: same_end, lasts: |_| false, restarted: None };
        let links =
            (self.network.door(MEDIA_RELAY, relay), self.network.door(BILLING_METER, meter));
        self.listen(Part::Signaling).await?;
        Ok(links)
    }

    /// The relay's ends: it goes to signaling, and meters come to it.
    ///
    /// # Errors
    /// The address can't be had.
    pub(super) async fn of_relay(
        &mut self,
    ) -> Result<(Link<RelayEvent, RelayCommand>, Link<MediaReport, RelayLimit>), Box<dyn Error>>
    {
        let close_all: fn() -> RelayCommand = || RelayCommand::CloseAll;
        let signaling =
            Kind { replaces: |_: &RelayEvent| None, lasts: |_| false, restarted: Some(close_all) };
        let meter = Kind { replaces: later_report, lasts: is_last_report, restarted: None };
        let at = self.config.signaling.clone();
        let at = at.ok_or(LinksError::Missing(Part::MediaRelay, "signaling"))?;
        let signaling = self.network.dial("signaling", at, MEDIA_RELAY, signaling);
        let meter = self.network.door(BILLING_METER, meter);
        self.listen(Part::MediaRelay).await?;
        Ok((signaling, meter))
    }

    /// A meter's ends: it goes to both.
    ///
    /// # Errors
    /// An address is missing.
    pub(super) fn of_meter(
        &mut self,
    ) -> Result<(Link<MeterEvent, MeterCommand>, RelayOfMeter), LinksError> {
        let end_all: fn() -> MeterCommand = || MeterCommand::EndAll;
        let signaling = Kind { replaces: later_tick, lasts: |_| false, restarted: Some(end_all) };
        let relay = Kind {
            replaces: |limit: &RelayLimit| Some(limit.call.0),
            lasts: |_| false,
            restarted: None,
        };
        let missing = |name| move || LinksError::Missing(Part::BillingMeter, name);
        let at = self.config.signaling.clone().ok_or_else(missing("signaling"))?;
        let signaling = self.network.dial("signaling", at, BILLING_METER, signaling);
        let at = self.config.relay.clone().ok_or_else(missing("relay"))?;
        Ok((signaling, self.network.dial("media-relay", at, BILLING_METER, relay)))
    }

    async fn listen(&mut self, part: Part) -> Result<(), Box<dyn Error>> {
        let at = self.config.listen.ok_or(LinksError::Missing(part, "listen"))?;
        let failed = |source| format!("links can't listen on {at}: {source}");
        let bound = self.network.listen(at).await.map_err(failed)?;
        info!(links = %bound, "listening");
        Ok(())
    }
}

/// An end is said until its bill comes.
fn same_end(command: &MeterCommand) -> Option<uuid::Uuid> {
    if let MeterCommand::End { call, .. } = command { Some(call.0) } else { None }
}

/// What a room carried in all: a meter that takes its call over later must hear it too.
fn is_last_report(report: &MediaReport) -> bool {
    report.last && later_report(report).is_some()
}

/// Counts are cumulative. A report of nothing is the answer to the end of a room that is not there,
/// and replaces nothing.
fn later_report(report: &MediaReport) -> Option<uuid::Uuid> {
    let carried = report.to_fan.packets + report.to_host.packets > 0;
    carried.then_some(report.call.0)
}

/// The state of a live call; everything else is said for itself.
fn later_tick(event: &MeterEvent) -> Option<uuid::Uuid> {
    if let MeterEvent::Metered { call, .. } = event { Some(call.0) } else { None }
}
