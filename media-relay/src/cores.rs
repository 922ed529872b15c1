//! The processors that workers run on.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::io;
use std::thread::available_parallelism;
use tracing::warn;

/// How many workers run at once without taking each other's time: the processors that this process
/// may use, or what its control group grants if that is less.
pub(crate) fn available() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// The processor of each of `workers`; none if they are not as many as there are processors. Fewer
/// are better placed by the system, which knows what else runs.
pub(crate) fn places(workers: usize) -> Vec<Option<usize>> {
    let allowed = sched_getaffinity(None).unwrap_or_default();
    let allowed: Vec<_> = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect();
    if allowed.len() == workers {
        allowed.into_iter().map(Some).collect()
    } else {
        vec![None; workers]
    }
}

/// Binds the current thread to a processor, so that what it works with stays in its caches.
pub(crate) fn pin(core: usize) {
    let mut only = CpuSet::new();
    only.set(core);
    if let Err(error) = sched_setaffinity(None, &only).map_err(io::Error::from) {
        warn!(core, %error, "a media thread is not bound to its processor");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_worker_has_a_processor_of_its_own_if_there_is_one_for_each() {
        let allowed = sched_getaffinity(None).unwrap();
        let count = usize::try_from(allowed.count()).unwrap();
        let places_of_all = places(count);
        assert_eq!(places_of_all.len(), count);
        for core in places_of_all.into_iter().map(Option::unwrap) {
            std::thread::spawn(move || {
                pin(core);
                let mut only = CpuSet::new();
                only.set(core);
                assert_eq!(sched_getaffinity(None).unwrap(), only);
            })
            .join()
            .unwrap();
        }
        assert_eq!(places(count + 1), vec![None; count + 1]);
        assert!((1..=count).contains(&available()));
    }
}
