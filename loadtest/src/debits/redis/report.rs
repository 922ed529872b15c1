//! What was measured, for people and for programs, and what is aimed at.

use serde::Serialize;
use std::fmt;

/// Debits as fast as the server takes them. Rates are per second of its processor time.
#[derive(Clone, Debug, Serialize)]
pub struct SaturatedReport {
    /// Whether every write went to a file, synced each second.
    pub append_only: bool,
    /// The floor.
    pub decrby_per_cpu_second: f64,
    /// Complete debits, a script call per shard.
    pub debits_per_cpu_second: f64,
    /// The same debits, a script call each.
    pub single_per_cpu_second: f64,
    /// Complete debits to the floor.
    pub ratio: f64,
    /// Complete debits to those sent one by one.
    pub times_single: f64,
    /// What a debit adds to the file.
    pub file_bytes_per_debit: Option<f64>,
}

/// One debit per call and second, with a file.
#[derive(Clone, Debug, Serialize)]
pub struct PacedReport {
    pub seconds: u32,
    pub debits_per_second: f64,
    /// The server's share of a processor.
    pub core_percent: f64,
    /// From when a shard's debits were due until all were acknowledged.
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

/// All figures. `Display` is a table whose last line holds the ratios.
#[derive(Clone, Debug, Serialize)]
pub struct RedisReport {
    pub calls: u32,
    /// Whether server and client had a processor each.
    pub pinned: bool,
    pub memory_bytes_per_call: f64,
    pub saturated: Vec<SaturatedReport>,
    pub paced: PacedReport,
}

impl SaturatedReport {
    /// At least this much of the floor.
    const fn ratio_goal(&self) -> f64 {
        if self.append_only { 0.50 } else { 0.45 }
    }

    const fn name(&self) -> &'static str {
        if self.append_only { "AOF everysec" } else { "no AOF" }
    }

    fn misses(&self) -> Vec<String> {
        let mut misses = Vec::new();
        let mut miss = |missed: bool, what: String| {
            if missed {
                misses.push(format!("{}: {what}", self.name()));
            }
        };
        let goal = self.ratio_goal();
        miss(self.ratio < goal, format!("ratio {:.2}, goal {goal:.2}", self.ratio));
        let times = self.times_single;
        miss(times < 4.0, format!("{times:.1} times one script call per debit, goal 4"));
        let bytes = self.file_bytes_per_debit.unwrap_or_default();
        miss(bytes > 90.0, format!("{bytes:.0} bytes of file per debit, goal 90"));
        misses
    }
}

impl RedisReport {
    /// Whether every goal was reached.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        self.misses().is_empty()
    }

    /// Which goals were missed, in words.
    #[must_use]
    pub fn misses(&self) -> Vec<String> {
        let mut misses: Vec<_> = self.saturated.iter().flat_map(SaturatedReport::misses).collect();
        let memory = self.memory_bytes_per_call;
        if memory > 200.0 {
            misses.push(format!("{memory:.0} bytes of memory per call, goal 200"));
        }
        // The share of a processor is a goal for 100,000 calls; others are held to the same price.
        let core = self.paced.core_percent * 100_000.0 / f64::from(self.calls);
        if core > 35.0 {
            misses.push(format!("{core:.0} % of a core at 100,000 calls, goal 35"));
        }
        if self.paced.p99_ms > 20.0 {
            misses.push(format!("acknowledged after {:.1} ms (p99), goal 20", self.paced.p99_ms));
        }
        misses
    }
}

impl fmt::Display for RedisReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pinned = if self.pinned { "a processor each" } else { "one processor for both" };
        writeln!(f, "{} live calls; server and client: {pinned}", self.calls)?;
        writeln!(f, "per second of the server's processor time:")?;
        writeln!(
            f,
            "{:>14} {:>10} {:>10} {:>7} {:>12} {:>7} {:>10}",
            "", "DECRBY", "debits", "ratio", "one by one", "times", "B of file"
        )?;
        for row in &self.saturated {
            writeln!(
                f,
                "{:>14} {:>10.0} {:>10.0} {:>7.2} {:>12.0} {:>7.1} {:>10.1}",
                row.name(),
                row.decrby_per_cpu_second,
                row.debits_per_cpu_second,
                row.ratio,
                row.single_per_cpu_second,
                row.times_single,
                row.file_bytes_per_debit.unwrap_or_default(),
            )?;
        }
        let paced = &self.paced;
        writeln!(
            f,
            "paced, AOF everysec, {} s: {:.0} debits/s, {:.1} % of a core, acknowledged after \
             {:.2} ms (p50), {:.2} ms (p99), {:.2} ms (most)",
            paced.seconds,
            paced.debits_per_second,
            paced.core_percent,
            paced.p50_ms,
            paced.p99_ms,
            paced.max_ms
        )?;
        writeln!(f, "memory: {:.0} bytes per live call", self.memory_bytes_per_call)?;
        writeln!(f, "every answer was exact")?;
        for miss in self.misses() {
            writeln!(f, "missed: {miss}")?;
        }
        let ratios: Vec<_> =
            self.saturated.iter().map(|row| format!("{:.2} ({})", row.ratio, row.name())).collect();
        write!(f, "ratio {}", ratios.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(ratio: f64, bytes: f64, core_percent: f64, p99_ms: f64) -> RedisReport {
        let row = |append_only| SaturatedReport {
            append_only,
            decrby_per_cpu_second: 1e6,
            debits_per_cpu_second: 1e6 * ratio,
            single_per_cpu_second: 1e5,
            ratio,
            times_single: 10.0 * ratio,
            file_bytes_per_debit: append_only.then_some(bytes),
        };
        let (p50_ms, max_ms) = (p99_ms / 2.0, p99_ms * 2.0);
        RedisReport {
            calls: 100_000,
            pinned: true,
            memory_bytes_per_call: 150.0,
            saturated: vec![row(false), row(true)],
            paced: PacedReport {
                seconds: 1,
                debits_per_second: 1e5,
                core_percent,
                p50_ms,
                p99_ms,
                max_ms,
            },
        }
    }

    #[test]
    fn the_last_line_holds_the_ratios_and_a_missed_goal_is_named() {
        let last = |report: &RedisReport| report.to_string().lines().last().map(str::to_owned);
        let good = report(0.52, 82.0, 25.0, 4.0);
        assert_eq!(last(&good).as_deref(), Some("ratio 0.52 (no AOF), 0.52 (AOF everysec)"));
        assert_eq!(good.misses(), Vec::<String>::new());
        for (report, misses) in [
            (report(0.47, 82.0, 25.0, 4.0), 1),
            (report(0.39, 82.0, 25.0, 4.0), 4),
            (report(0.52, 91.0, 25.0, 4.0), 1),
            (report(0.52, 82.0, 36.0, 4.0), 1),
            (report(0.52, 82.0, 25.0, 21.0), 1),
        ] {
            assert_eq!(report.misses().len(), misses, "{:?}", report.misses());
        }
    }
}
