//! Pairs who call each other again and again, each in their own way.

use crate::book::Book;
use crate::person::Person;
use crate::site::PATIENCE;
use crate::till::Till;
use loadtest::{Accounts, Endpoint};
use protocol::ErrorCode;
use protocol::client::Prices;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use units::{Medium, MonotonicMs, Rate, UserId};

/// How long somebody waits for news before they look around.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Who ends a pair's calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    Fan,
    Host,
    /// The fan's last coin.
    Funds,
}

/// How long a fan looks around between two calls.
const BETWEEN_CALLS: Duration = Duration::from_millis(150);

/// A pair's habits.
struct Habit {
    medium: Medium,
    /// Coins per minute.
    price: u64,
    ends: Ends,
    /// Whether the fan buys coins in the middle of calls.
    tops_up: bool,
    /// What the fan starts with, in coins.
    coins: &'static str,
}

const HABITS: [Habit; 4] = [
    Habit { medium: Medium::Voice, price: 6, ends: Ends::Fan, tops_up: false, coins: "200.00" },
    Habit { medium: Medium::Video, price: 8, ends: Ends::Host, tops_up: true, coins: "200.00" },
    Habit { medium: Medium::Voice, price: 15, ends: Ends::Funds, tops_up: false, coins: "1.00" },
    Habit { medium: Medium::Voice, price: 3, ends: Ends::Fan, tops_up: true, coins: "0.50" },
];

/// The people of the demo: id, role, coins.
pub(crate) fn people() -> Vec<(String, &'static str, &'static str)> {
    let fans = (1..).zip(&HABITS).map(|(n, habit)| (format!("fan-{n}"), "fan", habit.coins));
    let hosts = (1..=HABITS.len()).map(|n| (format!("host-{n}"), "host", "0.00"));
    fans.chain(hosts).collect()
}

/// All pairs at work.
pub(crate) struct Load {
    book: Arc<Book>,
    go_on: watch::Sender<bool>,
    pairs: JoinSet<()>,
    fans: Vec<UserId>,
}

impl Load {
    /// Logs everybody in and has them call from now on.
    pub(crate) async fn start(server: &Endpoint, book: &Arc<Book>, seed: u64) -> Self {
        // Balances can't be told while the first meter hands wallets over to the second.
        let known = async {
            loop {
                if let Ok(pairs) = Accounts::Demo.pairs(server, book.clock, HABITS.len()).await {
                    return pairs;
                }
            }
        };
        let pairs = tokio::time::timeout(PATIENCE, known).await.unwrap();
        let (go_on, going_on) = watch::channel(true);
        let mut load = Self {
            book: Arc::clone(book),
            go_on,
            pairs: JoinSet::new(),
            fans: pairs.iter().map(|pair| pair.fan.user.clone()).collect(),
        };
        for (n, (pair, habit)) in (0..).zip(pairs.into_iter().zip(&HABITS)) {
            let rate = Rate::per_minute(habit.price * 1_000_000).unwrap();
            let prices = match habit.medium {
                Medium::Voice => Prices { voice: Some(rate), video: None },
                Medium::Video => Prices { voice: None, video: Some(rate) },
            };
            let host = Person::log_in(server, &pair.host, Some(prices), book).await;
            let fan = Person::log_in(server, &pair.fan, None, book).await;
            let till = Till::new(server, book);
            let couple = Couple {
                habit,
                rate,
                fan,
                host: host.user().clone(),
                till,
                chance: StdRng::seed_from_u64(seed ^ n),
            };
            load.pairs.spawn(couple.call_again_and_again(going_on.clone()));
            load.pairs.spawn(answer(host, habit, seed ^ n, going_on.clone()));
        }
        load
    }

    /// Whether a call was billed since then.
    pub(crate) fn is_billed(&self, since: MonotonicMs) -> bool {
        self.book.billed_at() > since
    }

    /// Whether every pair got a call through that was rung since then.
    pub(crate) fn all_got_through(&self, since: MonotonicMs) -> bool {
        let through = self.book.got_through(since);
        self.fans.iter().all(|fan| through.contains(fan))
    }

    /// Whether somebody gave up: then the test has failed, and `finish` tells why.
    pub(crate) fn has_failed(&mut self) -> bool {
        self.pairs.try_join_next().is_some_and(|ended| ended.is_err())
    }

    /// Has everybody end their last call, and waits for them.
    pub(crate) async fn finish(mut self) {
        self.go_on.send_replace(false);
        while let Some(ended) = self.pairs.join_next().await {
            ended.unwrap();
        }
    }
}

/// A fan, and whom they call.
struct Couple {
    habit: &'static Habit,
    rate: Rate,
    fan: Person,
    host: UserId,
    till: Till,
    chance: StdRng,
}

impl Couple {
    async fn call_again_and_again(mut self, mut go_on: watch::Receiver<bool>) {
        while *go_on.borrow_and_update() {
            // Bills that are late come now, and answers to rings that were late.
            self.fan.step(BETWEEN_CALLS).await;
            if self.habit.ends == Ends::Fan {
                self.fan.talk = Some(talk(&mut self.chance));
            }
            let refused = match self.fan.is_in_call() {
                true => None,
                false => self.fan.ring(&self.host, self.habit.medium, self.rate).await,
            };
            if refused == Some(ErrorCode::BillingNoFunds) {
                let micro = self.chance.random_range(400_000..1_500_000);
                self.till.credit(self.fan.user(), micro).await;
            }
            let mut topped_up = !self.habit.tops_up;
            while self.fan.is_in_call() {
                self.fan.step(LOOK_EVERY).await;
                if self.fan.live_call().is_some() && !topped_up {
                    topped_up = true;
                    let micro = self.chance.random_range(100_000..900_000);
                    self.till.credit_meanwhile(self.fan.user(), micro);
                }
            }
        }
        self.till.close().await;
        for _ in 0..4 {
            self.fan.step(LOOK_EVERY).await;
        }
    }
}

async fn answer(mut host: Person, habit: &'static Habit, seed: u64, go_on: watch::Receiver<bool>) {
    let mut chance = StdRng::seed_from_u64(!seed);
    while *go_on.borrow() || host.is_in_call() {
        if habit.ends == Ends::Host && !host.is_in_call() {
            host.talk = Some(talk(&mut chance));
        }
        host.step(LOOK_EVERY).await;
    }
    for _ in 0..4 {
        host.step(LOOK_EVERY).await;
    }
}

fn talk(chance: &mut StdRng) -> Duration {
    Duration::from_millis(chance.random_range(2_000..8_000))
}
