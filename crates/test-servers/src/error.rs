//! Why a server could not be started, or not be spoken to.

use std::io;
use std::path::PathBuf;

/// What keeps a test from its server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server's programs are not on this machine.
    #[error("{program} was not found: please install {package}")]
    NotInstalled { program: &'static str, package: &'static str },
    /// The account that a server needs, since it refuses to run as root, is missing.
    #[error("there is no user {0}, which the server would run as")]
    NoUser(&'static str),
    /// A program could not be run.
    #[error("{program}: {source}")]
    Run { program: String, source: io::Error },
    /// A file or folder could not be made, read or given away.
    #[error("{path}: {source}")]
    File { path: PathBuf, source: io::Error },
    /// No loopback port is free.
    #[error("no free port on loopback: {0}")]
    Port(#[source] io::Error),
    /// A program ended with an error.
    #[error("{program} failed: {output}")]
    Failed { program: String, output: String },
    /// The server ended, or was not ready in time.
    #[error("{program} did not become ready; the end of its log: {log}")]
    NotReady { program: &'static str, log: String },
}

impl Error {
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }

    pub(crate) fn run(program: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let program = program.into();
        move |source| Self::Run { program, source }
    }
}
