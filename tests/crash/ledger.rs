//! What the database says in the end, read with queries of our own.

use sqlx::PgPool;
use std::collections::BTreeMap;
use units::CallId;

/// A call as it was settled. Amounts are micro-coins.
#[derive(Clone, Debug)]
pub(crate) struct Bill {
    pub(crate) fan: String,
    pub(crate) host: String,
    pub(crate) paid: i64,
    pub(crate) promo: i64,
    pub(crate) share_bps: i64,
    /// `None` while it is open.
    pub(crate) reason: Option<String>,
    /// Signed receipts.
    pub(crate) documents: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct Credit {
    pub(crate) id: String,
    pub(crate) user: String,
    pub(crate) amount: i64,
    pub(crate) kind: String,
}

/// All kinds of coins together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wallet {
    pub(crate) credited: i64,
    pub(crate) settled: i64,
}

/// One row of the books.
#[derive(Clone, Debug)]
pub(crate) struct Posting {
    pub(crate) entry: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) amount: i64,
}

/// Everything that says who owns what.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) calls: BTreeMap<CallId, Bill>,
    pub(crate) credits: Vec<Credit>,
    pub(crate) wallets: BTreeMap<String, Wallet>,
    pub(crate) postings: Vec<Posting>,
    /// Calls whose progress is still kept apart from their terms.
    pub(crate) live: i64,
}

type CallRow = (String, String, String, i64, i64, i64, Option<String>, i64);

impl Ledger {
    pub(crate) async fn read(database: &str) -> Self {
        let pool = PgPool::connect(database).await.unwrap();
        let calls: Vec<CallRow> = sqlx::query_as(
            "SELECT id::text, fan::text, host::text, charged_paid::bigint, charged_promo::bigint, \
                    host_share_bps::bigint, reason, \
                    (SELECT count(*) FROM document WHERE call_id = call.id) FROM call",
        )
        .fetch_all(&pool)
        .await
        .unwrap();
        let credits: Vec<(String, String, i64, String)> =
            sqlx::query_as("SELECT id::text, user_id::text, amount::bigint, kind FROM credit")
                .fetch_all(&pool)
                .await
                .unwrap();
        let wallets: Vec<(String, i64, i64)> = sqlx::query_as(
            "SELECT user_id::text, (credited_paid + credited_promo)::bigint, \
                    (settled_paid + settled_promo)::bigint FROM wallet",
        )
        .fetch_all(&pool)
        .await
        .unwrap();
        let postings: Vec<(String, String, String, i64)> = sqlx::query_as(
            "SELECT entry::text, from_account::text, to_account::text, amount::bigint FROM posting",
        )
        .fetch_all(&pool)
        .await
        .unwrap();
        let live = sqlx::query_scalar("SELECT count(*) FROM live_call").fetch_one(&pool).await;
        Self {
            calls: calls.into_iter().map(bill).collect(),
            credits: credits
                .into_iter()
                .map(|(id, user, amount, kind)| Credit { id, user, amount, kind })
                .collect(),
            wallets: wallets
                .into_iter()
                .map(|(user, credited, settled)| (user, Wallet { credited, settled }))
                .collect(),
            postings: postings
                .into_iter()
                .map(|(entry, from, to, amount)| Posting { entry, from, to, amount })
                .collect(),
            live: live.unwrap(),
        }
    }

    /// Whether every call has ended.
    pub(crate) async fn is_settled(database: &str) -> bool {
        let pool = PgPool::connect(database).await.unwrap();
        let open = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM call WHERE reason IS NULL");
        open.fetch_one(&pool).await.unwrap() == 0
    }
}

fn bill((id, fan, host, paid, promo, share_bps, reason, documents): CallRow) -> (CallId, Bill) {
    (id.parse().unwrap(), Bill { fan, host, paid, promo, share_bps, reason, documents })
}
