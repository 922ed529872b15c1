//! A running service, and the words that stop the process.

use service_kit::{Shutdown, Trigger};
use std::error::Error;
use std::future::Future;
use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

/// A running service and the word that stops it.
pub(super) struct Service {
    name: &'static str,
    trigger: Trigger,
    /// `None` once its end was told.
    task: Option<JoinHandle<Result<(), Box<dyn Error + Send + Sync>>>>,
}

impl Service {
    pub(super) fn start<F, E>(name: &'static str, run: impl FnOnce(Shutdown) -> F) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Error + Send + Sync + 'static,
    {
        let (trigger, shutdown) = Shutdown::new();
        let running = run(shutdown);
        let task = tokio::spawn(async move { Ok(running.await?) });
        Self { name, trigger, task: Some(task) }
    }

    /// Waits for an end that nobody asked for.
    pub(super) async fn ended(&mut self) -> Result<(), Box<dyn Error>> {
        self.join().await?;
        Err(format!("the {} ended by itself", self.name).into())
    }

    pub(super) async fn stop(&mut self) -> Result<(), Box<dyn Error>> {
        self.trigger.stop();
        self.join().await
    }

    async fn join(&mut self) -> Result<(), Box<dyn Error>> {
        let Some(task) = &mut self.task else { return Ok(()) };
        let outcome = task.await;
        self.task = None;
        match outcome {
            Ok(outcome) => outcome.map_err(|error| error as Box<dyn Error>),
            Err(panicked) => Err(panicked.into()),
        }
    }
}

/// SIGINT (Ctrl-C) and SIGTERM.
pub(super) struct StopWords {
    interrupt: Signal,
    terminate: Signal,
}

impl StopWords {
    pub(super) fn new() -> io::Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { interrupt, terminate: signal(SignalKind::terminate())? })
    }

    pub(super) async fn said(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
