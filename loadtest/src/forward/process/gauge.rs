//! What the kernel says of the server process.

use rustix::process::Pid;
use std::io;
use std::path::PathBuf;

/// A process that is looked at.
pub(super) struct Gauge {
    folder: PathBuf,
}

impl Gauge {
    pub(super) fn of(pid: Pid) -> Self {
        Self { folder: PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero())) }
    }

    /// Processor time of all its threads, in ns: also that of system calls, and of what the kernel
    /// does within them, such as putting a loopback datagram into its receiver's socket.
    ///
    /// # Errors
    /// The process is gone.
    pub(super) fn cpu_ns(&self) -> io::Result<u64> {
        let mut sum = 0;
        for thread in std::fs::read_dir(self.folder.join("task"))? {
            let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
            let time = text.split(' ').next().and_then(|time| time.parse::<u64>().ok());
            sum += time.ok_or(io::ErrorKind::InvalidData)?;
        }
        Ok(sum)
    }

    /// Memory that it holds in RAM, in KiB.
    ///
    /// # Errors
    /// The process is gone.
    pub(super) fn resident_kib(&self) -> io::Result<u64> {
        let text = std::fs::read_to_string(self.folder.join("status"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().split(' ').next()?.parse().ok());
        kib.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}
