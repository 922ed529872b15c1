//! `turnserver` of coturn: a TURN server whose users bring credentials that a shared secret signed.

use crate::Error;
use crate::process::{Process, free_port, log_end, wait_until};
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// How long it may take to listen.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// How many ports are tried: another process may take one between our look and the server's.
const PORTS_TRIED: usize = 5;

/// The secret that it shares with whoever mints credentials.
const SECRET: &str = "a secret of coturn and coinline";

/// A TURN server on loopback that relays to loopback.
#[derive(Debug)]
pub struct Coturn {
    port: u16,
    _process: Process,
    folder: TempDir,
}

impl Coturn {
    /// Starts a server; returns when it listens.
    ///
    /// # Errors
    /// [`Error::Run`] without coturn; otherwise what went wrong.
    pub fn start() -> Result<Self, Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            match Self::start_once() {
                Err(Error::NotReady { .. }) if tries < PORTS_TRIED => {}
                done => return done,
            }
        }
    }

    fn start_once() -> Result<Self, Error> {
        let folder = TempDir::with_prefix("test-coturn-").map_err(Error::file("a folder"))?;
        let secret = folder.path().join("secret");
        fs::write(&secret, SECRET).map_err(Error::file(&secret))?;
        let port = free_port()?;
        let mut command = Command::new("turnserver");
        command
            .args(["-n", "--no-cli", "--no-tls", "--no-dtls", "--allow-loopback-peers"])
            .args(["--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1"])
            .args(["--listening-port", &port.to_string()])
            .args(["--use-auth-secret", "--static-auth-secret", SECRET, "--realm", "coinline"])
            .args(["--log-file", "stdout", "--verbose"])
            .arg("--pidfile")
            .arg(folder.path().join("pid"))
            .arg("--userdb")
            .arg(folder.path().join("users"));
        let mut process = Process::spawn(command, folder.path())?;
        let listens = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
        if !wait_until(READY_WITHIN, || listens() || process.has_ended()) || process.has_ended() {
            let log = log_end(folder.path());
            return Err(Error::NotReady { program: "turnserver", log });
        }
        Ok(Self { port, _process: process, folder })
    }

    /// Its address, as clients want it: `turn:...` by that transport, `udp` or `tcp`.
    #[must_use]
    pub fn url(&self, transport: &str) -> String {
        format!("turn:127.0.0.1:{}?transport={transport}", self.port)
    }

    /// A file that holds its secret.
    #[must_use]
    pub fn secret_file(&self) -> PathBuf {
        self.folder.path().join("secret")
    }
}
