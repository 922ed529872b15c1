//! A server of our own for one test: a real process on free ports with its data in a folder that
//! goes away with it.

use crate::accounts;
use crate::signaling_client::Endpoint;
use protocol::token::Role;
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use units::MicroCoins;

/// How long a server may take until it listens. A first start makes its database.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// How long a server may take from SIGTERM to its end, with no call in progress.
const STOPPED_WITHIN: Duration = Duration::from_secs(15);

/// What it prints when it is ready, before its address.
const READY_LINE: &str = "listening on ";

/// How much of its log is shown when it fails, in lines.
const LOG_LINES_SHOWN: usize = 20;

/// Why a server did not start or stop.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("{what}")]
    Io { what: &'static str, source: std::io::Error },
    #[error("building the server failed")]
    NotBuilt,
    #[error("the server was not ready within {} s\n{log}", READY_WITHIN.as_secs())]
    NotReady { log: String },
    #[error("the server did not stop within {} s of SIGTERM\n{log}", STOPPED_WITHIN.as_secs())]
    NotStopped { log: String },
    #[error("the server ended with {status}\n{log}")]
    Failed { status: std::process::ExitStatus, log: String },
}

/// The configuration of a demo server with a fan and a host for each call.
#[derive(Serialize)]
struct Settings {
    mode: &'static str,
    signaling: Listen,
    media_relay: Listen,
    store: Store,
    demo: Demo,
}

#[derive(Serialize)]
struct Listen {
    listen: &'static str,
}

#[derive(Serialize)]
struct Store {
    database: PathBuf,
}

#[derive(Serialize)]
struct Demo {
    users: Vec<DemoUser>,
}

#[derive(Serialize)]
struct DemoUser {
    id: String,
    name: String,
    role: Role,
    coins: String,
}

/// A running server. Dropped, it is killed.
#[derive(Debug)]
pub struct ServerProcess {
    running: Running,
    endpoint: Endpoint,
}

/// A process that has said that it is up. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    folder: TempDir,
    /// What it said where it is.
    said: String,
    /// Keeps the pipe open: a server that can't print would fail.
    _lines: Lines<BufReader<ChildStdout>>,
}

impl ServerProcess {
    /// Starts the server that was built beside this program (and builds it, if it was not), for
    /// `calls` fans who own `coins` each and as many hosts.
    ///
    /// # Errors
    /// A server that can't be built or started, or is not ready within 30 s.
    pub async fn start(calls: usize, coins: MicroCoins) -> Result<Self, ServerError> {
        let folder = tempfile::tempdir().map_err(io("a folder for the server"))?;
        let settings = settings(calls, coins, folder.path());
        let text = toml::to_string(&settings).expect("settings serialise");
        let running = Running::start(folder, &text, &[], READY_LINE).await?;
        let log = || log_tail(&running.folder);
        let endpoint = running.said.parse().map_err(|_| ServerError::NotReady { log: log() })?;
        Ok(Self { running, endpoint })
    }

    /// Where it listens.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Stops it as an operator would, by SIGTERM, and waits for its end.
    ///
    /// # Errors
    /// A server that goes on for more than 15 s, or ends with a failure.
    pub async fn stop(self) -> Result<(), ServerError> {
        self.running.stop().await
    }
}

impl Running {
    /// Starts the server with a configuration and further arguments, and waits for the line that
    /// begins with `ready`.
    ///
    /// # Errors
    /// As [`ServerProcess::start`].
    pub(crate) async fn start(
        folder: TempDir,
        config: &str,
        arguments: &[&str],
        ready: &str,
    ) -> Result<Self, ServerError> {
        let program = program().await?;
        let config_at = folder.path().join("coinline.toml");
        std::fs::write(&config_at, config).map_err(io("the server's configuration"))?;
        let log = std::fs::File::create(log_path(&folder)).map_err(io("the server's log"))?;
        let mut child = Command::new(&program)
            .arg("serve")
            .arg("--config")
            .arg(&config_at)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(io("starting the server"))?;
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut lines = BufReader::new(stdout).lines();
        match tokio::time::timeout(READY_WITHIN, said(&mut lines, ready)).await {
            Ok(Ok(Some(said))) => Ok(Self { child, folder, said, _lines: lines }),
            Ok(Ok(None)) => {
                let status = child.wait().await.map_err(io("the server's end"))?;
                Err(ServerError::Failed { status, log: log_tail(&folder) })
            }
            Ok(Err(source)) => Err(ServerError::Io { what: "the server's output", source }),
            Err(_) => Err(ServerError::NotReady { log: log_tail(&folder) }),
        }
    }

    /// Its process, while it runs.
    pub(crate) fn pid(&self) -> Option<Pid> {
        Pid::from_raw(self.child.id()?.cast_signed())
    }

    /// See [`ServerProcess::stop`].
    pub(crate) async fn stop(mut self) -> Result<(), ServerError> {
        if let Some(pid) = self.pid() {
            let sent = kill_process(pid, Signal::TERM);
            sent.map_err(|errno| io("stopping the server")(errno.into()))?;
        }
        match tokio::time::timeout(STOPPED_WITHIN, self.child.wait()).await {
            Err(_) => Err(ServerError::NotStopped { log: log_tail(&self.folder) }),
            Ok(ended) => {
                let status = ended.map_err(io("the server's end"))?;
                let log = || log_tail(&self.folder);
                if status.success() {
                    Ok(())
                } else {
                    Err(ServerError::Failed { status, log: log() })
                }
            }
        }
    }
}

fn io(what: &'static str) -> impl FnOnce(std::io::Error) -> ServerError {
    move |source| ServerError::Io { what, source }
}

fn settings(calls: usize, coins: MicroCoins, folder: &Path) -> Settings {
    let users = |role, coins: MicroCoins| {
        (1..=calls).map(move |n| {
            let id = accounts::user(role, n).to_string();
            DemoUser { name: id.clone(), id, role, coins: coins.to_string() }
        })
    };
    let fans = users(Role::Fan, coins);
    let hosts = users(Role::Host, MicroCoins::ZERO);
    Settings {
        mode: "demo",
        signaling: Listen { listen: "127.0.0.1:0" },
        media_relay: Listen { listen: "127.0.0.1:0" },
        store: Store { database: folder.join("coinline.db") },
        demo: Demo { users: fans.chain(hosts).collect() },
    }
}

/// Reads what the server prints until it says where it is; `None` if it ends before.
async fn said(
    lines: &mut Lines<BufReader<ChildStdout>>,
    ready: &str,
) -> std::io::Result<Option<String>> {
    while let Some(line) = lines.next_line().await? {
        let rest = line.split_once(ready).map(|(_, rest)| rest);
        if let Some(said) = rest.and_then(|rest| rest.split_whitespace().next()) {
            return Ok(Some(said.to_owned()));
        }
    }
    Ok(None)
}

/// The server's executable: beside ours, or one folder up from a test's.
async fn program() -> Result<PathBuf, ServerError> {
    let own = std::env::current_exe().map_err(io("our own path"))?;
    let folders = own.ancestors().skip(1).take(2);
    let name = format!("coinline{}", std::env::consts::EXE_SUFFIX);
    let found = || folders.clone().map(|folder| folder.join(&name)).find(|path| path.is_file());
    if let Some(path) = found() {
        return Ok(path);
    }
    let mut build = Command::new("cargo");
    build.args(["build", "--package", "coinline"]);
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    build.current_dir(env!("CARGO_MANIFEST_DIR")).kill_on_drop(true);
    let built = build.status().await.map_err(io("running cargo"))?;
    found().filter(|_| built.success()).ok_or(ServerError::NotBuilt)
}

fn log_path(folder: &TempDir) -> PathBuf {
    folder.path().join("server.log")
}

fn log_tail(folder: &TempDir) -> String {
    let log = std::fs::read_to_string(log_path(folder)).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_names_a_fan_with_coins_and_a_host_for_each_call() {
        let settings = settings(2, MicroCoins::coins(100), Path::new("/data"));
        let text = toml::to_string(&settings).unwrap();
        let read: toml::Table = text.parse().unwrap();
        assert_eq!(read["store"]["database"].as_str(), Some("/data/coinline.db"));
        let users = read["demo"]["users"].as_array().unwrap();
        let named: Vec<_> = users
            .iter()
            .map(|user| {
                let text = |key| user.get(key).and_then(toml::Value::as_str).unwrap_or_default();
                (text("id"), text("role"), text("coins"))
            })
            .collect();
        assert_eq!(
            named,
            [
                ("fan-1", "fan", "100.00"),
                ("fan-2", "fan", "100.00"),
                ("host-1", "host", "0.00"),
                ("host-2", "host", "0.00")
            ]
        );
    }
}
