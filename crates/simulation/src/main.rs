//! `simulation`: plays many seeds and prints the first that breaks a rule, with what happened.

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use simulation::World;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Plays calls, meters and stores under faults, one world per seed, and audits every bill.
///
/// Exit code: 0 if every world kept the rules, 1 if one did not.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// How many worlds.
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    seeds: u64,
    /// The seed of the first; the others count on from it.
    #[arg(long, default_value_t = 0, value_name = "SEED")]
    from: u64,
    /// Plays this one seed and prints everything that happens in it.
    #[arg(long, value_name = "SEED", conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// How many worlds at once.
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=256))]
    threads: u64,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.seed {
        Some(seed) => play(seed),
        None => play_many(&cli),
    }
}

/// One world, with its trace.
fn play(seed: u64) -> ExitCode {
    let outcome = World::new(seed, true).run();
    let mut out = std::io::stdout().lock();
    for line in &outcome.trace {
        // Whoever reads through a pipe may stop early.
        if writeln!(out, "{line}").is_err() {
            return ExitCode::FAILURE;
        }
    }
    let verdict = match &outcome.failure {
        Some(failure) => format!("seed {seed} breaks a rule: {failure}"),
        None => format!("seed {seed} keeps the rules: {} calls settled", outcome.calls),
    };
    let _ = writeln!(out, "{verdict}");
    if outcome.failure.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn play_many(cli: &Cli) -> ExitCode {
    let style = "{bar:40} {pos}/{len} worlds, {per_sec}, {eta} left";
    let bar = ProgressBar::new(cli.seeds)
        .with_style(ProgressStyle::with_template(style).expect("a template that is right"));
    let (next, calls, audits) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let failed: Mutex<Option<u64>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..cli.threads {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let stop = failed.lock().expect("no thread panics here").is_some();
                    if n >= cli.seeds || stop {
                        return;
                    }
                    let outcome = World::new(cli.from + n, false).run();
                    calls.fetch_add(outcome.calls as u64, Ordering::Relaxed);
                    audits.fetch_add(outcome.audits, Ordering::Relaxed);
                    bar.inc(1);
                    if outcome.failure.is_some() {
                        failed.lock().expect("no thread panics here").get_or_insert(cli.from + n);
                    }
                }
            });
        }
    });
    bar.finish_and_clear();
    let failed = *failed.lock().expect("all threads have ended");
    if let Some(seed) = failed {
        return play(seed);
    }
    let mut out = std::io::stdout().lock();
    let _ = writeln!(
        out,
        "{} worlds from seed {}: {} calls settled, all books looked at {} times, nothing wrong",
        cli.seeds,
        cli.from,
        calls.into_inner(),
        audits.into_inner()
    );
    ExitCode::SUCCESS
}
