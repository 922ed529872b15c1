//! Calls, meters, stores and links in one thread under one seed, with faults and an auditor.
//!
//! The machines are the real ones: the `Switchboard`, the `Biller`, the `Store` and its in-memory
//! hot balances and ledger. People, the relay's media, the network and the calendar are played, and
//! everything that happens follows from one seed. [`World::run`] plays a seed to its end; an auditor
//! with arithmetic of its own looks at all books after each step.
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]

mod auditor;
mod chance;
mod faults;
mod faulty;
mod meter;
mod network;
mod people;
mod relay;
mod timeline;
mod trace;
mod world;

use chance::Chance;
use timeline::Timeline;
use trace::Trace;
pub use world::{Outcome, World};
