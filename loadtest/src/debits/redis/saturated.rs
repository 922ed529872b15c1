//! Debits as fast as the server takes them, in turn with the floor.

use super::calls::Calls;
use super::floor::Floor;
use super::{RedisError, SaturatedReport, cpu_ms};
use indicatif::ProgressBar;
use store::Redis;
use test_servers::Redis as Server;

/// Ticks of the floor and of ours in a round. Processor time is counted in steps of 10 ms: fewer
/// would make the steps show.
const TICKS: u32 = 4;

/// Debits of a round that are sent one by one: about as much processor time.
const SINGLE: usize = 40_000;

/// Two servers under the same options.
pub(super) struct UnderTest<'a> {
    pub(super) server: &'a Server,
    pub(super) hot: &'a Redis,
    pub(super) floor: Floor,
}

/// Operations, and the server's time that they took.
#[derive(Clone, Copy, Default)]
struct Spent {
    operations: u64,
    cpu_ms: u64,
}

impl Spent {
    fn add(&mut self, operations: u64, cpu_ms: u64) {
        self.operations += operations;
        self.cpu_ms += cpu_ms;
    }

    fn per_cpu_second(self) -> f64 {
        self.operations as f64 * 1_000.0 / self.cpu_ms.max(1) as f64
    }
}

impl UnderTest<'_> {
    pub(super) async fn measure(
        &self,
        rounds: u32,
        calls: &mut Calls,
        append_only: bool,
        progress: &ProgressBar,
    ) -> Result<SaturatedReport, RedisError> {
        let (mut floor, mut ours, mut single) =
            (Spent::default(), Spent::default(), Spent::default());
        let (mut file_bytes, mut debits) = (0, 0);
        for _ in 0..rounds {
            let start = cpu_ms(&self.floor.server)?;
            let mut operations = 0;
            for _ in 0..TICKS {
                operations += self.floor.tick().await?;
            }
            floor.add(operations, cpu_ms(&self.floor.server)? - start);

            let file = if append_only { self.server.append_only_bytes()? } else { 0 };
            let start = cpu_ms(self.server)?;
            for _ in 0..TICKS {
                calls.tick(self.hot).await?;
            }
            let operations = calls.count() * u64::from(TICKS);
            ours.add(operations, cpu_ms(self.server)? - start);
            debits += operations;
            if append_only {
                file_bytes += self.server.append_only_bytes()? - file;
            }

            let start = cpu_ms(self.server)?;
            calls.tick_singly(self.hot, SINGLE).await?;
            let sent = calls.count().min(SINGLE as u64);
            single.add(sent, cpu_ms(self.server)? - start);
            progress.inc(1);
        }
        Ok(SaturatedReport {
            append_only,
            decrby_per_cpu_second: floor.per_cpu_second(),
            debits_per_cpu_second: ours.per_cpu_second(),
            single_per_cpu_second: single.per_cpu_second(),
            ratio: ours.per_cpu_second() / floor.per_cpu_second(),
            times_single: ours.per_cpu_second() / single.per_cpu_second(),
            file_bytes_per_debit: append_only.then(|| file_bytes as f64 / debits as f64),
        })
    }
}
