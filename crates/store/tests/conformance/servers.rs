//! Random sequences on what many machines use: hot balances in Redis, Valkey or a cluster, and the
//! ledger in PostgreSQL. Few, since each has a database of its own; the rules of either alone stand
//! beside them.

use crate::books::Pair;
use crate::sequences::{Step, play, steps};
use proptest::test_runner::{Config, TestRunner};
use std::sync::Arc;
use store::{Postgres, Redis};
use test_servers::{Cluster, Engine, Redis as Server, RedisOptions};

/// Plays a few sequences. `lose` empties hot balances.
fn compare(connect: impl Fn() -> Redis, lose: impl Fn()) {
    let databases = test_servers::Postgres::shared().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = Config { cases: 4, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&steps(), |steps| {
        lose();
        runtime.block_on(async {
            let url = databases.database().unwrap();
            let ledger = Arc::new(Postgres::open(&url).await.unwrap());
            let pair = Pair { hot: Arc::new(connect()), ledger };
            let faults = |step: &Step| {
                if matches!(step, Step::Lose | Step::FallBack) {
                    lose();
                }
            };
            play(&pair, &steps, &faults).await;
        });
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

fn empty(server: &Server) {
    assert_eq!(server.ask("FLUSHALL").unwrap(), "+OK");
}

#[test]
fn redis_and_postgres_do_what_plain_arithmetic_does() {
    let server = Server::start(RedisOptions::default()).unwrap();
    compare(|| Redis::one(&server.url()).unwrap(), || empty(&server));
}

#[test]
fn valkey_and_postgres_do_what_plain_arithmetic_does() {
    let options = RedisOptions { engine: Engine::Valkey, ..RedisOptions::default() };
    let server = Server::start(options).unwrap();
    compare(|| Redis::one(&server.url()).unwrap(), || empty(&server));
}

#[test]
fn a_cluster_and_postgres_do_what_plain_arithmetic_does() {
    let cluster = Cluster::start(Engine::Redis, 3).unwrap();
    let connect = || Redis::cluster(&cluster.urls()).unwrap();
    compare(connect, || cluster.nodes.iter().for_each(empty));
}
