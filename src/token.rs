//! `coinline token`: an access token for trying things out. Backends sign their own.

use crate::cli::{self, TokenOptions};
use crate::config::Config;
use service_kit::Clock;
use std::error::Error;

/// Prints the token.
///
/// # Errors
/// If the configuration names no usable secret.
pub(crate) fn run(options: &TokenOptions) -> Result<(), Box<dyn Error>> {
    let config = Config::load(Some(&options.config), None)?;
    let name = options.name.as_deref().unwrap_or(options.user.as_str());
    let expires = Clock::start().unix().0 / 1_000 + options.minutes * 60;
    cli::say(&config.auth.token_key()?.sign(&options.user, name, options.role, expires));
    Ok(())
}
