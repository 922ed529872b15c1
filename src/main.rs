//! `coinline`: the one executable. It composes the services and reads what they need; it decides
//! nothing about calls, media or money.
#![forbid(unsafe_code)]

mod audit;
mod cli;
mod config;
mod demo;
mod quote;
mod receipt;
mod receipt_key;
mod serve;
mod token;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let outcome = match cli.command() {
        cli::Command::Serve(options) => serve::run(&options),
        cli::Command::Token(options) => token::run(&options),
        cli::Command::Quote(options) => quote::run(&options),
        cli::Command::Audit(options) => return audit::run(&options),
        cli::Command::Receipt(command) => return receipt::run(&command),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            cli::complain(error.as_ref());
            ExitCode::FAILURE
        }
    }
}
