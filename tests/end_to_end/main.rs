//! The whole product from outside: the real server process, two real headless Chromium with fake
//! cameras and microphones, and the money afterwards.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test has its own clock and fails by panicking"
)]

mod books;
mod browser;
mod command_line;
mod desk;
mod money;
mod pages;
mod proxy;
mod server;
mod unpaid;
