//! The least a debit can cost: `DECRBY` of one counter per call, pipelined, through the same client
//! library.

use super::RedisError;
use futures::future::try_join_all;
use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use std::time::Duration;
use test_servers::{Redis as Server, RedisOptions};

/// Commands that are sent at once. More makes no difference.
const PIPELINE: u32 = 64;

/// Connections that send at the same time, so that the server never waits.
const CONNECTIONS: u32 = 3;

/// How long an answer may take. On a machine that is busy with other work some take long; a run
/// that gave up would tell nothing.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Counters on a server of their own.
pub(super) struct Floor {
    pub(super) server: Server,
    connections: Vec<MultiplexedConnection>,
    counters: u32,
}

impl Floor {
    pub(super) async fn start(options: RedisOptions, counters: u32) -> Result<Self, RedisError> {
        let server = Server::start(options)?;
        let client = redis::Client::open(server.url())?;
        let patient = AsyncConnectionConfig::new().set_response_timeout(Some(ANSWER_WITHIN));
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            connections.push(client.get_multiplexed_async_connection_with_config(&patient).await?);
        }
        let floor = Self { server, connections, counters };
        floor.each("SET", 1 << 50).await?;
        Ok(floor)
    }

    /// One `DECRBY` of each counter; how many that were.
    pub(super) async fn tick(&self) -> Result<u64, RedisError> {
        self.each("DECRBY", 83_333).await?;
        Ok(u64::from(self.counters))
    }

    async fn each(&self, command: &str, amount: u64) -> Result<(), RedisError> {
        let shares = (0_u32..).zip(&self.connections).map(async |(share, connection)| {
            let mut connection = connection.clone();
            // Strides, so that neighbours in memory are not neighbours in time.
            let mut numbers = (share..self.counters).step_by(CONNECTIONS as usize).peekable();
            while numbers.peek().is_some() {
                let mut pipe = redis::pipe();
                for n in numbers.by_ref().take(PIPELINE as usize) {
                    pipe.cmd(command).arg(format!("fan-{n}")).arg(amount).ignore();
                }
                pipe.query_async::<()>(&mut connection).await?;
            }
            Ok::<(), redis::RedisError>(())
        });
        try_join_all(shares).await?;
        Ok(())
    }
}
