//! What a run measured, for people and for programs.

use serde::Serialize;
use std::fmt;

/// How fast one kind of row is written.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    pub what: &'static str,
    /// How many were written in all.
    pub rows: u64,
    pub rows_per_second: u64,
    /// Of the bare insert.
    pub floor_per_second: u64,
    /// What we want at least.
    pub goal_per_second: Option<u64>,
}

/// All figures. `Display` is a table whose last line is the verdict.
#[derive(Clone, Debug, Serialize)]
pub struct SettleReport {
    pub rows_per_statement: usize,
    pub figures: Vec<Figure>,
}

impl Figure {
    /// Hundredths of the bare insert's speed.
    #[must_use]
    pub fn percent(&self) -> u64 {
        self.rows_per_second * 100 / self.floor_per_second.max(1)
    }

    /// Whether there is no goal or it was reached.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        self.goal_per_second.is_none_or(|goal| self.rows_per_second >= goal)
    }
}

impl SettleReport {
    /// Whether all goals were reached.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        self.figures.iter().all(Figure::is_reached)
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, rows, rows_per_second, floor_per_second, goal_per_second } = self;
        let percent = self.percent();
        let ratio = format!("{}.{:02}", percent / 100, percent % 100);
        let goal = goal_per_second.map_or_else(|| "-".to_owned(), |goal| goal.to_string());
        write!(
            f,
            "{what:<34} {rows:>9} {rows_per_second:>9} {floor_per_second:>12} {ratio:>6} {goal:>8}"
        )
    }
}

impl fmt::Display for SettleReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<34} {:>9} {:>9} {:>12} {:>6} {:>8}",
            "", "rows", "rows/s", "bare insert", "ratio", "goal"
        )?;
        for figure in &self.figures {
            writeln!(f, "{figure}")?;
        }
        let reached = if self.is_reached() { "reached" } else { "missed" };
        write!(f, "{} rows a statement, fsync on: goals {reached}", self.rows_per_statement)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_says_whether_all_goals_were_reached() {
        for (rows_per_second, verdict) in [(99, "missed"), (100, "reached")] {
            let figure = Figure {
                what: "rows",
                rows: 5,
                rows_per_second,
                floor_per_second: 80,
                goal_per_second: Some(100),
            };
            let bare = Figure { goal_per_second: None, ..figure.clone() };
            let report = SettleReport { rows_per_statement: 10, figures: vec![bare, figure] };
            assert!(report.to_string().ends_with(&format!("goals {verdict}")), "{report}");
            assert_eq!(report.is_reached(), verdict == "reached");
        }
    }
}
