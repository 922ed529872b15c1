//! One process of the product: one service, at an address that it keeps.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;
use tempfile::TempDir;
use test_servers::{Process, free_port};

/// How long a service may take from SIGTERM to its end: a meter settles for up to 10 s.
const STOPPED_WITHIN: Duration = Duration::from_secs(30);

/// How much of a log is shown when something went wrong, in lines.
const LOG_LINES_SHOWN: usize = 60;

/// A service, running or dead. Dropped, it is killed.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    role: &'static str,
    operations: u16,
    /// Where the demo keeps its keys, the same for all services.
    home: PathBuf,
    folder: TempDir,
    /// `None` while it is down.
    process: Option<Process>,
}

impl Part {
    /// A service that is not started yet; `settings` is its configuration but for the private
    /// port.
    pub(crate) fn new(name: &'static str, role: &'static str, settings: &str, home: &Path) -> Self {
        let folder = TempDir::with_prefix("crash-").unwrap();
        let operations = free_port().unwrap();
        let toml = format!("{settings}\n[operations]\nlisten = \"127.0.0.1:{operations}\"\n");
        std::fs::write(folder.path().join("coinline.toml"), toml).unwrap();
        Self { name, role, operations, home: home.to_owned(), folder, process: None }
    }

    /// Starts it; does not wait until it is ready.
    pub(crate) fn start(&mut self) {
        let folder = self.folder.path();
        let mut command = Command::new(env!("CARGO_BIN_EXE_coinline"));
        command.args(["serve", "--role", self.role, "--config"]).arg(folder.join("coinline.toml"));
        command.current_dir(&self.home);
        self.process = Some(Process::spawn(command, folder).unwrap());
    }

    /// `kill -9`. Whoever asks knows that it runs: one that died by itself is a finding.
    pub(crate) fn kill9(&mut self) {
        let mut process = self.process.take().unwrap();
        assert!(!process.has_ended(), "{} had died by itself:\n{}", self.name, self.log());
        process.kill9();
    }

    /// SIGTERM; how it ended.
    pub(crate) fn terminate(&mut self) -> Option<ExitStatus> {
        self.process.take().unwrap().terminate(STOPPED_WITHIN)
    }

    /// Whether it says that it can do its work.
    pub(crate) async fn is_ready(&self) -> bool {
        let url = format!("http://127.0.0.1:{}/readyz", self.operations);
        reqwest::get(url).await.is_ok_and(|answer| answer.status().is_success())
    }

    /// Why it is not ready, in its own words.
    pub(crate) async fn trouble(&self) -> String {
        let url = format!("http://127.0.0.1:{}/readyz", self.operations);
        match reqwest::get(url).await {
            Ok(answer) => answer.text().await.unwrap_or_default(),
            Err(error) => error.to_string(),
        }
    }

    /// The end of what it logged.
    pub(crate) fn log(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }
}
