//! The services as processes of their own, and all of them on Redis and PostgreSQL: real calls
//! whose bills are exact.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod process;

use indicatif::ProgressBar;
use loadtest::calls::{self, Options, Target};
use loadtest::{Accounts, Report};
use process::{Folder, Process};
use std::time::Duration;
use test_servers::{Postgres, Redis, RedisOptions};
use units::Medium;

/// Two video calls at 6.00 per minute that their fans hang up after some seconds.
async fn call(folder: &Folder, url: &str) -> Report {
    let options = Options {
        calls: 2,
        talk: Duration::from_secs(4),
        medium: Medium::Video,
        rate: "6.00".parse().unwrap(),
        ramp: Duration::ZERO,
        target: Target::Running { server: url.parse().unwrap(), accounts: Accounts::Demo },
    };
    let report = calls::run(&options, &ProgressBar::hidden()).await;
    report.unwrap_or_else(|error| panic!("{error}\n{}", folder.logs()))
}

/// Redis and PostgreSQL, and the options that name them.
fn stores() -> (Redis, Postgres, Vec<String>) {
    let redis = Redis::start(RedisOptions::default()).unwrap();
    let postgres = Postgres::start_unsynced().unwrap();
    let database = postgres.database().unwrap();
    let options = vec!["--redis".to_owned(), redis.url(), "--database".to_owned(), database];
    (redis, postgres, options)
}

#[tokio::test(flavor = "multi_thread")]
async fn three_processes_on_redis_and_postgresql_bill_exactly_and_stop_in_good_order() {
    let (_redis, _postgres, stores) = stores();
    let folder = Folder::new(2);
    let mut signaling = Process::start(&folder, "signaling", &[]).await;
    let mut relay = Process::start(&folder, "media-relay", &[]).await;
    let mut meter = Process::start(&folder, "billing-meter", &stores).await;
    for process in [&signaling, &relay, &meter] {
        process.is_ready().await;
    }
    let report = call(&folder, &signaling.said).await;
    assert!(report.is_exact(), "{report}\n{}", folder.logs());
    assert_eq!(report.calls.len(), 2);

    // A meter that restarts waits for its leases to end, then goes on with the same books.
    assert!(meter.stop().await.success(), "{}", folder.logs());
    let mut meter = Process::start(&folder, "billing-meter", &stores).await;
    meter.is_ready().await;
    let report = call(&folder, &signaling.said).await;
    assert!(report.is_exact(), "{report}\n{}", folder.logs());

    for process in [&mut signaling, &mut meter, &mut relay] {
        assert!(process.stop().await.success(), "{}", folder.logs());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_meter_that_starts_before_its_database_waits_for_it_and_says_so() {
    let (redis, mut postgres, stores) = stores();
    let folder = Folder::new(1);
    postgres.kill9();
    let waiting = Process::waiting(&folder, "billing-meter", &stores);
    waiting.is_not_ready("ledger: it can't be reached").await;
    tokio::task::block_in_place(|| postgres.restart()).unwrap();
    let mut meter = waiting.up(&folder).await;
    meter.is_not_ready("signaling: nobody is connected").await;
    assert!(meter.stop().await.success(), "{}", folder.logs());

    // Who stops it while it waits need not wait.
    postgres.kill9();
    let mut waiting = Process::waiting(&folder, "billing-meter", &stores);
    waiting.is_not_ready("ledger: it can't be reached").await;
    assert!(waiting.stop().await.success(), "{}", folder.logs());
    drop(redis);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_on_redis_and_postgresql_bills_exactly_also_after_redis_lost_everything() {
    let (redis, _postgres, stores) = stores();
    let folder = Folder::new(2);
    let mut server = Process::start(&folder, "all", &stores).await;
    server.is_ready().await;
    for _ in 0..2 {
        let report = call(&folder, &server.said).await;
        assert!(report.is_exact(), "{report}\n{}", folder.logs());
        redis.ask("FLUSHALL").unwrap();
    }
    assert!(server.stop().await.success(), "{}", folder.logs());
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_end_with_the_relay_and_are_billed_up_to_what_it_carried() {
    let folder = Folder::new(1);
    let mut signaling = Process::start(&folder, "signaling", &[]).await;
    let mut relay = Process::start(&folder, "media-relay", &[]).await;
    let mut meter = Process::start(&folder, "billing-meter", &[]).await;
    for process in [&signaling, &relay, &meter] {
        process.is_ready().await;
    }
    let options = Options {
        calls: 1,
        talk: Duration::from_secs(60),
        medium: Medium::Voice,
        rate: "6.00".parse().unwrap(),
        ramp: Duration::ZERO,
        target: Target::Running {
            server: signaling.said.parse().unwrap(),
            accounts: Accounts::Demo,
        },
    };
    let (bar, stop) = (ProgressBar::hidden(), tokio::time::sleep(Duration::from_secs(8)));
    let calling = calls::run(&options, &bar);
    let stopping = async {
        stop.await;
        relay.stop().await
    };
    let (report, stopped) = tokio::join!(calling, stopping);
    assert!(stopped.success(), "{}", folder.logs());
    let report = report.unwrap_or_else(|error| panic!("{error}\n{}", folder.logs()));
    assert!(report.is_exact(), "{report}\n{}", folder.logs());
    let evidence = report.calls[0].evidence.as_ref().unwrap();
    assert_eq!(evidence.fan.reason, protocol::client::EndReason::Interrupted);
    assert!(evidence.fan.receipt.as_ref().unwrap().proven_ms.0 > 1_000, "{report}");
    for process in [&mut signaling, &mut meter] {
        assert!(process.stop().await.success(), "{}", folder.logs());
    }
}
