//! Real calls over loopback: the relay's side and its clients'.

mod hall;
mod nat;
mod peer;
mod stage;
mod trouble;

pub(crate) use hall::{Guest, Hall};
pub(crate) use nat::Nat;
pub(crate) use peer::{Peer, Picture, Running};
pub(crate) use stage::{Stage, relay_of};
pub(crate) use trouble::Trouble;

use std::time::Duration;

/// How long a test waits for what must happen. Generous: the machine may be busy.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
