//! Real Redis and PostgreSQL for tests and benchmarks: child processes on loopback and free ports,
//! with their data in a temporary folder; stopped by process id when they are dropped, and when
//! the process that started them dies in any other way.
#![forbid(unsafe_code)]

mod coturn;
mod error;
mod postgres;
mod process;
mod redis;

pub use coturn::Coturn;
pub use error::Error;
pub use postgres::Postgres;
pub use process::{Process, free_port};
pub use redis::{AppendOnly, Cluster, Engine, Redis, RedisOptions};
