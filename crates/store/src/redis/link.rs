//! Connections to one server or to a cluster, which come back by themselves.

use crate::Error;
use futures::future::try_join_all;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::cluster::{ClusterClient, ClusterConfig};
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo};
use redis::{
    Client, FromRedisValue, RedisError, RedisResult, ScriptInvocation, ServerErrorKind, Value,
};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

/// How long an answer may take. A script of 512 debits takes about 1 ms. Less would give up on a
/// server that is only busy; more would let ticks pile up behind one that is gone.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// How long a connection may take to stand.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// How often a connection is tried anew before an error is given to who waits for it. The next
/// request tries again.
const RETRIES: usize = 1;

/// The longest pause between two tries.
const RETRY_PAUSE_MAX: Duration = Duration::from_millis(200);

/// Connections to one server. One would do for the bytes; several let one answer be read while
/// another is written.
const CONNECTIONS: usize = 2;

/// A way to the servers.
pub(super) enum Link {
    One(One),
    Cluster(ClusterConnection),
}

/// Connections to one server, or to whichever server has its address.
pub(super) struct One {
    client: Client,
    connections: RwLock<Vec<Connection>>,
}

/// A connection, and how many it replaced.
#[derive(Clone)]
struct Connection {
    renewed: u64,
    manager: ConnectionManager,
}

impl Link {
    pub(super) fn one(url: &str) -> Result<Self, Error> {
        let client = Client::open(url).map_err(error)?;
        let connections = (0..CONNECTIONS)
            .map(|_| Ok(Connection { renewed: 0, manager: manager(&client)? }))
            .collect::<RedisResult<Vec<_>>>()
            .map_err(error)?;
        Ok(Self::One(One { client, connections: RwLock::new(connections) }))
    }

    pub(super) fn cluster(urls: &[String]) -> Result<Self, Error> {
        let client = ClusterClient::builder(urls.iter().map(String::as_str))
            .connection_timeout(CONNECT_WITHIN)
            .response_timeout(ANSWER_WITHIN)
            .build()
            .map_err(error)?;
        Ok(Self::Cluster(client.get_pending_async_connection_with_config(ClusterConfig::new())))
    }

    /// Runs a script, loading it where it is not known. `number` spreads work over connections.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        number: u16,
        script: &ScriptInvocation<'_>,
    ) -> RedisResult<T> {
        match self {
            Self::Cluster(cluster) => script.invoke_async(&mut cluster.clone()).await,
            Self::One(one) => {
                let place = usize::from(number) % CONNECTIONS;
                let mut connection = one.connection(place);
                let result = script.invoke_async(&mut connection.manager).await;
                one.noted(place, &connection, result)
            }
        }
    }

    /// A field of a hash.
    pub(super) async fn field(&self, key: &str, field: &str) -> RedisResult<Option<Vec<u8>>> {
        self.query(redis::cmd("HGET").arg(key).arg(field)).await
    }

    /// The names of a hash's fields.
    pub(super) async fn fields(&self, key: &str) -> RedisResult<Vec<String>> {
        self.query(redis::cmd("HKEYS").arg(key)).await
    }

    async fn query<T: FromRedisValue>(&self, command: &redis::Cmd) -> RedisResult<T> {
        match self {
            Self::Cluster(cluster) => command.query_async(&mut cluster.clone()).await,
            Self::One(one) => one.query(0, command).await,
        }
    }

    /// What each master says of itself, in a fixed order. A single server is asked over each
    /// connection: around a failover they may lead to different ones.
    pub(super) async fn masters(&self) -> RedisResult<Vec<String>> {
        let mut info = redis::cmd("INFO");
        info.arg("server").arg("replication");
        match self {
            Self::One(one) => {
                try_join_all((0..CONNECTIONS).map(|place| one.query(place, &info))).await
            }
            Self::Cluster(cluster) => {
                let all = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
                let answer = cluster.clone().route_command(info, all).await?;
                let mut masters: Vec<(String, String)> = redis::from_redis_value(answer)?;
                masters.sort_unstable();
                Ok(masters.into_iter().map(|(_, info)| info).collect())
            }
        }
    }
}

impl One {
    async fn query<T: FromRedisValue>(&self, place: usize, command: &redis::Cmd) -> RedisResult<T> {
        let mut connection = self.connection(place);
        let result = command.query_async::<Value>(&mut connection.manager).await;
        Ok(redis::from_redis_value(self.noted(place, &connection, result)?)?)
    }

    fn connection(&self, place: usize) -> Connection {
        self.connections.read().unwrap_or_else(PoisonError::into_inner)[place].clone()
    }

    /// Replaces a connection that leads nowhere: to a host that is gone without a word, or to a
    /// master that became a replica. The library itself replaces those that are closed.
    fn noted<T>(&self, place: usize, used: &Connection, result: RedisResult<T>) -> RedisResult<T> {
        let stuck = |error: &RedisError| {
            error.is_timeout() || error.kind() == ServerErrorKind::ReadOnly.into()
        };
        if result.as_ref().is_err_and(stuck) {
            let mut connections = self.connections.write().unwrap_or_else(PoisonError::into_inner);
            let current = &mut connections[place];
            if current.renewed == used.renewed
                && let Ok(manager) = manager(&self.client)
            {
                *current = Connection { renewed: used.renewed + 1, manager };
            }
        }
        result
    }
}

fn manager(client: &Client) -> RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_response_timeout(Some(ANSWER_WITHIN))
        .set_connection_timeout(Some(CONNECT_WITHIN))
        .set_number_of_retries(RETRIES)
        .set_max_delay(RETRY_PAUSE_MAX);
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}

/// What went wrong, without addresses that may hold a password.
pub(super) fn error(error: RedisError) -> Error {
    Error::Redis(error.to_string())
}
