//! Whole calls: a forwarder between two clients that hold the other ends' keys.

mod adversaries;
mod call;
mod client;
mod closing;
mod feedback;
mod first_picture;
mod forwarding;
mod group;
mod header;
mod repair;
mod strangers;
mod totals;
