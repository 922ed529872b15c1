//! A server as a child process that never outlives the process which started it.
//!
//! Beside each server runs a guard: a shell that waits for the end of its standard input. That
//! comes when it is dropped, and also when this process exits without dropping (a `static`) or is
//! killed: then the guard kills the server and removes its folder.

use crate::Error;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// How long between two looks whether something has come about. Less would burn time that the
/// server needs; more would make every start and stop as much slower.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// `$1` is the server, `$2` its folder. The server is our child and not reaped before the guard
/// is ended, so the id is still its own.
const GUARD: &str = r#"read -r _; kill -KILL "$1" 2>/dev/null; sleep 0.2; rm -rf -- "$2""#;

/// A running server and its guard.
#[derive(Debug)]
pub struct Process {
    server: Child,
    guard: Child,
}

impl Process {
    /// Runs `command` in a process group of its own, so that Ctrl-C at the terminal ends the tests
    /// first; what it prints is added to the file `log` in `folder`. The folder goes away if this
    /// process dies without dropping it.
    ///
    /// # Errors
    /// [`Error::Run`] if there is no such program, [`Error::File`] without a log.
    pub fn spawn(mut command: Command, folder: &Path) -> Result<Self, Error> {
        let path = log_path(folder);
        let log = File::options().create(true).append(true).open(&path);
        let log = log.map_err(Error::file(&path))?;
        let errors = log.try_clone().map_err(Error::file(&path))?;
        let program = command.get_program().to_string_lossy().into_owned();
        let mut server = command
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(Error::run(program))?;
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .arg(server.id().to_string())
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        match guard {
            Ok(guard) => Ok(Self { server, guard }),
            Err(error) => {
                // Without a guard it would be left behind; it has nothing to lose yet.
                let _ = server.kill().and_then(|()| server.wait());
                Err(Error::run("sh")(error))
            }
        }
    }

    /// The server's process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.server.id()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.server.try_wait(), Ok(None))
    }

    /// Ends it at once, without a chance to write anything, and its own children with it.
    pub fn kill9(mut self) {
        let children = children(self.id());
        // It may have ended already: then there is nothing to do.
        let _ = self.server.kill();
        for child in children {
            let _ = kill_process(child, Signal::KILL);
        }
        self.reap();
    }

    /// Asks it to end, by SIGTERM: how it did, or `None` if it had to be killed since it went on
    /// for longer than `patience`.
    pub fn terminate(self, patience: Duration) -> Option<ExitStatus> {
        self.stop(Signal::TERM, patience)
    }

    /// Asks it to end by `signal`; kills it if it has not within `patience`.
    pub(crate) fn stop(mut self, signal: Signal, patience: Duration) -> Option<ExitStatus> {
        if let Some(id) = pid(self.id()) {
            // It may have ended already.
            let _ = kill_process(id, signal);
        }
        if wait_until(patience, || self.has_ended()) {
            let status = self.server.try_wait().ok().flatten();
            self.reap();
            return status;
        }
        self.kill9();
        None
    }

    fn reap(&mut self) {
        // The guard goes first, while the server's id is still its own.
        let _ = self.guard.kill().and_then(|()| self.guard.wait());
        let _ = self.server.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.server.kill();
        self.reap();
    }
}

/// Where a server in `folder` writes what it has to say.
pub(crate) fn log_path(folder: &Path) -> PathBuf {
    folder.join("log")
}

/// The end of the log, for an error.
pub(crate) fn log_end(folder: &Path) -> String {
    let log = fs::read_to_string(log_path(folder)).unwrap_or_default();
    let lines: Vec<_> = log.lines().rev().take(10).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
}

/// Whether `done` came true within `patience`.
pub(crate) fn wait_until(patience: Duration, mut done: impl FnMut() -> bool) -> bool {
    let looks = patience.as_millis() / LOOK_EVERY.as_millis();
    for _ in 0..looks {
        if done() {
            return true;
        }
        sleep(LOOK_EVERY);
    }
    done()
}

/// A loopback port that nobody listens on.
///
/// # Errors
/// [`Error::Port`] if there is none.
pub fn free_port() -> Result<u16, Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::Port)?;
    Ok(listener.local_addr().map_err(Error::Port)?.port())
}

/// Runs a program to its end; its output if that was good.
pub(crate) fn run(command: &mut Command) -> Result<String, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(Error::run(&program))?;
    let text = |bytes| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(Error::Failed { program, output: text(&output.stderr) })
    }
}

fn pid(id: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(id).ok()?)
}

fn children(id: u32) -> Vec<Pid> {
    let list = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|id| pid(id.parse().ok()?)).collect()
}
