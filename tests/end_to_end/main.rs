//! The whole product from outside: the real server process, two real headless Chromium with fake
//! cameras and microphones, and the money afterwards.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test has its own clock, fails by panicking and tells what it saw"
)]

mod books;
mod bottleneck;
mod browser;
mod command_line;
mod desk;
mod money;
mod networks;
mod pages;
mod proxy;
mod server;
mod unpaid;
