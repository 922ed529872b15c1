//! Real Redis and PostgreSQL for tests and benchmarks: child processes on loopback and free ports,
//! with their data in a temporary folder; stopped by process id when they are dropped.
#![forbid(unsafe_code)]

mod postgres;
mod redis;
