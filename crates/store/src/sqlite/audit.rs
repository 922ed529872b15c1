//! The audit, as one query per rule of figures.

use super::calls;
use crate::{Difference, Error, Rule};
use sqlx::{Row, SqliteConnection};

/// Each query returns the rows that break its rule: `subject, expected, found`.
const QUERIES: [(Rule, &str); 8] = [
    (
        Rule::CreditsCounted,
        "SELECT user AS subject, coalesce(total, 0) AS expected, credited AS found FROM wallet
         LEFT JOIN (SELECT user, sum(amount) AS total FROM credit GROUP BY user) USING (user)
         WHERE expected <> found",
    ),
    (
        Rule::CreditsPosted,
        "SELECT user AS subject, credited AS expected, coalesce(total, 0) AS found FROM wallet
         LEFT JOIN (SELECT to_account, sum(amount) AS total FROM posting
                    WHERE from_account = 'psp:clearing' GROUP BY to_account)
                ON to_account = 'fan:paid:' || user
         WHERE expected <> found",
    ),
    (
        Rule::SpendingCounted,
        "SELECT user AS subject, coalesce(total, 0) AS expected, spent AS found FROM wallet
         LEFT JOIN (SELECT fan, sum(charged) AS total FROM call GROUP BY fan) ON fan = user
         WHERE expected <> found",
    ),
    (
        Rule::NeverNegative,
        "SELECT user AS subject, credited AS expected, spent AS found FROM wallet
         WHERE spent > credited",
    ),
    (
        Rule::ChargePosted,
        "SELECT id AS subject, iif(reason IS NULL, 0, charged) AS expected,
                coalesce(total, 0) AS found
         FROM call
         LEFT JOIN (SELECT entry, sum(amount) AS total FROM posting GROUP BY entry)
                ON entry = 'call:' || id
         WHERE expected <> found",
    ),
    (
        // Divided first, so that the product of the largest charge stays within 64 bits.
        Rule::HostShare,
        "SELECT id AS subject,
                charged / 10000 * host_share_bps + charged % 10000 * host_share_bps / 10000
                    AS expected,
                coalesce(amount, 0) AS found
         FROM call
         LEFT JOIN posting ON entry = 'call:' || id AND n = 0
                          AND to_account = 'host:earnings:' || host
         WHERE reason IS NOT NULL AND expected <> found",
    ),
    (
        Rule::ChargeWithinTariff,
        "SELECT id AS subject, allowed AS expected, charged AS found
         FROM (SELECT id, charged,
                      rate_per_minute * (billable / 60000)
                          + rate_per_minute * (billable % 60000) / 60000 AS allowed
               FROM (SELECT *, max(0, min(media_ms, 172800000) - free_ms) AS billable FROM call))
         WHERE charged > allowed",
    ),
    (
        Rule::BooksBalance,
        "WITH
         receipt AS (
            SELECT fan, host, charged,
                   charged / 10000 * host_share_bps + charged % 10000 * host_share_bps / 10000
                       AS host_part
            FROM call WHERE reason IS NOT NULL),
         due AS (
            SELECT 'fan:paid:' || user AS account, amount FROM credit
            UNION ALL SELECT 'psp:clearing', -amount FROM credit
            UNION ALL SELECT 'fan:paid:' || fan, -charged FROM receipt
            UNION ALL SELECT 'host:earnings:' || host, host_part FROM receipt
            UNION ALL SELECT 'platform:fee', charged - host_part FROM receipt)
         SELECT account AS subject, sum(due) AS expected, sum(posted) AS found
         FROM (SELECT account, amount AS due, 0 AS posted FROM due
               UNION ALL SELECT to_account, 0, amount FROM posting
               UNION ALL SELECT from_account, 0, -amount FROM posting)
         GROUP BY account HAVING expected <> found",
    ),
];

pub(super) async fn differences(db: &mut SqliteConnection) -> Result<Vec<Difference>, Error> {
    let mut differences = Vec::new();
    for (rule, query) in QUERIES {
        for row in sqlx::query(query).fetch_all(&mut *db).await? {
            differences.push(Difference {
                rule,
                subject: row.try_get("subject")?,
                expected: row.try_get("expected")?,
                found: row.try_get("found")?,
            });
        }
    }
    let (_, broken) = calls::open_calls(db).await?;
    differences.extend(broken.into_iter().map(|broken| Difference {
        rule: Rule::OpenCallReadable,
        subject: broken.call,
        expected: 1,
        found: 0,
    }));
    Ok(differences)
}
