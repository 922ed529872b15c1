//! `redis-server` and `valkey-server`: alone, with a replica, or as a cluster.
