//! `[store]`: where balances and the ledger are kept.

use serde::Deserialize;
use std::fmt;
use std::path::{Path, PathBuf};

/// Where the money is. On one machine a file; on many PostgreSQL, with Redis for the balances of
/// live calls.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Store {
    /// A SQLite file, whose folder is made if it is missing, or `postgres://...`.
    pub(crate) database: Database,
    /// `redis://...`, several of a cluster by commas; empty: the process's own memory.
    pub(crate) redis: Urls,
}

/// What holds the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub(crate) enum Database {
    Sqlite(PathBuf),
    Postgres(Urls),
}

/// Addresses that may hold a password: shown without.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Urls(String);

/// A pair of stores that makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("a PostgreSQL database needs Redis for the balances of live calls: set store.redis")]
    NoRedis,
    #[error("Redis goes with a PostgreSQL database: set store.database = \"postgres://...\"")]
    NoPostgres,
    #[error("store.redis must be redis://... addresses, separated by commas")]
    NotRedis,
}

impl Default for Store {
    fn default() -> Self {
        let database = Database::Sqlite(PathBuf::from("data/coinline.db"));
        Self { database, redis: Urls::default() }
    }
}

impl Store {
    /// # Errors
    /// [`StoreError`]
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        match (&self.database, self.redis.is_empty()) {
            (Database::Sqlite(_), true) => Ok(()),
            (Database::Sqlite(_), false) => Err(StoreError::NoPostgres),
            (Database::Postgres(_), true) => Err(StoreError::NoRedis),
            (Database::Postgres(_), false) => {
                let plain = |url: &str| url.starts_with("redis://");
                if self.redis.each().all(plain) { Ok(()) } else { Err(StoreError::NotRedis) }
            }
        }
    }

    /// Where the demo keeps what is no money: beside its database, or in `data`.
    pub(crate) fn folder(&self) -> &Path {
        let path = match &self.database {
            Database::Sqlite(path) => path,
            Database::Postgres(_) => Path::new("data/-"),
        };
        path.parent().unwrap_or(Path::new("."))
    }
}

impl From<String> for Database {
    fn from(text: String) -> Self {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            Self::Postgres(Urls(text))
        } else {
            Self::Sqlite(PathBuf::from(text))
        }
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => path.display().fmt(f),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

impl From<String> for Urls {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl Urls {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// With the password: for whoever connects, never for a log.
    pub(crate) fn secret(&self) -> &str {
        &self.0
    }

    /// The nodes of a cluster, if there are several.
    pub(crate) fn several(&self) -> Option<Vec<String>> {
        let nodes: Vec<String> = self.each().map(str::to_owned).collect();
        (nodes.len() > 1).then_some(nodes)
    }

    fn each(&self) -> impl Iterator<Item = &str> {
        self.0.split(',').map(str::trim)
    }
}

impl fmt::Display for Urls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, url) in self.each().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            // A query may hold a password as well.
            let url = url.split_once('?').map_or(url, |(url, _)| url);
            match url.split_once("://") {
                Some((scheme, rest)) => {
                    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
                    write!(f, "{comma}{scheme}://{rest}")?;
                }
                None => write!(f, "{comma}{}", url.rsplit_once('@').map_or(url, |(_, host)| host))?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Urls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_never_shown() {
        for (text, shown) in [
            ("postgres://coinline:s3cret@db:5432/coinline", "postgres://db:5432/coinline"),
            ("postgres://db/c?password=s3cret", "postgres://db/c"),
            ("redis://:s3c@ret@a:1,redis://:s3cret@b:2", "redis://a:1,redis://b:2"),
            ("user:s3cret@host", "host"),
        ] {
            let urls = Urls(text.to_owned());
            assert_eq!(urls.to_string(), shown);
            assert_eq!(format!("{urls:?}"), format!("{shown:?}"));
            assert_eq!(urls.secret(), text);
        }
    }

    #[test]
    fn files_need_nothing_and_postgres_needs_redis() {
        let check = |database: &str, redis: &str| {
            Store { database: database.to_owned().into(), redis: redis.to_owned().into() }.check()
        };
        for (database, redis, outcome) in [
            ("data/coinline.db", "", Ok(())),
            ("postgres://db/c", "redis://a:1, redis://b:2", Ok(())),
            ("postgresql://db/c", "", Err(StoreError::NoRedis)),
            ("data/coinline.db", "redis://a:1", Err(StoreError::NoPostgres)),
            ("postgres://db/c", "a:1", Err(StoreError::NotRedis)),
            ("postgres://db/c", "redis://a:1,", Err(StoreError::NotRedis)),
        ] {
            assert_eq!(check(database, redis), outcome, "{database} {redis}");
        }
    }
}
