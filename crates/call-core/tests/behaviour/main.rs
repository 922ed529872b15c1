//! What the switchboard does, as transcripts: an input per line, below it what it leads to.

mod any_order;
mod calls;
mod clients;
mod refusals;
mod script;

pub(crate) use script::play;
