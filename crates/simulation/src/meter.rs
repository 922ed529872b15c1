//! A meter process: the real biller and the real store, with a life that can end at any step.

use crate::Trace;
use crate::faulty::{FaultyHot, FaultyLedger};
use billing_core::{Answer, Biller, Command, Input, Output, Settings};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use store::{Error, Store};
use units::{MonotonicMs, UnixMs};

/// The store of a simulated meter.
pub(crate) type SimStore = Store<FaultyHot, FaultyLedger>;

type Work = Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send>>;

/// One process, alive or not.
pub(crate) struct Meter {
    pub(crate) name: String,
    pub(crate) life: Option<Life>,
    /// Until when the machine stands still.
    pub(crate) paused_until: u64,
    /// How far its calendar is off.
    pub(crate) calendar_ms: i64,
}

/// From a start to a crash.
pub(crate) struct Life {
    pub(crate) biller: Biller,
    store: Arc<SimStore>,
    /// Money goes one command at a time; leases wait for nothing.
    money: Lane,
    leases: Lane,
}

/// Commands that are carried out one after the other.
#[derive(Default)]
struct Lane {
    queue: VecDeque<Command>,
    /// The command that is with the store. Dropping it is what a crash does: it stops at whatever
    /// step it had reached.
    working: Option<(Command, Work)>,
}

impl Meter {
    pub(crate) fn new(name: String) -> Self {
        Self { name, life: None, paused_until: 0, calendar_ms: 0 }
    }

    pub(crate) fn start(&mut self, settings: Settings, store: SimStore) {
        let biller = Biller::new(settings);
        let (money, leases) = (Lane::default(), Lane::default());
        self.life = Some(Life { biller, store: Arc::new(store), money, leases });
    }

    pub(crate) fn unix(&self, now: MonotonicMs) -> UnixMs {
        const BASE: i64 = 1_795_000_000_000;
        let at = BASE + i64::try_from(now.0).expect("a time") + self.calendar_ms;
        UnixMs(u64::try_from(at).expect("after 1970"))
    }

    pub(crate) fn next_wake(&self) -> Option<MonotonicMs> {
        self.life.as_ref()?.biller.next_wake()
    }

    pub(crate) fn runs(&self, now: MonotonicMs) -> bool {
        self.life.is_some() && self.paused_until <= now.0
    }

    /// Feeds the biller, and hands its commands to the store. What is left is for the neighbours.
    #[expect(clippy::wildcard_enum_match_arm, reason = "only what is for the store stays here")]
    pub(crate) fn handle(&mut self, now: MonotonicMs, input: Input, trace: &Trace) -> Vec<Output> {
        let Some(life) = &mut self.life else { return Vec::new() };
        let mut out = Vec::new();
        for output in life.biller.handle(now, input) {
            match output {
                Output::Store(command @ Command::Hold { .. }) => {
                    life.leases.queue.push_back(command);
                }
                Output::Store(command) => life.money.queue.push_back(command),
                news => out.push(news),
            }
        }
        trace_outputs(&self.name, &out, trace);
        out
    }

    /// Goes on with the store's work as far as it goes now; returns what the biller is to hear.
    pub(crate) fn work(&mut self, now: MonotonicMs, trace: &Trace) -> Option<Input> {
        let at = self.unix(now);
        let Life { store, money, leases, .. } = self.life.as_mut()?;
        let (command, outcome) = leases.work(store, at).or_else(|| money.work(store, at))?;
        Some(match outcome {
            Ok(answer) => Input::Answered(answer),
            Err(error) => {
                trace.note(&self.name, || format!("store failed: {error} ({command:?})"));
                Input::StoreFailed(command)
            }
        })
    }
}

impl Lane {
    fn work(
        &mut self,
        store: &Arc<SimStore>,
        at: UnixMs,
    ) -> Option<(Command, Result<Answer, Error>)> {
        if self.working.is_none() {
            let command = self.queue.pop_front()?;
            let (store, asked) = (Arc::clone(store), command.clone());
            let work: Work = Box::pin(async move { store.carry_out(at, &asked).await });
            self.working = Some((command, work));
        }
        let (_, work) = self.working.as_mut()?;
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(outcome) = work.as_mut().poll(&mut context) else { return None };
        let (command, _) = self.working.take()?;
        Some((command, outcome))
    }
}

fn trace_outputs(name: &str, outputs: &[Output], trace: &Trace) {
    for output in outputs {
        trace.note(name, || format!("{output:?}"));
    }
}
