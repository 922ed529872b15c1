//! `kill -9` of anything at any moment while people call and pay.

use crate::auditor::{self, Crime};
use crate::book::Book;
use crate::ledger::Ledger;
use crate::load::{self, Load};
use crate::rounds::{self, Round};
use crate::site::{PATIENCE, Site};
use service_kit::{Clock, entropy};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use units::MonotonicMs;

/// How often to look whether something has come about.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The seed of the environment, or a fresh one.
fn seed() -> u64 {
    match std::env::var("COINLINE_CRASH_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => u64::from(u32::from_be_bytes(entropy::bytes())),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_killed_no_coin_is_lost_or_taken_twice_and_no_bill_passes_the_evidence() {
    let seed = seed();
    println!("COINLINE_CRASH_SEED={seed}");
    let rounds = rounds::draw(seed);
    let people = load::people();
    let mut site = Site::open(&people).await;
    let book = Arc::new(Book::new(Clock::start()));
    for (fan, _, coins) in people.iter().filter(|(_, role, _)| *role == "fan") {
        let micro: units::MicroCoins = coins.parse().unwrap();
        let id = format!("demo-start:{fan}");
        book.asked(&id, &fan.parse().unwrap(), micro.micro());
        book.acknowledged(&id);
    }
    tokio::spawn(watch(Arc::clone(&book)));
    let mut load = Load::start(&site.endpoint, &book, seed).await;
    all_get_through(&mut load, &site, MonotonicMs(0)).await;
    for (n, round) in (1..).zip(&rounds) {
        tokio::time::sleep(round.before).await;
        book.round(&format!("round {n}, {round}"));
        site.kill9(&round.victims);
        tokio::time::sleep(round.down).await;
        site.start(&round.victims);
        site.is_ready().await;
        let ready_at = book.clock.now();
        until(&mut load, &site, "no call is billed", |load| load.is_billed(ready_at)).await;
    }
    // Nobody is left out in the end.
    all_get_through(&mut load, &site, book.clock.now()).await;
    load.finish().await;
    let settled = async {
        while !Ledger::is_settled(&site.database).await {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    // What is open even so is the auditor's to tell.
    let _ = tokio::time::timeout(PATIENCE, settled).await;
    site.stop();
    verdict(&site, &book, &rounds).await;
}

/// Waits until every pair got a call through that was rung from now on.
async fn all_get_through(load: &mut Load, site: &Site, now: MonotonicMs) {
    until(load, site, "not everybody gets through", |load| load.all_got_through(now)).await;
}

/// Notes when this process stands still: on a busy machine its media does as well.
async fn watch(book: Arc<Book>) {
    const NAP: Duration = Duration::from_millis(20);
    loop {
        let slept_at = book.clock.now();
        tokio::time::sleep(NAP).await;
        let slept_ms = book.clock.now().since(slept_at).0;
        book.stalled(slept_ms.saturating_sub(2 * 20));
    }
}

async fn until(load: &mut Load, site: &Site, otherwise: &str, done: impl Fn(&Load) -> bool) {
    let come_about = async {
        while !done(load) {
            assert!(!load.has_failed(), "somebody gave up:\n{}", site.logs());
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, come_about).await;
    assert!(waited.is_ok(), "{otherwise}:\n{}", site.logs());
}

async fn verdict(site: &Site, book: &Book, rounds: &[Round]) {
    let (stories, promises) = book.read();
    let ledger = Ledger::read(&site.database).await;
    let verdict = auditor::audit(&stories, &promises, &ledger);
    let mut kills: BTreeMap<String, usize> = BTreeMap::new();
    for victim in rounds.iter().flat_map(|round| &round.victims) {
        *kills.entry(victim.to_string()).or_default() += 1;
    }
    let received: u64 = stories.values().filter_map(|story| story.received_ms).sum();
    let asked: u32 = promises.values().map(|promise| promise.asked).sum();
    println!("rounds {}, kills {kills:?}", rounds.len());
    println!(
        "calls {} ({} settled), {received} ms of media received, {} micro-coins charged",
        stories.len(),
        ledger.calls.len(),
        verdict.charged
    );
    println!(
        "credits {} asked for {asked} times, {} micro-coins credited",
        promises.len(),
        verdict.credited
    );
    println!("{verdict}");
    for call in verdict.crimes.iter().filter_map(|(.., call)| *call) {
        if let Some(story) = stories.get(&call) {
            println!("call {call}:\n{}", story.lines);
        }
    }
    if !verdict.crimes.is_empty() {
        println!("{}", site.logs());
    }
    let (agrees, said) = site.audit();
    assert!(agrees, "coinline audit finds:\n{said}");
    for crime in Crime::ALL {
        assert_eq!(verdict.count(crime), 0, "{crime:?}");
    }
    assert_eq!(auditor::without_one_receipt(&ledger), []);
    assert!(verdict.charged > 0, "calls that cost nothing prove nothing");
}
