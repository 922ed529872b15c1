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

    /// Where the progress of those calls stands, as far as they are open. What is not known is read
    /// and added to `learned`.
    pub(super) async fn places<'a>(
        &self,
        tx: &mut SqliteConnection,
        learned: &mut Vec<(CallId, i64)>,
        rows: &'a [Checkpoint],
    ) -> Result<Vec<(i64, &'a Checkpoint)>, Error> {
        let (mut places, mut missing) = (Vec::with_capacity(rows.len()), Vec::new());
        {
            let known = self.rows();
            for row in rows {
                match known.get(&row.call) {
                    Some(n) => places.push((*n, row)),
                    None => missing.push(row),
                }
            }
        }
        if !missing.is_empty() {
            let found = read(tx, missing.iter().map(|row| row.call)).await?;
            let place = |row: &'a Checkpoint| Some((*found.get(&row.call)?, row));
            places.extend(missing.into_iter().filter_map(place));
            learned.extend(found);
        }
        Ok(places)
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

/// The rows of those calls that are open.
async fn read(
    tx: &mut SqliteConnection,
    calls: impl Iterator<Item = CallId>,
) -> Result<HashMap<CallId, i64>, Error> {
    let rows = sqlx::query(
        "SELECT live_call.n, live_call.id FROM json_each(?1) AS key
         CROSS JOIN live_call ON live_call.id = unhex(key.value)",
    )
    .bind(json(calls.map(|call| hex(call.0))))
    .fetch_all(tx)
    .await?;
    let row = |row| Ok((CallId(Columns::uuid(row, "id")?), sqlx::Row::try_get(row, "n")?));
    rows.iter().map(row).collect()
}
