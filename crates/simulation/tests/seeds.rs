//! Worlds that every change must keep in order: the first ones, and those that ever failed. Fresh
//! ones are played by `cargo run --release -p simulation -- --from SEED`.

use simulation::World;

/// Seeds that once broke a rule.
const FAILED_ONCE: &[u64] = &[
    0,
    5,
    13,
    15,
    16,
    19,
    20,
    21,
    27,
    28,
    29,
    30,
    32,
    39,
    56,
    59,
    68,
    92,
    109,
    118,
    122,
    201,
    250,
    302,
    7000083,
    7000090,
    7000300,
    7000442,
    7000740,
    7001367,
    7010731,
    7018882,
    7018993,
    7035202,
    7035730,
    8000396,
    8000534,
    8000555,
    8000754,
    8000774,
    9000317,
    9000549,
    11000229,
    20000356,
    20000358,
    1795321610818,
];

/// How many of the first worlds each run plays. More would find more, and take longer.
const FIRST: u64 = 2_000;

fn check(seeds: impl Iterator<Item = u64> + Send) {
    let seeds = std::sync::Mutex::new(seeds);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(seed) = seeds.lock().expect("the other thread lives").next() else {
                        return;
                    };
                    let outcome = World::new(seed, false).run();
                    assert!(
                        outcome.failure.is_none(),
                        "seed {seed}: {:?}\ncargo run --release -p simulation -- --seed {seed}",
                        outcome.failure
                    );
                }
            });
        }
    });
}

#[test]
fn worlds_that_failed_once_keep_the_rules() {
    check(FAILED_ONCE.iter().copied());
}

#[test]
fn the_first_worlds_keep_the_rules() {
    check(0..FIRST);
}
