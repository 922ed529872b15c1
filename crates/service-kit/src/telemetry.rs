//! Logs.

use std::io::{IsTerminal as _, stderr};
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For a terminal.
    #[default]
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

/// A log filter that can't be read.
#[derive(Debug, thiserror::Error)]
#[error("log filter {filter:?}: {source}")]
pub struct FilterError {
    filter: String,
    source: tracing_subscriber::filter::ParseError,
}

/// Starts logging to standard error. `filter` is a level or a list such as `info,signaling=debug`.
///
/// # Errors
/// [`FilterError`] if `filter` can't be read.
pub fn start(filter: &str, format: LogFormat) -> Result<(), FilterError> {
    let parsed = EnvFilter::try_new(filter)
        .map_err(|source| FilterError { filter: filter.to_owned(), source })?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(parsed)
        .with_ansi(stderr().is_terminal())
        .with_writer(stderr);
    // A second start (tests in one process) keeps the first.
    let _ = match format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    Ok(())
}
