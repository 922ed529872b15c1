//! Which month a moment belongs to, for share tiers: the calendar's, in UTC.

use time::UtcDateTime;
use units::UnixMs;

/// The month as `2026-11`. Moments beyond the calendar count as its first month.
pub(crate) fn month_of(at: UnixMs) -> String {
    let seconds = i64::try_from(at.0 / 1_000).unwrap_or(0);
    let date = UtcDateTime::from_unix_timestamp(seconds).unwrap_or(UtcDateTime::UNIX_EPOCH);
    format!("{:04}-{:02}", date.year(), u8::from(date.month()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_begins_at_midnight_utc() {
        for (ms, month) in [
            (0, "1970-01"),
            (951_782_399_999, "2000-02"),
            (951_868_799_999, "2000-02"),
            (951_868_800_000, "2000-03"),
            (1_798_761_599_999, "2026-12"),
            (1_798_761_600_000, "2027-01"),
            (u64::MAX, "1970-01"),
        ] {
            assert_eq!(month_of(UnixMs(ms)), month, "{ms}");
        }
    }
}
