//! One world: people, signaling, meters, relay, stores and the ways between them, in one thread.
//!
//! Nothing in it happens at random: one seed draws everything, and time moves only when nothing is
//! left to do. After each step the auditor looks at the books.

mod bridge;
mod troubles;
mod whims;

use crate::auditor::Auditor;
use crate::faults::{Fault, Weather};
use crate::faulty::{FaultyHot, FaultyLedger, Ghosts, Way, arrive};
use crate::meter::{Meter, SimStore};
use crate::network::Network;
use crate::people::{Act, Person};
use crate::relay::{Relay, STEP_MS};
use crate::{Chance, Timeline, Trace};
use billing_core::{Ownership, Settings};
use call_core::{AskId, Party, PriceBand, PriceBands, Role, Rules, Switchboard};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use store::Options;
use troubles::Mend;
use units::{CallId, ElapsedMs, MeterId, MicroCoins, MonotonicMs, Rate, Shard, ShareBps};
use whims::Whim;

/// How long people are active.
const ACTIVE_MS: u64 = 90_000;

/// How long the world then has to come to rest: takeovers, retries and waits for last reports.
const REST_MS: u64 = 90_000;

/// How far back a lagging replica can be.
const SNAPSHOTS: usize = 40;

/// Between snapshots of the hot store.
const SNAPSHOT_MS: u64 = 250;

/// More rounds than this at one moment are no progress.
const SPIN_MAX: u32 = 10_000;

/// What travels, or happens at its time.
#[derive(Clone, Debug)]
enum Event {
    ToMeter(usize, billing_core::Input),
    ToSignaling(call_core::Input),
    ToRelay(Order),
    Act(usize, Act),
    Whim(Whim),
    Fault(Fault),
    Mend(Mend),
    Snapshot,
}

/// What the relay is told.
#[derive(Clone, Debug)]
enum Order {
    Open { call: CallId, funded: ElapsedMs },
    Limit { call: CallId, funded: ElapsedMs },
    Admit { call: CallId, party: Party, ask: AskId },
    Connected { call: CallId, party: Party },
    Close { call: CallId },
}

/// How a world ended.
#[derive(Debug)]
pub struct Outcome {
    /// What the auditor found, if anything.
    pub failure: Option<String>,
    /// Calls that were settled.
    pub calls: usize,
    /// How often all books were looked at.
    pub audits: u64,
    /// What happened, if it was to be kept.
    pub trace: Vec<String>,
}

/// The world of one seed.
pub struct World {
    chance: Chance,
    timeline: Timeline,
    trace: Trace,
    network: Network<Event>,
    people: Vec<Person>,
    sockets: u64,
    board: Switchboard,
    relay: Relay,
    /// Which sides of a call have media up.
    connected: BTreeMap<CallId, u8>,
    meters: Vec<Meter>,
    ways: Vec<Ways>,
    settings: Settings,
    hot: Arc<store::hot::Memory>,
    snapshots: VecDeque<store::hot::Snapshot>,
    ghosts: Ghosts,
    ledger: Arc<store::ledger::Memory>,
    /// Calls that run beside signaling: a second call on a wallet.
    direct: BTreeMap<CallId, usize>,
    /// Those that a meter has opened: what another says of them later means nothing.
    direct_opened: BTreeSet<CallId>,
    /// What their people were told last.
    direct_told: BTreeMap<CallId, (units::ElapsedMs, units::MicroCoins)>,
    /// Those that are over and have no bill yet.
    direct_ends: BTreeMap<CallId, (units::UserId, billing_core::EndReason)>,
    /// Who pays for which call of signaling's.
    fans: BTreeMap<CallId, units::UserId>,
    requests: u64,
    /// Credits that were asked for, by request.
    asked_credits: BTreeMap<u64, (String, MicroCoins)>,
    auditor: Auditor,
    weather: Weather,
    next_step: u64,
}

/// A meter's ways to its stores.
struct Ways {
    hot: Way,
    ledger: Way,
}

impl World {
    /// The world of `seed`, with a trace if somebody will read it.
    #[must_use]
    pub fn new(seed: u64, keep_trace: bool) -> Self {
        let (chance, timeline) = (Chance::new(seed), Timeline::default());
        let trace = Trace::new(timeline.clone(), keep_trace);
        let count = usize::try_from(chance.between(1, 3)).expect("a small number");
        let weather = Weather::draw(&chance, count, ACTIVE_MS);
        trace.note("world", || format!("seed {seed}, {count} meters, {weather:?}"));
        let settings = settings(&chance);
        trace.note("world", || format!("{settings:?}"));
        let (hot_away, ledger_away) = (Arc::default(), Arc::default());
        let trouble = Arc::new(AtomicU64::new(weather.store_trouble));
        let way = |away: &Arc<AtomicBool>| Way {
            chance: chance.clone(),
            timeline: timeline.clone(),
            away: Arc::clone(away),
            cut: Arc::default(),
            trouble: Arc::clone(&trouble),
        };
        let ways = (0..count).map(|_| Ways { hot: way(&hot_away), ledger: way(&ledger_away) });
        let mut world = Self {
            network: Network::new(weather.message_trouble),
            people: people(&chance),
            sockets: 0,
            board: Switchboard::new(rules()),
            relay: Relay::default(),
            connected: BTreeMap::new(),
            meters: (0..count).map(|n| Meter::new(format!("meter {n}"))).collect(),
            ways: ways.collect(),
            settings,
            hot: Arc::default(),
            snapshots: VecDeque::new(),
            ghosts: Ghosts::default(),
            ledger: Arc::default(),
            direct: BTreeMap::new(),
            direct_opened: BTreeSet::new(),
            direct_told: BTreeMap::new(),
            direct_ends: BTreeMap::new(),
            fans: BTreeMap::new(),
            // Beyond whatever signaling asks by itself.
            requests: 1 << 40,
            asked_credits: BTreeMap::new(),
            auditor: Auditor::default(),
            weather,
            next_step: 0,
            chance,
            timeline,
            trace,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        for (at, fault) in self.weather.faults.clone() {
            self.network.at(at, Event::Fault(fault));
        }
        for meter in 0..self.meters.len() {
            self.start_meter(meter);
        }
        for place in 0..self.people.len() {
            let shard = Shard::of(&self.people[place].user);
            if self.people[place].role == Role::Fan {
                self.auditor.shards.insert(shard);
                self.network.at(self.chance.between(1_000, 3_000), Event::Whim(Whim::TopUp(place)));
            }
            self.network.at(self.chance.between(0, 3_000), Event::Act(place, Act::Connect));
        }
        self.network.at(SNAPSHOT_MS, Event::Snapshot);
        self.schedule_whims();
    }

    fn start_meter(&mut self, n: usize) {
        if self.meters[n].life.is_some() {
            // One that was stopping was not done, and knows no more than one that was killed.
            self.auditor.excuse(self.relay.died.iter().copied());
        }
        let ways = &self.ways[n];
        let id = MeterId(self.chance.id());
        let hot = FaultyHot {
            way: ways.hot.clone(),
            inner: Arc::clone(&self.hot),
            ghosts: Arc::clone(&self.ghosts),
        };
        let ledger = FaultyLedger { way: ways.ledger.clone(), inner: Arc::clone(&self.ledger) };
        let alone = self.settings.ownership == Ownership::Alone;
        let options = Options { inline_checkpoint: alone, ..Options::new(id) };
        let store = SimStore::new(hot, ledger, options);
        self.trace.note(&self.meters[n].name, || format!("starts as {id}"));
        self.meters[n].start(self.settings, store);
        self.tell_newcomer(n);
    }

    /// What relay and signaling say again to a meter that knows nothing.
    fn tell_newcomer(&mut self, n: usize) {
        use billing_core::Input;
        let (now, at) = (self.timeline.now(), self.meters[n].unix(self.timeline.now()));
        let last = self.relay.last_words();
        let reports = last.map(|(call, counted)| Input::MediaCounted { call, counted, last: true });
        let ends = self.direct_ends.iter().map(|(call, (fan, reason))| Input::Ended {
            call: *call,
            fan: fan.clone(),
            reason: *reason,
            told: billing_core::Proven::ZERO,
            at,
        });
        for word in reports.chain(ends).collect::<Vec<_>>() {
            self.network.send(now, &self.chance, Event::ToMeter(n, word));
        }
    }

    /// Lets the world run to its end.
    ///
    /// # Errors
    /// None: what is wrong stands in the outcome.
    #[must_use]
    pub fn run(mut self) -> Outcome {
        let failure = self.run_to_rest().err();
        if let Some(failure) = &failure {
            self.trace.say("AUDITOR", failure);
        }
        Outcome {
            failure,
            calls: self.auditor.calls(),
            audits: self.auditor.audits,
            trace: self.trace.lines(),
        }
    }

    fn run_to_rest(&mut self) -> Result<(), String> {
        let end = ACTIVE_MS + REST_MS;
        while self.timeline.now().0 < end {
            self.settle_moment()?;
            let next = self.next_moment().min(end);
            self.timeline.advance_to(MonotonicMs(next.max(self.timeline.now().0 + 1)));
        }
        // Whoever is in the middle of a transaction ends it.
        while !self.auditor.can_read(&*self.ledger) {
            let next = self.next_moment();
            self.timeline.advance_to(MonotonicMs(next.max(self.timeline.now().0 + 1)));
            self.settle_moment()?;
        }
        if !self.relay.rooms.is_empty() {
            return Err(format!("rooms are still open: {:?}", self.relay.rooms.keys()));
        }
        if self.weather.is_fair() {
            self.auditor.expect_exact(|call| self.relay.truth(call))?;
        }
        self.auditor.conclude(&*self.ledger)
    }

    /// Does everything that there is to do now.
    fn settle_moment(&mut self) -> Result<(), String> {
        let now = self.timeline.now();
        let mut changed = false;
        self.ledger.set_clock(units::UnixMs(now.0));
        for ghost in arrive(&self.hot, &self.ghosts, now.0) {
            self.trace.note("network", || format!("delivers late {ghost:?}"));
        }
        for round in 0.. {
            if round > SPIN_MAX {
                return Err(format!("a machine spins at {now:?}: {:?}", self.spinning()));
            }
            let mut quiet = true;
            while let Some(event) = self.network.take(now) {
                quiet = false;
                self.happen(now, event)?;
            }
            for n in 0..self.meters.len() {
                while self.meters[n].runs(now) {
                    let Some(input) = self.meters[n].work(now, &self.trace) else { break };
                    (quiet, changed) = (false, true);
                    self.meter_hears(now, n, input)?;
                }
            }
            quiet &= !self.wake(now)?;
            if quiet {
                break;
            }
        }
        if changed {
            let relay = &self.relay;
            self.auditor.look(&*self.ledger, |call| relay.truth(call))?;
        }
        Ok(())
    }

    /// Who wants to be woken, and when.
    fn spinning(&self) -> Vec<(String, Option<MonotonicMs>)> {
        let meters = self.meters.iter().map(|meter| (meter.name.clone(), meter.next_wake()));
        meters.chain([("signaling".to_owned(), self.board.next_wake())]).collect()
    }

    /// Wakes the machines that want to be woken now. Whether any was.
    fn wake(&mut self, now: MonotonicMs) -> Result<bool, String> {
        let mut woke = false;
        for n in 0..self.meters.len() {
            let due = self.meters[n].next_wake().is_some_and(|at| at <= now);
            if due && self.meters[n].runs(now) {
                woke = true;
                self.meter_hears(now, n, billing_core::Input::WokeUp)?;
            }
        }
        if self.board.next_wake().is_some_and(|at| at <= now) {
            woke = true;
            self.signaling_hears(now, call_core::Input::WokeUp)?;
        }
        if self.next_step <= now.0 {
            self.next_step = now.0 + STEP_MS;
            for word in self.relay.step(now, &self.chance) {
                self.relay_says(now, word);
            }
        }
        Ok(woke)
    }

    fn next_moment(&self) -> u64 {
        let now = self.timeline.now();
        let meters = self.meters.iter().filter(|meter| meter.runs(now));
        let wakes = meters.filter_map(Meter::next_wake).chain(self.board.next_wake());
        let pauses = self.meters.iter().map(|m| m.paused_until).filter(|until| *until > now.0);
        wakes
            .map(|at| at.0)
            .chain(pauses)
            .chain(self.network.next())
            .chain(self.timeline.next_wake().map(|at| at.0))
            .chain([self.next_step])
            .min()
            .unwrap_or(u64::MAX)
    }

    fn happen(&mut self, now: MonotonicMs, event: Event) -> Result<(), String> {
        match event {
            Event::ToMeter(n, input) if self.meters[n].runs(now) => {
                self.meter_hears(now, n, input)?
            }
            // Unacknowledged: sent again until somebody is there.
            Event::ToMeter(..) if is_count(&event) => {}
            Event::ToMeter(..) => self.network.at(now.0 + 500, event),
            Event::ToSignaling(input) => self.signaling_hears(now, input)?,
            Event::ToRelay(order) => self.relay_hears(now, order),
            Event::Act(place, act) => self.act(now, place, act)?,
            Event::Whim(whim) => self.indulge(now, whim)?,
            Event::Fault(fault) => self.go_wrong(now, fault)?,
            Event::Mend(mend) => self.mend(mend),
            Event::Snapshot => {
                self.snapshots.push_front(self.hot.snapshot());
                self.snapshots.truncate(SNAPSHOTS);
                self.network.at(now.0 + SNAPSHOT_MS, Event::Snapshot);
            }
        }
        Ok(())
    }

    fn request(&mut self) -> u64 {
        self.requests += 1;
        self.requests
    }

    fn set(flag: &AtomicBool, to: bool) {
        flag.store(to, Ordering::Relaxed);
    }
}

/// The next count of the same call replaces it.
const fn is_count(event: &Event) -> bool {
    matches!(event, Event::ToMeter(_, billing_core::Input::MediaCounted { last: false, .. }))
}

fn people(chance: &Chance) -> Vec<Person> {
    let fans = chance.between(1, 4);
    let hosts = chance.between(1, 3);
    let name = |kind: &str, n| format!("{kind}{n}").parse().expect("a plain name");
    (0..fans)
        .map(|n| Person::new(name("fan", n), Role::Fan))
        .chain((0..hosts).map(|n| Person::new(name("host", n), Role::Host)))
        .collect()
}

fn settings(chance: &Chance) -> Settings {
    let seldom = |n: u64, of: u64| if chance.one_in(n) { chance.between(1, of) } else { 0 };
    Settings {
        host_share: ShareBps::new(u16::try_from(chance.between(0, 10_000)).expect("a share"))
            .expect("a share"),
        free: ElapsedMs(seldom(3, 10_000)),
        pulse: ElapsedMs(seldom(4, 15_000)),
        least_charged: ElapsedMs(seldom(5, 20_000)),
        connect_fee: MicroCoins::new(seldom(5, 500_000)).expect("a small fee"),
        minimum: ElapsedMs(chance.between(0, 10_000)),
        tick: ElapsedMs(1_000),
        checkpoint: ElapsedMs(10_000),
        unconfirmed: ElapsedMs(15_000),
        ownership: Ownership::Shared { ttl: ElapsedMs(10_000), renew: ElapsedMs(2_500) },
    }
}

fn rules() -> Rules {
    let rate = |micro| Rate::per_minute(micro).expect("a price");
    let band = PriceBand { min: rate(1), max: rate(100_000_000) };
    Rules {
        bands: PriceBands { voice: band, video: band },
        host_share: ShareBps::WHOLE,
        ring_timeout: ElapsedMs(30_000),
        grace: ElapsedMs(30_000),
        connect_timeout: ElapsedMs(20_000),
        media_grace: ElapsedMs(15_000),
        settle_timeout: ElapsedMs(10_000),
        ask_timeout: ElapsedMs(10_000),
    }
}
