//! Buys coins as a payment provider's webhook does: the same credit again and again, until the
//! server says that it is there, and then once more.

use crate::book::Book;
use crate::site::PATIENCE;
use loadtest::Endpoint;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use units::{MicroCoins, UserId};

/// How long one request may take: a server that is down answers nothing.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// How long to wait before the next try.
const PAUSE: Duration = Duration::from_millis(300);

pub(crate) struct Till {
    url: String,
    book: Arc<Book>,
    count: u32,
    under_way: JoinSet<()>,
}

impl Till {
    pub(crate) fn new(server: &Endpoint, book: &Arc<Book>) -> Self {
        let url = format!("{server}/v1/demo/credit");
        Self { url, book: Arc::clone(book), count: 0, under_way: JoinSet::new() }
    }

    /// Buys so many micro-coins, and waits for them.
    pub(crate) async fn credit(&mut self, user: &UserId, micro: u64) {
        self.next(user, micro).await;
    }

    /// Buys so many micro-coins while the call goes on.
    pub(crate) fn credit_meanwhile(&mut self, user: &UserId, micro: u64) {
        let credit = self.next(user, micro);
        self.under_way.spawn(credit);
    }

    /// Waits until all that was bought is there.
    pub(crate) async fn close(&mut self) {
        while let Some(ended) = self.under_way.join_next().await {
            ended.unwrap();
        }
    }

    fn next(&mut self, user: &UserId, micro: u64) -> impl Future<Output = ()> + use<> {
        self.count += 1;
        let key = format!("top-up-{}", self.count);
        buy(self.url.clone(), Arc::clone(&self.book), user.clone(), key, micro)
    }
}

async fn buy(url: String, book: Arc<Book>, user: UserId, key: String, micro: u64) {
    // As signaling names it: keys count per user.
    let id = format!("demo:{user}:{key}");
    let client = reqwest::Client::builder().timeout(ANSWER_WITHIN).build().unwrap();
    let coins = MicroCoins::new(micro).unwrap().to_string();
    let ask = async || {
        book.asked(&id, &user, micro);
        let body = json!({ "user": user, "coins": coins });
        let answer = client.post(&url).header("Idempotency-Key", &key).json(&body).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    };
    let there = async {
        while !ask().await {
            tokio::time::sleep(PAUSE).await;
        }
    };
    let came = tokio::time::timeout(PATIENCE, there).await;
    assert!(came.is_ok(), "credit {id} was never acknowledged");
    book.acknowledged(&id);
    ask().await;
}
