//! The word to stop, from one place to every task.

use tokio::sync::watch;

/// Tells whether the process is stopping. Clone it into every task.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

/// Says that the process is stopping. Dropped, it says so as well.
#[derive(Debug)]
pub struct Trigger(watch::Sender<bool>);

impl Shutdown {
    /// A new pair.
    #[must_use]
    pub fn new() -> (Trigger, Self) {
        let (sender, receiver) = watch::channel(false);
        (Trigger(sender), Self(receiver))
    }

    /// Ends when the process is to stop.
    pub async fn requested(&mut self) {
        // An error means that the trigger is gone: stopping, too.
        let _ = self.0.wait_for(|stopping| *stopping).await;
    }

    /// Whether the process is to stop.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }
}

impl Trigger {
    /// Stops the process's tasks.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}
