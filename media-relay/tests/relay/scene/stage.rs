//! A running relay, and the other services' ends of its links.

use super::DEADLINE;
use super::peer::{Peer, Picture, Running};
use super::trouble::Trouble;
use media_relay::{Config, Error, MediaRelay};
use prometheus::{Registry, TextEncoder};
use protocol::client::Party;
use protocol::service::{MediaReport, OfferRefusal, RelayCommand, RelayEvent, RelayLimit};
use service_kit::link::{Link, pair};
use service_kit::{Clock, Shutdown, Trigger, entropy};
use std::net::SocketAddr;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use units::{CallId, ElapsedMs};

pub(crate) struct Stage {
    pub(crate) clock: Clock,
    registry: Registry,
    signaling: Link<RelayCommand, RelayEvent>,
    meter: Link<RelayLimit, MediaReport>,
    /// Every event received and not yet waited for.
    waiting: Vec<RelayEvent>,
    requests: u64,
    trigger: Trigger,
    relay_task: JoinHandle<Result<(), Error>>,
}

impl Stage {
    pub(crate) fn new(config: Config) -> Self {
        Self::try_new(config).expect("free ports")
    }

    /// `None` if a port is taken.
    pub(crate) fn try_new(config: Config) -> Option<Self> {
        let clock = Clock::start();
        let registry = Registry::new();
        let relay = match MediaRelay::bind(config, clock, &registry) {
            Err(Error::Bind { .. }) => return None,
            bound => bound.unwrap(),
        };
        let (signaling, to_signaling) = pair();
        let (meter, to_meter) = pair();
        let (trigger, shutdown) = Shutdown::new();
        Some(Self {
            clock,
            registry,
            signaling,
            meter,
            waiting: Vec::new(),
            requests: 0,
            trigger,
            relay_task: tokio::spawn(relay.run(to_signaling, to_meter, shutdown)),
        })
    }

    pub(crate) fn open(&self, funded_ms: u64) -> CallId {
        let call = entropy::call_id();
        self.send(RelayCommand::OpenRoom { call, funded_ms: ElapsedMs(funded_ms) });
        call
    }

    pub(crate) fn limit(&self, call: CallId, funded_ms: u64) {
        let limit = RelayLimit { call, funded_ms: ElapsedMs(funded_ms) };
        self.meter.outgoing.send(limit).unwrap();
    }

    pub(crate) fn send(&self, command: RelayCommand) {
        self.signaling.outgoing.send(command).unwrap();
    }

    pub(crate) async fn admit(
        &mut self,
        call: CallId,
        party: Party,
        offer: &str,
    ) -> Result<String, OfferRefusal> {
        self.requests += 1;
        let asked = self.requests;
        self.send(RelayCommand::Admit { call, party, request: asked, offer: offer.to_owned() });
        let event = self
            .event(|event| {
                matches!(event, RelayEvent::Answered { request, .. }
                    | RelayEvent::Refused { request, .. } if *request == asked)
            })
            .await;
        if let RelayEvent::Answered { answer, .. } = event {
            return Ok(answer);
        }
        let RelayEvent::Refused { refusal, .. } = event else { panic!("{event:?}") };
        Err(refusal)
    }

    /// A peer with `picture`, connected as `party`.
    pub(crate) async fn join(&mut self, call: CallId, party: Party, picture: Picture) -> Running {
        self.join_in(Trouble::None, call, party, picture).await
    }

    /// The same with a peer in trouble.
    pub(crate) async fn join_in(
        &mut self,
        trouble: Trouble,
        call: CallId,
        party: Party,
        picture: Picture,
    ) -> Running {
        let (peer, offer) = Peer::new(self.clock, picture).await;
        let answer = self.admit(call, party, &offer).await.unwrap();
        let running = peer.suffers(trouble).run(&answer);
        let connected = RelayEvent::Connected { call, party };
        self.event(|event| *event == connected).await;
        running
    }

    /// The first event that matches, from those that came and those that come.
    pub(crate) async fn event(&mut self, matches: impl Fn(&RelayEvent) -> bool) -> RelayEvent {
        if let Some(index) = self.waiting.iter().position(&matches) {
            return self.waiting.remove(index);
        }
        loop {
            let event = timeout(DEADLINE, self.signaling.incoming.recv()).await;
            let Ok(Some(event)) = event else {
                panic!("no such event; instead {:?}", self.waiting);
            };
            if matches(&event) {
                return event;
            }
            self.waiting.push(event);
        }
    }

    /// Every event that came so far and was not waited for.
    pub(crate) fn events(&mut self) -> &[RelayEvent] {
        while let Ok(event) = self.signaling.incoming.try_recv() {
            self.waiting.push(event);
        }
        &self.waiting
    }

    /// The next report that matches; reports of each call must only grow.
    pub(crate) async fn report(&mut self, matches: impl Fn(&MediaReport) -> bool) -> MediaReport {
        let mut before: Option<MediaReport> = None;
        loop {
            let report = timeout(DEADLINE, self.meter.incoming.recv()).await;
            let Ok(Some(report)) = report else { panic!("no such report; at last {before:?}") };
            for carried in [report.to_fan, report.to_host] {
                let decided = carried.proven_ms.0 + carried.lost_ms.0;
                assert!(decided <= carried.forwarded_ms.0, "{report:?}");
                let shown = carried.video_ms.0 + carried.frozen_ms.0;
                assert!(shown.max(carried.silent_ms.0) <= carried.proven_ms.0, "{report:?}");
            }
            if let Some(before) = before.filter(|before| before.call == report.call) {
                assert!(
                    before.to_fan.proven_ms <= report.to_fan.proven_ms,
                    "{before:?} {report:?}"
                );
                assert!(before.to_fan.packets <= report.to_fan.packets, "{before:?} {report:?}");
            }
            if matches(&report) {
                return report;
            }
            before = Some(report);
        }
    }

    /// The value of a metric as operators see it; the name with its labels.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let shown = TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap();
        let mut values =
            shown.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        values.next().expect(name).parse().unwrap()
    }

    /// Waits until a metric has at least this value.
    pub(crate) async fn metric_reaches(&self, name: &str, value: u64) {
        let reached = async {
            while self.metric(name) < value {
                tokio::task::yield_now().await;
            }
        };
        timeout(DEADLINE, reached).await.expect(name);
    }

    /// Closes the room; the last report.
    pub(crate) async fn close(&mut self, call: CallId) -> MediaReport {
        self.send(RelayCommand::CloseRoom { call });
        self.report(|report| report.call == call && report.last).await
    }

    /// The word to stop, without waiting.
    pub(crate) fn ask_to_stop(&self) {
        self.trigger.stop();
    }

    /// Stops the relay and waits until its thread has ended.
    pub(crate) async fn stop(self) {
        self.trigger.stop();
        timeout(DEADLINE, self.relay_task).await.unwrap().unwrap().unwrap();
    }
}

/// Where an answer says that the call's worker is.
pub(crate) fn relay_of(answer: &str) -> SocketAddr {
    let candidate = answer.lines().find(|line| line.starts_with("a=candidate:")).expect("one");
    let mut words = candidate.split(' ').skip(4);
    let (ip, port) = (words.next().unwrap(), words.next().unwrap());
    SocketAddr::new(ip.parse().unwrap(), port.parse().unwrap())
}
