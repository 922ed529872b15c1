//! Real processes that die at any moment: no acknowledged coin is lost, none is charged twice, no
//! wallet is overdrawn, and no bill exceeds what reached the fan.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test reads its seed, fails by panicking, tells what it saw, and skips what it needs not"
)]

mod auditor;
mod book;
mod crashes;
mod ledger;
mod load;
mod part;
mod person;
mod rounds;
mod site;
mod split_brain;
mod switch;
mod till;
