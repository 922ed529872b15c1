//! The whole product as an operator runs it: signaling, relay, two meters, Redis, PostgreSQL.

use crate::part::Part;
use crate::rounds::Victim;
use loadtest::Endpoint;
use serde_json::json;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use test_servers::{AppendOnly, Postgres, Redis, RedisOptions, free_port};
use tokio::task::block_in_place;

/// How long anything may take to come back on a busy machine. Verdicts never depend on it: what is
/// later is told as not having come back at all.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How long a meter holds its part after its last sign of life: the shortest that may be set, so
/// that 30 crashes fit into a test.
const LEASE_MS: u64 = 5_000;

/// Servers and services. Dropped, all are killed.
pub(crate) struct Site {
    pub(crate) endpoint: Endpoint,
    /// The ledger's address.
    pub(crate) database: String,
    signaling: Part,
    relay: Part,
    meters: [Part; 2],
    redis: Redis,
    postgres: Postgres,
    _home: TempDir,
}

impl Site {
    /// Starts everything with these people (id, role, coins), and waits until it is ready.
    pub(crate) async fn open(people: &[(String, &str, &str)]) -> Self {
        let (redis, postgres) = block_in_place(|| {
            let append_only = AppendOnly::EverySecond;
            let redis = Redis::start(RedisOptions { append_only, ..RedisOptions::default() });
            (redis.unwrap(), Postgres::start().unwrap())
        });
        let database = postgres.database().unwrap();
        let home = TempDir::with_prefix("crash-").unwrap();
        std::fs::create_dir(home.path().join("data")).unwrap();
        let secret_file = home.path().join("links");
        std::fs::write(&secret_file, "the links of a test know each other by this").unwrap();

        let [web, at_signaling, at_relay] = [(); 3].map(|()| free_port().unwrap());
        let common = format!(
            "mode = \"demo\"\n[store]\ndatabase = {}\nredis = {}\n{}",
            json!(database),
            json!(redis.url()),
            demo(people),
        );
        let links = format!("[links]\nsecret_file = {}\n", json!(secret_file));
        let signaling = Part::new(
            "signaling",
            "signaling",
            &format!(
                "{common}{links}listen = \"127.0.0.1:{at_signaling}\"\n[signaling]\n\
                 listen = \"127.0.0.1:{web}\"\nconnect_timeout_ms = 10000\n\
                 media_grace_ms = 5000\nring_timeout_ms = 10000\n\
                 ask_timeout_ms = 2000\n"
            ),
            home.path(),
        );
        let dials = format!("signaling = \"ws://127.0.0.1:{at_signaling}\"\n");
        let relay = Part::new(
            "relay",
            "media-relay",
            &format!("{common}{links}{dials}listen = \"127.0.0.1:{at_relay}\"\n"),
            home.path(),
        );
        let meters = ["meter 1", "meter 2"].map(|name| {
            let id = name.replace(' ', "-");
            let to_relay = format!("relay = \"ws://127.0.0.1:{at_relay}\"\nname = \"{id}\"\n");
            let own = format!("[billing_meter]\nminimum_ms = 1000\nlease_ms = {LEASE_MS}\n");
            let settings = format!("{common}{links}{dials}{to_relay}{own}");
            Part::new(name, "billing-meter", &settings, home.path())
        });
        let endpoint = format!("http://127.0.0.1:{web}").parse().unwrap();
        let mut site =
            Self { endpoint, database, signaling, relay, meters, redis, postgres, _home: home };
        // The first to start makes the keys that the others read.
        site.signaling.start();
        while std::net::TcpStream::connect(("127.0.0.1", web)).is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let [_, others @ ..] = site.parts_mut();
        for part in others {
            part.start();
        }
        site.is_ready().await;
        site
    }

    fn parts(&self) -> [&Part; 4] {
        let [one, two] = &self.meters;
        [&self.signaling, &self.relay, one, two]
    }

    fn parts_mut(&mut self) -> [&mut Part; 4] {
        let [one, two] = &mut self.meters;
        [&mut self.signaling, &mut self.relay, one, two]
    }

    /// `kill -9`, all of them before any can notice the other's end.
    pub(crate) fn kill9(&mut self, victims: &[Victim]) {
        for victim in victims {
            match victim {
                Victim::Meter(n) => self.meters[*n].kill9(),
                Victim::Relay => self.relay.kill9(),
                Victim::Redis => self.redis.kill9(),
                Victim::Postgres => self.postgres.kill9(),
            }
        }
    }

    /// Starts what was killed, on the data that it left, in the order of the killing.
    pub(crate) fn start(&mut self, victims: &[Victim]) {
        for victim in victims {
            match victim {
                Victim::Meter(n) => self.meters[*n].start(),
                Victim::Relay => self.relay.start(),
                Victim::Redis => block_in_place(|| self.redis.restart()).unwrap(),
                Victim::Postgres => block_in_place(|| self.postgres.restart()).unwrap(),
            }
        }
    }

    /// Waits until every service says that it can do its work.
    pub(crate) async fn is_ready(&self) {
        for part in self.parts() {
            let ready = async {
                while !part.is_ready().await {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            };
            if tokio::time::timeout(PATIENCE, ready).await.is_err() {
                panic!("{} is not ready: {}\n{}", part.name, part.trouble().await, part.log());
            }
        }
    }

    /// Stops the services in good order; each must end well and by itself. The servers stay, for
    /// the auditor.
    pub(crate) fn stop(&mut self) {
        for part in self.parts_mut() {
            let status = block_in_place(|| part.terminate());
            assert!(
                status.is_some_and(|status| status.success()),
                "{} ended with {status:?}:\n{}",
                part.name,
                part.log()
            );
        }
    }

    /// Whether `coinline audit` finds that everything agrees, and what it prints.
    pub(crate) fn audit(&self) -> (bool, String) {
        let mut audit = Command::new(env!("CARGO_BIN_EXE_coinline"));
        audit.args(["audit", "--database", &self.database]);
        let output = block_in_place(|| audit.output()).unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout) + &text(&output.stderr))
    }

    /// What every service logged last.
    pub(crate) fn logs(&self) -> String {
        let logs = self.parts().map(|part| format!("--- {} ---\n{}", part.name, part.log()));
        logs.join("\n")
    }
}

fn demo(people: &[(String, &str, &str)]) -> String {
    people
        .iter()
        .map(|(id, role, coins)| {
            let id = json!(id);
            format!(
                "[[demo.users]]\nid = {id}\nname = {id}\nrole = \"{role}\"\ncoins = \"{coins}\"\n"
            )
        })
        .collect()
}
