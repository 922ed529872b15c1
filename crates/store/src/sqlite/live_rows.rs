//! Where the progress of open calls stands: the numbers of their rows, kept in memory so that a tick
//! finds 100,000 rows without their ids.
//!
//! Only what a committed transaction saw is remembered. A number is never used for two calls (the
//! schema sees to it), so one that is remembered too long finds nothing.

use super::row::{Columns, hex, json};
use crate::Error;
use billing_core::Checkpoint;
use sqlx::sqlite::SqliteConnection;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use units::CallId;

/// The rows of open calls, by call. Copies share them.
#[derive(Clone, Debug, Default)]
pub(super) struct LiveRows(Arc<Mutex<HashMap<CallId, i64>>>);

impl LiveRows {
    fn rows(&self) -> MutexGuard<'_, HashMap<CallId, i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads where those calls stand that are not known, as far as they are open.
    pub(super) async fn missing(
        &self,
        tx: &mut SqliteConnection,
        rows: &[Checkpoint],
    ) -> Result<Vec<(CallId, i64)>, Error> {
        let missing: Vec<String> = {
            let known = self.rows();
            let missing = rows.iter().filter(|row| !known.contains_key(&row.call));
            missing.map(|row| hex(row.call.0)).collect()
        };
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let rows = sqlx::query(
            "SELECT live_call.n, live_call.id FROM json_each(?1) AS key
             CROSS JOIN live_call ON live_call.id = unhex(key.value)",
        )
        .bind(json(missing))
        .fetch_all(tx)
        .await?;
        let row = |row| Ok((CallId(Columns::uuid(row, "id")?), sqlx::Row::try_get(row, "n")?));
        rows.iter().map(row).collect()
    }

    /// The rows of those calls that are known or `learned`.
    pub(super) fn places<'a>(
        &self,
        rows: &'a [Checkpoint],
        learned: &[(CallId, i64)],
    ) -> Vec<(i64, &'a Checkpoint)> {
        let learned: HashMap<CallId, i64> = learned.iter().copied().collect();
        let known = self.rows();
        let place = |call| known.get(call).or_else(|| learned.get(call)).copied();
        rows.iter().filter_map(|row| Some((place(&row.call)?, row))).collect()
    }

    /// To be told when the transaction that saw them is committed.
    pub(super) fn learn(&self, learned: Vec<(CallId, i64)>) {
        if !learned.is_empty() {
            self.rows().extend(learned);
        }
    }

    /// These calls are over.
    pub(super) fn forget(&self, calls: impl Iterator<Item = CallId>) {
        let mut known = self.rows();
        for call in calls {
            known.remove(&call);
        }
    }
}
