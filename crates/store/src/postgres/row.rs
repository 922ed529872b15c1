//! Values to columns and back. A value that we never write is an error, not a panic.

use crate::Error;
use sqlx::Row;
use sqlx::postgres::PgRow;
use units::{Coins, ElapsedMs, MicroCoins, Rate, Shard, ShareBps, UnixMs, UserId};
use uuid::Uuid;

/// PostgreSQL's integers are signed; ours are at most 2^53 where they are money and were `u64`
/// where they are times.
pub(super) fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn micro(amount: MicroCoins) -> i64 {
    integer(amount.micro())
}

pub(super) fn shard(shard: Shard) -> i16 {
    i16::try_from(shard.number()).expect("a shard's number is below 1,024")
}

pub(super) fn shards(list: &[Shard]) -> Vec<i16> {
    list.iter().copied().map(shard).collect()
}

pub(super) fn bps(share: ShareBps) -> i16 {
    i16::try_from(share.bps()).expect("a share is at most 10,000")
}

pub(super) fn corrupt(column: &'static str, value: impl ToString) -> Error {
    Error::Corrupt { column, value: value.to_string() }
}

/// A row's values by the names of their columns.
pub(super) trait Columns {
    fn number(&self, column: &'static str) -> Result<u64, Error>;
    fn count(&self, column: &'static str) -> Result<u32, Error>;
    fn ms(&self, column: &'static str) -> Result<ElapsedMs, Error>;
    fn at(&self, column: &'static str) -> Result<UnixMs, Error>;
    fn money(&self, column: &'static str) -> Result<MicroCoins, Error>;
    fn coins(&self, paid: &'static str, promo: &'static str) -> Result<Coins, Error>;
    fn rate(&self, column: &'static str) -> Result<Rate, Error>;
    fn share(&self, column: &'static str) -> Result<ShareBps, Error>;
    fn user(&self, column: &'static str) -> Result<UserId, Error>;
    fn text(&self, column: &'static str) -> Result<String, Error>;
    fn uuid(&self, column: &'static str) -> Result<Uuid, Error>;
}

impl Columns for PgRow {
    fn number(&self, column: &'static str) -> Result<u64, Error> {
        let value: i64 = self.try_get(column)?;
        u64::try_from(value).map_err(|_| corrupt(column, value))
    }

    fn count(&self, column: &'static str) -> Result<u32, Error> {
        let value = self.number(column)?;
        u32::try_from(value).map_err(|_| corrupt(column, value))
    }

    fn ms(&self, column: &'static str) -> Result<ElapsedMs, Error> {
        self.number(column).map(ElapsedMs)
    }

    fn at(&self, column: &'static str) -> Result<UnixMs, Error> {
        self.number(column).map(UnixMs)
    }

    fn money(&self, column: &'static str) -> Result<MicroCoins, Error> {
        let value = self.number(column)?;
        MicroCoins::new(value).map_err(|_| corrupt(column, value))
    }

    fn coins(&self, paid: &'static str, promo: &'static str) -> Result<Coins, Error> {
        let coins = Coins { paid: self.money(paid)?, promo: self.money(promo)? };
        match coins.total() {
            Some(_) => Ok(coins),
            None => Err(corrupt(paid, format!("{} beside {}", coins.paid, coins.promo))),
        }
    }

    fn rate(&self, column: &'static str) -> Result<Rate, Error> {
        let value = self.number(column)?;
        Rate::per_minute(value).map_err(|_| corrupt(column, value))
    }

    fn share(&self, column: &'static str) -> Result<ShareBps, Error> {
        let value: i16 = self.try_get(column)?;
        let share = u16::try_from(value).ok().and_then(|bps| ShareBps::new(bps).ok());
        share.ok_or_else(|| corrupt(column, value))
    }

    fn user(&self, column: &'static str) -> Result<UserId, Error> {
        let value: &str = self.try_get(column)?;
        value.parse().map_err(|_| corrupt(column, value))
    }

    fn text(&self, column: &'static str) -> Result<String, Error> {
        Ok(self.try_get(column)?)
    }

    fn uuid(&self, column: &'static str) -> Result<Uuid, Error> {
        Ok(self.try_get(column)?)
    }
}
