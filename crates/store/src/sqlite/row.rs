//! Rows to types and back. A value that we never write is an error, not a panic.

use crate::{Error, LiveCall};
use billing_core::{EndReason, Receipt, Tariff, Terms};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use units::{CallId, ElapsedMs, Medium, MicroCoins, Rate, ShareBps, UnixMs, UserId};

/// SQLite's integers are signed; ours are at most 2^53 where they are money and were `u64` where
/// they are times.
pub(super) fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn corrupt(column: &'static str, value: impl ToString) -> Error {
    Error::Corrupt { column, value: value.to_string() }
}

pub(super) fn number(row: &SqliteRow, column: &'static str) -> Result<u64, Error> {
    let value: i64 = row.try_get(column)?;
    u64::try_from(value).map_err(|_| corrupt(column, value))
}

pub(super) fn money(row: &SqliteRow, column: &'static str) -> Result<MicroCoins, Error> {
    let value = number(row, column)?;
    MicroCoins::new(value).map_err(|_| corrupt(column, value))
}

pub(super) fn parsed<T: std::str::FromStr>(
    row: &SqliteRow,
    column: &'static str,
) -> Result<T, Error> {
    let value: &str = row.try_get(column)?;
    value.parse().map_err(|_| corrupt(column, value))
}

/// A row of `call`.
#[derive(Debug)]
pub(super) struct CallRow {
    pub(super) live: LiveCall,
    /// Once settled.
    end: Option<(EndReason, UnixMs)>,
}

impl CallRow {
    pub(super) fn receipt(self) -> Option<Receipt> {
        let (reason, ended_at) = self.end?;
        Some(Receipt {
            call: self.live.call,
            terms: self.live.terms,
            reason,
            opened_at: self.live.opened_at,
            ended_at,
            media: self.live.media,
            charged: self.live.charged,
        })
    }

    pub(super) fn is_settled(&self) -> bool {
        self.end.is_some()
    }
}

impl TryFrom<SqliteRow> for CallRow {
    type Error = Error;

    fn try_from(row: SqliteRow) -> Result<Self, Error> {
        let row = &row;
        let medium: &str = row.try_get("medium")?;
        let rate = number(row, "rate_per_minute")?;
        let share = number(row, "host_share_bps")?;
        let host_share = u16::try_from(share).ok().and_then(|bps| ShareBps::new(bps).ok());
        let terms = Terms {
            fan: parsed::<UserId>(row, "fan")?,
            host: parsed::<UserId>(row, "host")?,
            medium: Medium::parse(medium).ok_or_else(|| corrupt("medium", medium))?,
            tariff: Tariff {
                rate: Rate::per_minute(rate).map_err(|_| corrupt("rate_per_minute", rate))?,
                free: ElapsedMs(number(row, "free_ms")?),
            },
            host_share: host_share.ok_or_else(|| corrupt("host_share_bps", share))?,
        };
        let reason: Option<&str> = row.try_get("reason")?;
        let end = match reason {
            None => None,
            Some(name) => {
                let reason = EndReason::parse(name).ok_or_else(|| corrupt("reason", name))?;
                Some((reason, UnixMs(number(row, "ended_at_unix_ms")?)))
            }
        };
        let live = LiveCall {
            call: parsed::<CallId>(row, "id")?,
            terms,
            opened_at: UnixMs(number(row, "opened_at_unix_ms")?),
            seen_at: UnixMs(number(row, "seen_at_unix_ms")?),
            charged: money(row, "charged")?,
            media: ElapsedMs(number(row, "media_ms")?),
        };
        Ok(Self { live, end })
    }
}
