//! Time on the wall and time on processors: the difference is the disk, and other work of the
//! machine.

use service_kit::Clock;
use std::fs;
use units::MonotonicUs;

/// What something took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) wall_us: u64,
    /// Of all threads of this process; 0 where the kernel doesn't tell.
    pub(super) cpu_us: u64,
}

/// Runs from its start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stopwatch {
    clock: Clock,
    started: MonotonicUs,
    cpu_us: u64,
}

impl Stopwatch {
    pub(super) fn start(clock: Clock) -> Self {
        Self { clock, started: clock.now_us(), cpu_us: cpu_us() }
    }

    pub(super) fn taken(self) -> Taken {
        Taken {
            wall_us: self.clock.now_us().us_since(self.started),
            cpu_us: cpu_us().saturating_sub(self.cpu_us),
        }
    }
}

/// The threads' time on processors, by Linux's scheduler statistics. Threads that have ended are
/// not in it; those that are measured here live as long as the run.
fn cpu_us() -> u64 {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let ns = threads.filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    ns.sum::<u64>() / 1_000
}
