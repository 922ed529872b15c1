//! What a run found, for people and for programs.

use crate::audit::CallEvidence;
use serde::Serialize;
use std::fmt;
use units::UserId;

/// One call: what both sides saw of it, and what is wrong with its bill.
#[derive(Clone, Debug, Serialize)]
pub struct CallReport {
    pub fan: UserId,
    pub host: UserId,
    /// Empty if the bill is exact.
    pub findings: Vec<String>,
    /// `None` if the call did not get as far as a bill.
    pub evidence: Option<CallEvidence>,
}

/// All calls of a run. `Display` is a table whose last line is the verdict.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub exact: usize,
    pub wrong: usize,
    pub calls: Vec<CallReport>,
}

impl Report {
    /// Counts the verdicts.
    #[must_use]
    pub fn new(calls: Vec<CallReport>) -> Self {
        let wrong = calls.iter().filter(|call| !call.findings.is_empty()).count();
        Self { exact: calls.len() - wrong, wrong, calls }
    }

    /// Whether there was a call, and every bill is exact.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.wrong == 0 && self.exact > 0
    }
}

impl fmt::Display for CallReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>10} {:>10}", self.fan.as_str(), self.host.as_str())?;
        if let Some(call) = &self.evidence {
            let (received, sent) = (&call.fan.evidence.received, &call.host.evidence.sent);
            write!(f, " {:>9} {:>9}", sent.media_ms.0, received.media_ms.0)?;
            if let Some(receipt) = &call.fan.receipt {
                let charged = receipt.charged_micro.to_string();
                let host = receipt.host_micro.to_string();
                write!(f, " {:>9} {charged:>10} {host:>10}", receipt.proven_ms.0)?;
            }
        }
        for finding in &self.findings {
            write!(f, "\n           wrong: {finding}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:>10} {:>10} {:>9} {:>9} {:>9} {:>10} {:>10}",
            "fan", "host", "sent ms", "got ms", "billed ms", "charged", "host's"
        )?;
        for call in &self.calls {
            writeln!(f, "{call}")?;
        }
        let Self { exact, wrong, calls } = self;
        write!(f, "{} calls, {exact} bills exact, {wrong} wrong", calls.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(findings: &[&str]) -> CallReport {
        CallReport {
            fan: "fan-1".parse().unwrap(),
            host: "host-1".parse().unwrap(),
            findings: findings.iter().map(ToString::to_string).collect(),
            evidence: None,
        }
    }

    #[test]
    fn the_last_line_is_the_verdict() {
        let last = |report: &Report| report.to_string().lines().last().map(str::to_owned);
        let good = Report::new(vec![call(&[]), call(&[])]);
        assert_eq!(last(&good).as_deref(), Some("2 calls, 2 bills exact, 0 wrong"));
        assert!(good.is_exact());
        let bad = Report::new(vec![call(&[]), call(&["a", "b"])]);
        assert_eq!(last(&bad).as_deref(), Some("2 calls, 1 bills exact, 1 wrong"));
        assert!(!bad.is_exact());
        assert!(!Report::new(Vec::new()).is_exact(), "no calls prove nothing");
    }
}
