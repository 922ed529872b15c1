//! `postgres`, from the newest version that is installed.

use crate::Error;
use crate::process::{Process, free_port, log_end, run, wait_until};
use rustix::process::{Signal, geteuid};
use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// Where Debian installs versions, each in a folder named by its number.
const VERSIONS: &str = "/usr/lib/postgresql";

/// How long a server may take to accept connections, recovery after a crash included. More would
/// only delay the error.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// How long a server may take to end by itself: it writes a checkpoint.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// The administrator, who needs no password from loopback.
const USER: &str = "postgres";

/// A PostgreSQL server with a cluster of its own.
///
/// PostgreSQL refuses to run as root: there it runs as the user `postgres`, which Debian's package
/// makes.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    /// `None` while it is down.
    process: Option<Process>,
    /// As whom to run, if this process is root: user and group.
    account: Option<(u32, u32)>,
    port: u16,
    /// Whether what was committed survives a power failure.
    durable: bool,
    databases: AtomicU32,
    folder: TempDir,
}

impl Postgres {
    /// Starts a server as it would run in production: a commit waits for the disk.
    ///
    /// # Errors
    /// [`Error::NotInstalled`] without PostgreSQL; otherwise what went wrong.
    pub fn start() -> Result<Self, Error> {
        Self::with_durability(true)
    }

    /// Starts a server that leaves writing to the operating system. Commits are several times
    /// faster, and still survive [`kill9`](Self::kill9), though no power failure.
    ///
    /// # Errors
    /// As of [`start`](Self::start).
    pub fn start_unsynced() -> Result<Self, Error> {
        Self::with_durability(false)
    }

    /// One [unsynced](Self::start_unsynced) server for all tests of this process, since making a
    /// cluster takes about a second. Each test takes a [`database`](Self::database) of its own.
    ///
    /// # Errors
    /// As of [`start`](Self::start), the first time; then always the same.
    pub fn shared() -> Result<&'static Self, &'static Error> {
        static SHARED: OnceLock<Result<Postgres, Error>> = OnceLock::new();
        SHARED.get_or_init(Self::start_unsynced).as_ref()
    }

    fn with_durability(durable: bool) -> Result<Self, Error> {
        let folder = TempDir::with_prefix("test-postgres-").map_err(Error::file("a folder"))?;
        let mut server = Self {
            programs: programs()?,
            process: None,
            account: account()?,
            port: free_port()?,
            durable,
            databases: AtomicU32::new(0),
            folder,
        };
        if let Some((user, group)) = server.account {
            let path = server.folder.path();
            chown(path, Some(user), Some(group)).map_err(Error::file(path))?;
        }
        let mut initdb = server.program("initdb");
        initdb
            .args(["--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C"])
            .args(["-U", USER, "-D"])
            .arg(server.data());
        run(&mut initdb)?;
        server.restart()?;
        Ok(server)
    }

    /// The address of the administrative database.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// Makes an empty database; its address.
    ///
    /// # Errors
    /// [`Error::Failed`] if the server is down or full.
    pub fn database(&self) -> Result<String, Error> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let mut createdb = self.program("createdb");
        run(createdb.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", USER, &name]))?;
        Ok(self.url_of(&name))
    }

    /// Kills the server and all its processes at once, as a crash would. Does nothing if it is
    /// down.
    pub fn kill9(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill9();
        }
    }

    /// Stops the server in good order, ending its connections. Does nothing if it is down.
    pub fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop(Signal::INT, STOP_WITHIN);
        }
    }

    /// Stops the server if it runs, and starts it with the same data at the same address. Returns
    /// when it accepts connections.
    ///
    /// # Errors
    /// [`Error::NotReady`] with the end of the server's log.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.stop();
        // Processes of a server that was killed may hold its memory a little longer: then the
        // next one gives up, and is started again.
        let mut started = Ok(());
        let ready = wait_until(READY_WITHIN, || {
            let ended = self.process.as_mut().is_none_or(Process::has_ended);
            if ended {
                self.process = None;
                match self.spawn() {
                    Ok(process) => self.process = Some(process),
                    Err(error) => started = Err(error),
                }
            }
            started.is_err() || self.is_ready()
        });
        started?;
        if ready {
            return Ok(());
        }
        self.kill9();
        Err(Error::NotReady { program: "postgres", log: log_end(self.folder.path()) })
    }

    fn spawn(&self) -> Result<Process, Error> {
        let mut command = self.program("postgres");
        let sync = if self.durable { "on" } else { "off" };
        command
            .arg("-D")
            .arg(self.data())
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string()])
            .arg("-k")
            .arg(self.folder.path())
            .args(["-c", "max_connections=300", "-c", "max_wal_size=4GB"])
            .args(["-c", "shared_buffers=512MB"])
            .args(["-c", &format!("fsync={sync}")])
            .args(["-c", &format!("full_page_writes={sync}")]);
        Process::spawn(command, self.folder.path())
    }

    fn is_ready(&self) -> bool {
        let mut asked = self.program("pg_isready");
        asked.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", USER]);
        self.process.is_some() && run(&mut asked).is_ok()
    }

    /// One of PostgreSQL's programs, as the user that may run it.
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.current_dir(self.folder.path());
        if let Some((user, group)) = self.account {
            command.uid(user).gid(group);
        }
        command
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Nobody will read the data again, so there is nothing to wait for.
        self.kill9();
    }
}

/// The folder of the newest version's programs.
fn programs() -> Result<PathBuf, Error> {
    let missing = || Error::NotInstalled { program: "initdb", package: "postgresql" };
    let versions = fs::read_dir(VERSIONS).map_err(|_| missing())?;
    versions
        .filter_map(|version| {
            let version = version.ok()?;
            let number = version.file_name().to_str()?.parse::<u32>().ok()?;
            let programs = version.path().join("bin");
            programs.join("initdb").exists().then_some((number, programs))
        })
        .max()
        .map(|(_, programs)| programs)
        .ok_or_else(missing)
}

/// The user and group to run as; `None` if this process is not root, and so may run it itself.
fn account() -> Result<Option<(u32, u32)>, Error> {
    const ACCOUNTS: &str = "/etc/passwd";
    if !geteuid().is_root() {
        return Ok(None);
    }
    let accounts = fs::read_to_string(ACCOUNTS).map_err(Error::file(Path::new(ACCOUNTS)))?;
    let found = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == USER).then_some(())?;
        let (user, group) = (fields.nth(1)?, fields.next()?);
        Some((user.parse().ok()?, group.parse().ok()?))
    });
    found.map(Some).ok_or(Error::NoUser(USER))
}
