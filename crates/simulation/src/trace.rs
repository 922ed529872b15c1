//! What happened, line by line, for the reader of a failing seed.

use crate::Timeline;
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};

/// A log in virtual time. Without `keep`, lines cost nothing.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    timeline: Timeline,
    lines: Option<Arc<Mutex<Vec<String>>>>,
}

impl Trace {
    /// A trace of the world on this clock.
    #[must_use]
    pub(crate) fn new(timeline: Timeline, keep: bool) -> Self {
        Self { timeline, lines: keep.then(Arc::default) }
    }

    /// Notes that `who` did or met `what`.
    pub(crate) fn note(&self, who: &str, what: impl FnOnce() -> String) {
        if let Some(lines) = &self.lines {
            let at = self.timeline.now().0;
            let line = format!("{:>4}.{:03}  {who:<10} {}", at / 1_000, at % 1_000, what());
            lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    }

    /// The same of anything printable.
    pub(crate) fn say(&self, who: &str, what: impl Display) {
        self.note(who, || what.to_string());
    }

    /// Everything so far.
    #[must_use]
    pub(crate) fn lines(&self) -> Vec<String> {
        let lines = self.lines.as_ref();
        lines.map_or_else(Vec::new, |lines| {
            lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
        })
    }
}
