//! What the switchboard does, as transcripts: an input per line, below it what it leads to.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod any_order;
mod calls;
mod clients;
mod endings;
mod refusals;
mod script;

pub(crate) use script::play;
