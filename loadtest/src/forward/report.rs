//! What a run measured, for people and for programs.

use serde::Serialize;
use std::fmt;

/// One kind of room, one medium.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    pub name: String,
    /// Whether the goal is set for it: calls of two open a packet for each that they seal.
    pub has_goal: bool,
    /// Processor time per forwarded packet, in tenths of a nanosecond.
    pub forward_tenth_ns: u64,
    /// The same of the bare seal.
    pub seal_tenth_ns: u64,
    /// What clients' RTCP and timers cost, per forwarded packet.
    pub feedback_tenth_ns: u64,
    /// How many packets were forwarded.
    pub packets: u64,
    /// Allocations while they were.
    pub allocations: u64,
    /// Allocations while RTCP was read and timers ran.
    pub feedback_allocations: u64,
    /// Heap per connection, without the keys, which the cipher's own library keeps.
    pub leg_bytes: u64,
}

/// All figures. `Display` is a table whose last line is the verdict.
#[derive(Clone, Debug, Serialize)]
pub struct ForwardReport {
    pub goal_percent: u64,
    pub figures: Vec<Figure>,
}

impl Figure {
    /// Hundredths of the seal.
    #[must_use]
    pub fn percent(&self) -> u64 {
        self.forward_tenth_ns * 100 / self.seal_tenth_ns.max(1)
    }

    fn is_reached(&self, goal_percent: u64) -> bool {
        !self.has_goal || (self.percent() <= goal_percent && self.allocations == 0)
    }
}

impl ForwardReport {
    /// Whether every goal was reached.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        self.figures.iter().all(|figure| figure.is_reached(self.goal_percent))
    }

    /// The figure furthest above its floor, of those with a goal if there are any.
    fn worst(&self) -> Option<&Figure> {
        self.figures.iter().max_by_key(|figure| (figure.has_goal, figure.percent()))
    }
}

fn hundredths(value: u64) -> String {
    format!("{}.{:02}", value / 100, value % 100)
}

fn tenths(value: u64) -> String {
    format!("{}.{}", value / 10, value % 10)
}

/// How often something happened per packet, to three digits; what happened at all is never 0.
fn per_packet(times: u64, packets: u64) -> String {
    let thousandths = (times * 1_000).div_ceil(packets.max(1));
    format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000)
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<34} {:>9} {:>9} {:>6} {:>7} {:>9} {:>7} {:>9}",
            self.name,
            tenths(self.forward_tenth_ns),
            tenths(self.seal_tenth_ns),
            hundredths(self.percent()),
            per_packet(self.allocations, self.packets),
            tenths(self.feedback_tenth_ns),
            per_packet(self.feedback_allocations, self.packets),
            self.leg_bytes,
        )
    }
}

impl fmt::Display for ForwardReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<34} {:>9} {:>9} {:>6} {:>7} {:>9} {:>7} {:>9}",
            "ns of CPU per forwarded packet",
            "forward",
            "seal",
            "ratio",
            "allocs",
            "feedback",
            "allocs",
            "B per leg"
        )?;
        for figure in &self.figures {
            writeln!(f, "{figure}")?;
        }
        let Some(worst) = self.worst() else { return write!(f, "nothing was measured") };
        write!(
            f,
            "worst: {}: {} ns, floor {} ns, ratio {} (goal {}, no allocations): {}",
            worst.name,
            tenths(worst.forward_tenth_ns),
            tenths(worst.seal_tenth_ns),
            hundredths(worst.percent()),
            hundredths(self.goal_percent),
            if self.is_reached() { "reached" } else { "missed" }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_names_the_worst_figure_with_a_goal_its_floor_and_the_ratio() {
        let figure = |forward_tenth_ns, allocations, has_goal| Figure {
            name: format!("rooms at {forward_tenth_ns}"),
            has_goal,
            forward_tenth_ns,
            seal_tenth_ns: 1_000,
            feedback_tenth_ns: 0,
            packets: 4,
            allocations,
            feedback_allocations: 0,
            leg_bytes: 1,
        };
        for (figures, last) in [
            (
                vec![figure(9_000, 9, false), figure(1_500, 0, true), figure(1_000, 0, true)],
                "worst: rooms at 1500: 150.0 ns, floor 100.0 ns, ratio 1.50 \
                 (goal 1.50, no allocations): reached",
            ),
            (
                vec![figure(1_510, 0, true)],
                "worst: rooms at 1510: 151.0 ns, floor 100.0 ns, ratio 1.51 \
                 (goal 1.50, no allocations): missed",
            ),
            (
                vec![figure(1_000, 1, true)],
                "worst: rooms at 1000: 100.0 ns, floor 100.0 ns, ratio 1.00 \
                 (goal 1.50, no allocations): missed",
            ),
        ] {
            let report = ForwardReport { goal_percent: 150, figures };
            assert_eq!(report.to_string().lines().last(), Some(last));
            assert_eq!(report.is_reached(), last.ends_with("reached"));
        }
    }
}
