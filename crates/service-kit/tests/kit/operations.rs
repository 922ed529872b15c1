//! The private port, asked over HTTP.

use prometheus::{IntCounter, Registry};
use service_kit::Shutdown;
use service_kit::operations::{Operations, Readiness};
use std::time::Duration;

async fn ask(url: &str) -> (u16, String) {
    let answer = reqwest::get(url).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn a_process_is_ready_only_while_every_condition_holds_and_says_what_lacks() {
    let (trigger, shutdown) = Shutdown::new();
    let (registry, readiness) = (Registry::new(), Readiness::default());
    let sold = IntCounter::new("coins_total", "Coins").unwrap();
    registry.register(Box::new(sold.clone())).unwrap();
    let (store, link) = (readiness.condition("store"), readiness.condition("link"));
    let port = Operations::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let url = format!("http://{}", port.local_addr());
    let serving = tokio::spawn(port.serve(registry, readiness.clone(), shutdown));

    let ready = format!("{url}/readyz");
    assert_eq!(ask(&format!("{url}/healthz")).await.0, 200);
    assert_eq!(ask(&ready).await, (503, "link: not yet\nstore: not yet\n".to_owned()));
    store.holds();
    link.fails("no meter");
    // The same name is the same condition, and asking for it changes nothing.
    let again = readiness.condition("store");
    assert_eq!(ask(&ready).await, (503, "link: no meter\n".to_owned()));
    link.holds();
    assert_eq!(ask(&ready).await, (200, "ready\n".to_owned()));
    again.fails("away");
    assert_eq!(ask(&ready).await.0, 503);

    sold.inc_by(7);
    assert!(ask(&format!("{url}/metrics")).await.1.contains("\ncoins_total 7\n"));
    assert_eq!(ask(&format!("{url}/other")).await.0, 404);
    trigger.stop();
    let ended = tokio::time::timeout(Duration::from_secs(5), serving).await;
    ended.unwrap().unwrap().unwrap();
}
