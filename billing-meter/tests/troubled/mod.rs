//! A real store with one trouble that a file can't be brought into.

use billing_core::{
    Applied, Credit, Crediting, OpenCall, Opening, Receipt, Settled, Settlement, Target,
};
use std::future::pending;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use store::{Difference, Error, LiveCall, Sqlite, Store};
use tokio::sync::Notify;
use units::{CallId, MicroCoins, UnixMs, UserId};

#[derive(Debug)]
pub(crate) enum Trouble {
    /// The first look at the open calls fails.
    FirstLook(AtomicBool),
    /// No charge is ever answered; told when the first is asked for.
    Charging(Arc<Notify>),
}

/// A store in trouble.
#[derive(Debug)]
pub(crate) struct Troubled(pub(crate) Sqlite, pub(crate) Trouble);

impl Store for Troubled {
    async fn open_calls(&self) -> Result<Vec<LiveCall>, Error> {
        if let Trouble::FirstLook(is_over) = &self.1
            && !is_over.swap(true, Ordering::Relaxed)
        {
            return Err(Error::Lock(ErrorKind::Interrupted.into()));
        }
        self.0.open_calls().await
    }

    async fn settle(&self, settlement: &Settlement) -> Result<Option<Settled>, Error> {
        self.0.settle(settlement).await
    }

    async fn open_call(&self, open: &OpenCall) -> Result<Opening, Error> {
        self.0.open_call(open).await
    }

    async fn apply(&self, at: UnixMs, targets: &[Target]) -> Result<Applied, Error> {
        if let Trouble::Charging(asked) = &self.1 {
            asked.notify_one();
            return pending().await;
        }
        self.0.apply(at, targets).await
    }

    async fn credit(&self, credit: &Credit) -> Result<Crediting, Error> {
        self.0.credit(credit).await
    }

    async fn funds(&self, user: &UserId) -> Result<MicroCoins, Error> {
        self.0.funds(user).await
    }

    async fn receipt(&self, call: CallId) -> Result<Option<Receipt>, Error> {
        self.0.receipt(call).await
    }

    async fn audit(&self) -> Result<Vec<Difference>, Error> {
        self.0.audit().await
    }
}
