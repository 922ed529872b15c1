//! What a run measured, for people and for programs.

use super::Times;
use super::stopwatch::Taken;
use serde::Serialize;
use std::fmt;

/// The most that a tick of 100,000 calls may take of its second, store and ledger, in microseconds;
/// fewer or more calls are held to the same price each.
const GOAL_US: u64 = 250_000;
const GOAL_CALLS: u64 = 100_000;

/// What one part of a tick took, in microseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    pub what: &'static str,
    pub times: usize,
    pub min_us: u64,
    pub median_us: u64,
    pub max_us: u64,
    /// The median of the time on processors, all threads.
    pub cpu_us: u64,
}

/// All figures. `Display` is a table whose last line is the verdict.
#[derive(Clone, Debug, Serialize)]
pub struct SqliteReport {
    pub calls: u32,
    /// Hot balances and ledger, durable.
    pub store: Figure,
    pub floor: Figure,
    /// The meter, and the checkpoints that bring evidence.
    pub others: Vec<Figure>,
    pub goal_us: u64,
}

impl Figure {
    fn of(what: &'static str, taken: &[Taken]) -> Self {
        let sorted = |of: fn(&Taken) -> u64| {
            let mut all: Vec<u64> = taken.iter().map(of).collect();
            all.sort_unstable();
            all
        };
        let (wall, cpu) = (sorted(|taken| taken.wall_us), sorted(|taken| taken.cpu_us));
        let at = |all: &[u64], place: usize| all.get(place).copied().unwrap_or_default();
        Self {
            what,
            times: taken.len(),
            min_us: at(&wall, 0),
            median_us: at(&wall, wall.len() / 2),
            max_us: at(&wall, wall.len().saturating_sub(1)),
            cpu_us: at(&cpu, cpu.len() / 2),
        }
    }
}

impl SqliteReport {
    pub(super) fn new(calls: u32, times: &Times) -> Self {
        Self {
            calls,
            store: Figure::of("store, durable", &times.apply),
            floor: Figure::of("bare update", &times.floor),
            others: vec![
                Figure::of("evidence of 10 s", &times.evidence),
                Figure::of("meter: reports", &times.reports),
                Figure::of("meter: targets", &times.targets),
                Figure::of("meter: answer", &times.told),
            ],
            goal_us: GOAL_US * u64::from(calls) / GOAL_CALLS,
        }
    }

    /// Whether the median tick was within the goal.
    #[must_use]
    pub const fn is_reached(&self) -> bool {
        self.store.median_us <= self.goal_us
    }
}

/// A ratio in hundredths, as text.
fn ratio(of: u64, to: u64) -> String {
    let percent = of * 100 / to.max(1);
    format!("{}.{:02}", percent / 100, percent % 100)
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, times, min_us, median_us, max_us, cpu_us } = self;
        let ms = |us: u64| us / 1_000;
        write!(
            f,
            "{what:<18} {times:>6} {:>8} {:>8} {:>8} {:>8}",
            ms(*min_us),
            ms(*median_us),
            ms(*max_us),
            ms(*cpu_us)
        )
    }
}

impl fmt::Display for SqliteReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} live calls, every answer exact; milliseconds per tick:", self.calls)?;
        let (min, median, max, cpu) = ("min", "median", "max", "cpu");
        writeln!(f, "{:<18} {:>6} {min:>8} {median:>8} {max:>8} {cpu:>8}", "", "ticks")?;
        for figure in [&self.store, &self.floor].into_iter().chain(&self.others) {
            writeln!(f, "{figure}")?;
        }
        let wall = ratio(self.store.median_us, self.floor.median_us);
        let cpu = ratio(self.store.cpu_us, self.floor.cpu_us);
        writeln!(f, "store to bare update: {wall} by the wall clock, {cpu} by processor time")?;
        let reached = if self.is_reached() { "reached" } else { "missed" };
        write!(f, "goal of {} ms {reached}", self.goal_us / 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_says_whether_the_median_tick_was_within_the_goal() {
        let taken = |wall_us| Taken { wall_us, cpu_us: wall_us / 2 };
        for (ticks, verdict) in [([1, 2_500, 9_000_000], "reached"), ([1, 2_501, 2_502], "missed")]
        {
            let times = Times { apply: ticks.map(taken).to_vec(), ..Times::default() };
            let report = SqliteReport::new(1_000, &times);
            assert!(report.to_string().ends_with(&format!("goal of 2 ms {verdict}")), "{report}");
            assert_eq!((report.store.min_us, report.store.max_us), (ticks[0], ticks[2]));
            assert_eq!(report.store.cpu_us, ticks[1] / 2);
        }
    }
}
