//! `redis-server` and `valkey-server`: alone, with a replica, or as a cluster.

use crate::Error;
use crate::process::{Process, free_port, log_end, wait_until};
use rustix::process::Signal;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// How long a server may take to answer, reading its file after a crash included. More would only
/// delay the error.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// How long a server may take to end by itself: it writes what is in memory.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// How long an answer may take. Nothing that is asked here takes a server longer than this.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// How many ports are tried: another process may take one between our look and the server's.
const PORTS_TRIED: usize = 5;

/// Hash slots of a cluster, by its specification.
const SLOTS: u16 = 16_384;

/// Which server speaks the protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    #[default]
    Redis,
    Valkey,
}

/// When a write reaches the append-only file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AppendOnly {
    /// Never: a server that ends comes back empty.
    #[default]
    Off,
    /// Before the answer, synced each second: survives a crash of the server.
    EverySecond,
    /// Synced before the answer: survives a power failure.
    Always,
}

/// How a server is run. The default is an empty one without a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedisOptions {
    pub engine: Engine,
    pub append_only: AppendOnly,
    /// The port on loopback of the server whose replica it is.
    pub replica_of: Option<u16>,
    /// The only processor that it runs on, for benchmarks.
    pub core: Option<usize>,
}

/// A Redis or Valkey server on loopback, which keeps nothing but what its options say.
#[derive(Debug)]
pub struct Redis {
    options: RedisOptions,
    port: u16,
    /// The port of the cluster's bus, if it is part of one.
    bus: Option<u16>,
    /// `None` while it is down.
    process: Option<Process>,
    folder: TempDir,
}

impl Redis {
    /// Starts a server; returns when it answers.
    ///
    /// # Errors
    /// [`Error::NotInstalled`] without the engine; otherwise what went wrong.
    pub fn start(options: RedisOptions) -> Result<Self, Error> {
        Self::start_as(options, false)
    }

    fn start_as(options: RedisOptions, in_cluster: bool) -> Result<Self, Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            let folder = TempDir::with_prefix("test-redis-").map_err(Error::file("a folder"))?;
            let bus = in_cluster.then(free_port).transpose()?;
            let port = free_port()?;
            let mut server = Self { options: options.clone(), port, bus, process: None, folder };
            match server.restart() {
                Ok(()) => return Ok(server),
                Err(Error::NotReady { .. }) if tries < PORTS_TRIED => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Its port on loopback.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Its address, as clients want it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its process id, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Kills the server at once, as a crash would. Does nothing if it is down.
    pub fn kill9(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill9();
        }
    }

    /// Stops the server in good order. Does nothing if it is down.
    pub fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop(Signal::TERM, STOP_WITHIN);
        }
    }

    /// Stops the server if it runs, and starts it at the same address with what its file holds.
    /// Returns when it answers.
    ///
    /// # Errors
    /// [`Error::NotReady`] with the end of the server's log.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.stop();
        let mut process = Process::spawn(self.command()?, self.folder.path())?;
        let ready = wait_until(READY_WITHIN, || {
            process.has_ended() || self.ask("PING").is_ok_and(|answer| answer == "+PONG")
        });
        if ready && !process.has_ended() {
            self.process = Some(process);
            return Ok(());
        }
        Err(self.not_ready())
    }

    /// Makes a replica a master with the data that it has.
    ///
    /// # Errors
    /// [`Error::Failed`] if it does not answer.
    pub fn promote(&self) -> Result<(), Error> {
        self.command_ok("REPLICAOF NO ONE")
    }

    /// Makes it a replica of the server at that port, and waits until it has the same data.
    ///
    /// # Errors
    /// [`Error::Failed`] if it does not answer, [`Error::NotReady`] if it does not catch up.
    pub fn follow(&self, port: u16) -> Result<(), Error> {
        self.command_ok(&format!("REPLICAOF 127.0.0.1 {port}"))?;
        self.wait_for_master()
    }

    /// Waits until a replica is connected to its master and has what that had.
    ///
    /// # Errors
    /// [`Error::NotReady`] if it does not come about in time.
    pub fn wait_for_master(&self) -> Result<(), Error> {
        let linked =
            || self.ask("INFO replication").is_ok_and(|info| info.contains("link_status:up"));
        if wait_until(READY_WITHIN, linked) { Ok(()) } else { Err(self.not_ready()) }
    }

    /// Processor time the server's own threads have used, in milliseconds; of its helpers (a
    /// rewrite of the file) nothing. `None` while it is down. Counted by the kernel in steps of
    /// 10 ms.
    #[must_use]
    pub fn cpu_ms(&self) -> Option<u64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id()?)).ok()?;
        // The name in parentheses may hold anything; `utime` and `stime` are fields 14 and 15.
        let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
        Some(ticks * 1_000 / rustix::param::clock_ticks_per_second())
    }

    /// How large its append-only files are, in bytes.
    ///
    /// # Errors
    /// [`Error::File`] if they can't be read.
    pub fn append_only_bytes(&self) -> Result<u64, Error> {
        let folder = self.folder.path().join("appendonlydir");
        let mut bytes = 0;
        for file in fs::read_dir(&folder).map_err(Error::file(&folder))? {
            let file = file.map_err(Error::file(&folder))?;
            bytes += file.metadata().map_err(Error::file(file.path()))?.len();
        }
        Ok(bytes)
    }

    /// Sends one command, its words parted by spaces, and returns the answer's text: the first line
    /// as it is, or what a bulk answer holds, with U+FFFD for what is no text.
    ///
    /// # Errors
    /// When the server can't be reached, or does not answer in time.
    pub fn ask(&self, command: &str) -> io::Result<String> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        (&stream).write_all(format!("{command}\r\n").as_bytes())?;
        let mut answer = BufReader::new(stream);
        let mut line = String::new();
        answer.read_line(&mut line)?;
        let line = line.trim_end();
        let Some(length) = line.strip_prefix('$').and_then(|length| length.parse::<u64>().ok())
        else {
            return Ok(line.to_owned());
        };
        let mut bytes = Vec::new();
        answer.take(length).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn command_ok(&self, command: &str) -> Result<(), Error> {
        let program = || format!("{command} at port {}", self.port);
        match self.ask(command) {
            Ok(answer) if answer == "+OK" => Ok(()),
            Ok(output) => Err(Error::Failed { program: program(), output }),
            Err(source) => Err(Error::Run { program: program(), source }),
        }
    }

    fn command(&self) -> Result<Command, Error> {
        let program = self.options.engine.program()?;
        let mut command = match self.options.core {
            Some(core) => {
                let mut command = Command::new("taskset");
                command.args(["-c", &core.to_string()]).arg(program);
                command
            }
            None => Command::new(program),
        };
        let fsync = match self.options.append_only {
            AppendOnly::Off | AppendOnly::EverySecond => "everysec",
            AppendOnly::Always => "always",
        };
        let append_only = self.options.append_only != AppendOnly::Off;
        command
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--save", ""])
            .args(["--appendonly", if append_only { "yes" } else { "no" }])
            // Rewrites would hide how much is written.
            .args(["--appendfsync", fsync, "--auto-aof-rewrite-percentage", "0"])
            .args(["--repl-diskless-sync-delay", "0", "--dir"])
            .arg(self.folder.path());
        if let Some(port) = self.options.replica_of {
            command.args(["--replicaof", "127.0.0.1", &port.to_string()]);
        }
        if let Some(bus) = self.bus {
            command
                .args(["--cluster-enabled", "yes", "--cluster-port", &bus.to_string()])
                .args(["--cluster-node-timeout", "1000"]);
        }
        Ok(command)
    }

    fn not_ready(&self) -> Error {
        Error::NotReady { program: self.options.engine.name(), log: log_end(self.folder.path()) }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill9();
    }
}

impl Engine {
    const fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis-server",
            Self::Valkey => "valkey-server",
        }
    }

    /// Where Debian installs it.
    fn program(self) -> Result<PathBuf, Error> {
        let path = Path::new("/usr/bin").join(self.name());
        if path.exists() {
            Ok(path)
        } else {
            Err(Error::NotInstalled { program: self.name(), package: self.name() })
        }
    }
}

/// Masters that share the hash slots evenly, without replicas.
#[derive(Debug)]
pub struct Cluster {
    pub nodes: Vec<Redis>,
}

impl Cluster {
    /// Starts `count` servers, at least one, and joins them; returns when each knows all slots.
    ///
    /// # Errors
    /// As of [`Redis::start`].
    pub fn start(engine: Engine, count: u16) -> Result<Self, Error> {
        let options = RedisOptions { engine, ..RedisOptions::default() };
        let nodes = (0..count)
            .map(|_| Redis::start_as(options.clone(), true))
            .collect::<Result<Vec<_>, _>>()?;
        for (n, node) in (0..).zip(&nodes) {
            let (first, next) = (SLOTS / count * n, SLOTS / count * (n + 1));
            let last = if n + 1 == count { SLOTS - 1 } else { next - 1 };
            node.command_ok(&format!("CLUSTER ADDSLOTSRANGE {first} {last}"))?;
            // Without epochs of their own nodes need seconds to agree. A node takes one only
            // while it knows no other.
            node.command_ok(&format!("CLUSTER SET-CONFIG-EPOCH {}", n + 1))?;
        }
        for node in nodes.iter().skip(1) {
            let bus = node.bus.unwrap_or_default();
            nodes[0].command_ok(&format!("CLUSTER MEET 127.0.0.1 {} {bus}", node.port))?;
        }
        for node in &nodes {
            let whole = || {
                node.ask("CLUSTER INFO").is_ok_and(|info| {
                    info.contains("cluster_state:ok")
                        && info.contains(&format!("cluster_known_nodes:{count}"))
                })
            };
            if !wait_until(READY_WITHIN, whole) {
                return Err(node.not_ready());
            }
        }
        Ok(Self { nodes })
    }

    /// The addresses of all nodes.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Redis::url).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_with_a_file_keeps_its_data_through_a_crash_and_one_without_does_not() {
        for (append_only, kept) in [(AppendOnly::Off, "$-1"), (AppendOnly::EverySecond, "1")] {
            let options = RedisOptions { append_only, ..RedisOptions::default() };
            let mut server = Redis::start(options).unwrap();
            assert_eq!(server.ask("SET a 1").unwrap(), "+OK");
            server.kill9();
            assert!(server.ask("GET a").is_err() && server.cpu_ms().is_none());
            server.restart().unwrap();
            assert_eq!(server.ask("GET a").unwrap(), kept, "{append_only:?}");
            assert!(server.cpu_ms().is_some());
        }
    }

    #[test]
    fn a_replica_follows_and_is_promoted() {
        let master = Redis::start(RedisOptions::default()).unwrap();
        master.ask("SET a 1").unwrap();
        let options = RedisOptions { replica_of: Some(master.port()), ..RedisOptions::default() };
        let replica = Redis::start(options).unwrap();
        replica.wait_for_master().unwrap();
        assert!(wait_until(READY_WITHIN, || replica.ask("GET a").is_ok_and(|a| a == "1")));
        assert!(replica.ask("SET a 2").unwrap().starts_with("-READONLY"));
        replica.promote().unwrap();
        assert_eq!(replica.ask("SET a 2").unwrap(), "+OK");
        assert_eq!(master.ask("GET a").unwrap(), "1");
    }

    #[test]
    fn a_cluster_shares_the_slots() {
        let cluster = Cluster::start(Engine::Redis, 3).unwrap();
        let answers = cluster.nodes.iter().map(|node| node.ask("SET a 1").unwrap());
        let (taken, moved): (Vec<_>, Vec<_>) = answers.partition(|answer| answer == "+OK");
        assert_eq!((taken.len(), moved.len()), (1, 2), "{moved:?}");
    }
}
