//! The relay as other services and clients meet it: real sockets, and clients of another stack.
#![expect(clippy::unwrap_used, reason = "what a test can't do without has failed the test")]

mod scene;
mod several;

/// Everything with one worker, as on a machine of one processor.
#[path = "."]
mod with_one_worker {
    mod calls;
    mod groups;
    mod loss;
    mod strangers;

    fn config() -> media_relay::Config {
        media_relay::Config { workers: 1, ..media_relay::Config::default() }
    }
}

/// And with two, of which each call has one.
#[path = "."]
#[expect(clippy::duplicate_mod, reason = "the same tests of another relay")]
mod with_two_workers {
    mod calls;
    mod groups;
    mod loss;
    mod strangers;

    fn config() -> media_relay::Config {
        media_relay::Config { workers: 2, ..media_relay::Config::default() }
    }
}
