//! Processes of one installation: one configuration, free ports, logs in one folder.

use serde_json::json;
use std::fmt::Write as _;
use std::net::TcpListener;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{sleep, timeout};

/// How long a start, a stop or a lease may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the processes keep what they keep.
pub(crate) struct Folder(TempDir);

impl Folder {
    /// With a demo of so many fans and hosts. What breaks off early is not given back: bills are
    /// what these tests look at.
    pub(crate) fn new(pairs: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [signaling, relay] = [free_port(), free_port()];
        let mut toml = format!(
            "mode = \"demo\"\n\
             store.database = {}\n\
             signaling.listen = \"127.0.0.1:0\"\n\
             media_relay.listen = \"127.0.0.1:0\"\n\
             credits.early_drop.on = false\n\
             [links]\n\
             signaling = \"ws://127.0.0.1:{signaling}\"\n\
             relay = \"ws://127.0.0.1:{relay}\"\n",
            json!(folder.path().join("data/coinline.db"))
        );
        for n in 1..=pairs {
            for (role, coins) in [("fan", "100.00"), ("host", "0")] {
                let _ = writeln!(
                    toml,
                    "[[demo.users]]\nid = \"{role}-{n}\"\nname = \"{role}-{n}\"\nrole = \"{role}\"\n\
                     coins = \"{coins}\""
                );
            }
        }
        std::fs::write(folder.path().join("coinline.toml"), toml).unwrap();
        std::fs::write(folder.path().join("signaling.port"), signaling.to_string()).unwrap();
        std::fs::write(folder.path().join("media-relay.port"), relay.to_string()).unwrap();
        Self(folder)
    }

    /// What all processes logged.
    pub(crate) fn logs(&self) -> String {
        let mut logs = String::new();
        for role in ["all", "signaling", "media-relay", "billing-meter"] {
            let log = std::fs::read_to_string(self.0.path().join(format!("{role}.log")));
            let _ = writeln!(logs, "--- {role} ---\n{}", log.unwrap_or_default());
        }
        logs
    }
}

pub(crate) struct Process {
    role: &'static str,
    child: Child,
    operations: u16,
    /// The last word of the line that says that it is up: its address. Empty until then.
    pub(crate) said: String,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts `role`, or "all", and waits until it is up.
    pub(crate) async fn start(folder: &Folder, role: &'static str, options: &[String]) -> Self {
        Self::waiting(folder, role, options).up(folder).await
    }

    /// Starts `role`, or "all", which is not up yet.
    pub(crate) fn waiting(folder: &Folder, role: &'static str, options: &[String]) -> Self {
        let path = folder.0.path();
        let log_at = path.join(format!("{role}.log"));
        let log = std::fs::File::options().create(true).append(true).open(log_at).unwrap();
        let operations = free_port();
        let mut command = Command::new(env!("CARGO_BIN_EXE_coinline"));
        command.arg("serve").arg("--config").arg(path.join("coinline.toml")).args(options);
        if role != "all" {
            command.args(["--role", role]);
            command.env("COINLINE__LINKS__SECRET", "the secret of this test's own processes");
        }
        if let Ok(port) = std::fs::read_to_string(path.join(format!("{role}.port"))) {
            command.env("COINLINE__LINKS__LISTEN", format!("127.0.0.1:{port}"));
        }
        command
            .env("COINLINE__OPERATIONS__LISTEN", format!("127.0.0.1:{operations}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { role, child, operations, said: String::new(), lines }
    }

    /// Waits until it says that it is up.
    pub(crate) async fn up(mut self, folder: &Folder) -> Self {
        let up = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                let begins = ["listening on ", "relaying media on ", "metering on "];
                if begins.iter().any(|begin| line.starts_with(begin)) {
                    return line.rsplit(' ').next().unwrap().to_owned();
                }
            }
            panic!("{} ended:\n{}", self.role, folder.logs());
        };
        self.said = timeout(PATIENCE, up).await.unwrap();
        self
    }

    /// Waits until the private port says that it is ready.
    pub(crate) async fn is_ready(&self) {
        self.says(|ready, _| ready).await;
    }

    /// Waits until the private port gives this reason for not being ready.
    pub(crate) async fn is_not_ready(&self, reason: &str) {
        self.says(|ready, reasons| !ready && reasons.contains(reason)).await;
    }

    async fn says(&self, enough: impl Fn(bool, &str) -> bool) {
        let url = format!("http://127.0.0.1:{}/readyz", self.operations);
        let mut said = String::new();
        let waiting = async {
            loop {
                // Its private port opens a moment after its start.
                if let Ok(answer) = reqwest::get(&url).await {
                    let ready = answer.status().is_success();
                    said = answer.text().await.unwrap();
                    if enough(ready, &said) {
                        return;
                    }
                }
                sleep(Duration::from_millis(50)).await;
            }
        };
        let outcome = timeout(PATIENCE, waiting).await;
        assert!(outcome.is_ok(), "it says: {said}");
    }

    /// SIGTERM, and the exit status.
    pub(crate) async fn stop(&mut self) -> ExitStatus {
        let id = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().await.unwrap();
        assert!(sent.success());
        timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap()
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
