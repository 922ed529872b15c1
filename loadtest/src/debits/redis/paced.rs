//! One debit per call and second, the shards evenly spread over the second, as a meter sends them.

use super::calls::Calls;
use super::{PacedReport, RedisError, cpu_ms};
use indicatif::ProgressBar;
use service_kit::Clock;
use std::sync::Arc;
use store::Redis;
use test_servers::Redis as Server;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use units::MonotonicUs;

const SECOND_US: u64 = 1_000_000;

pub(super) async fn measure(
    server: &Server,
    hot: Redis,
    calls: Calls,
    seconds: u32,
    progress: &ProgressBar,
) -> Result<PacedReport, RedisError> {
    let (hot, calls, clock) = (Arc::new(hot), Arc::new(calls), Clock::start());
    let (shards, before) = (calls.shards() as u64, calls.ticks());
    let cpu = cpu_ms(server)?;
    let start = clock.now_us().0;
    // A shard's next debits wait for the answer to its last ones: else they might overtake them.
    let turns: Arc<Vec<Mutex<()>>> = Arc::new((0..shards).map(|_| Mutex::default()).collect());
    let mut under_way = JoinSet::new();
    for second in 0..u64::from(seconds) {
        for place in 0..calls.shards() {
            let due = start + second * SECOND_US + place as u64 * SECOND_US / shards;
            tokio::time::sleep_until(clock.instant_at(MonotonicUs(due)).into()).await;
            let (hot, calls, turns) = (hot.clone(), calls.clone(), turns.clone());
            under_way.spawn(async move {
                let _turn = turns[place].lock().await;
                let debited = calls.debit(&hot, place, before + 1 + second).await;
                debited.map(|()| clock.now_us().0 - due)
            });
        }
        progress.inc(1);
    }
    let mut late_us = Vec::new();
    while let Some(ended) = under_way.join_next().await {
        late_us.push(ended.map_err(|_| RedisError::Untold("answer"))??);
    }
    let took_us = clock.now_us().0 - start;
    let cpu_ms = cpu_ms(server)? - cpu;
    late_us.sort_unstable();
    let at = |part: usize| late_us[(late_us.len() - 1) * part / 1_000] as f64 / 1_000.0;
    let debits = calls.count() * u64::from(seconds);
    Ok(PacedReport {
        seconds,
        debits_per_second: debits as f64 * 1e6 / took_us as f64,
        core_percent: cpu_ms as f64 * 100_000.0 / took_us as f64,
        p50_ms: at(500),
        p99_ms: at(990),
        max_ms: at(1_000),
    })
}
