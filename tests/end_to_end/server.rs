//! A server process of its own for each test: free ports, its own data folder, stopped by id.

use serde_json::json;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};

/// How long a start or stop may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Server {
    child: Option<Child>,
    folder: TempDir,
    pub(crate) url: String,
}

impl Server {
    /// A demo server with these people (id, role, coins), whose hosts' clients ring for so long.
    pub(crate) async fn start(people: &[(&str, &str, &str)], ring_ms: u64) -> Self {
        Self::start_with(people, ring_ms, "").await
    }

    /// The same, with more settings.
    pub(crate) async fn start_with(
        people: &[(&str, &str, &str)],
        ring_ms: u64,
        settings: &str,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut toml = format!(
            "mode = \"demo\"\n\
             [store]\ndatabase = {}\n\
             [signaling]\nlisten = \"127.0.0.1:0\"\nring_timeout_ms = {ring_ms}\n\
             [media_relay]\nlisten = \"127.0.0.1:0\"\n{settings}",
            json!(folder.path().join("coinline.db"))
        );
        for (id, role, coins) in people {
            let name = json!(id);
            toml += &format!(
                "[[demo.users]]\nid = {name}\nname = {name}\nrole = \"{role}\"\ncoins = \"{coins}\"\n"
            );
        }
        std::fs::write(folder.path().join("coinline.toml"), toml).unwrap();
        let mut server = Self { child: None, folder, url: String::new() };
        server.restart().await;
        server
    }

    /// Starts the process again on the same data and address.
    pub(crate) async fn restart(&mut self) {
        assert!(self.child.is_none(), "the server is running");
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_coinline"))
            .arg("--config")
            .arg(self.folder.path().join("coinline.toml"))
            .args(["--listen", self.url.strip_prefix("http://").unwrap_or("127.0.0.1:0")])
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let stdout = tokio::process::ChildStdout::from_std(child.stdout.take().unwrap()).unwrap();
        self.child = Some(child);
        let mut lines = BufReader::new(stdout).lines();
        let ready = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some(url) = line.strip_prefix("listening on ") {
                    return url.to_owned();
                }
            }
            panic!("the server ended: {}", self.log());
        };
        self.url = tokio::time::timeout(PATIENCE, ready).await.unwrap();
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM, and the exit status.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        let mut child = self.child.take().unwrap();
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status;
            }
            if Instant::now() > deadline {
                child.kill().unwrap();
                child.wait().unwrap();
                panic!("the server ignored SIGTERM: {}", self.log());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("coinline.db")
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- server log ---\n{}", self.log());
        }
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
