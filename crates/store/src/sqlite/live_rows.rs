//! Where the progress of open calls stands: the numbers of their rows, kept in memory so that a tick
//! finds 100,000 rows without their ids.
//!
//! They belong to whoever writes: a transaction takes them before it begins and gives them back
//! after its commit, so that they never name a call that has ended, nor one that was rolled back.

use super::row::{Columns, hex, json};
use crate::Error;
use billing_core::Checkpoint;
use sqlx::sqlite::SqliteConnection;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMutexGuard};
use units::CallId;

type Rows = HashMap<CallId, i64>;

/// The rows of open calls, by call, for one writer at a time.
#[derive(Debug, Default)]
pub(super) struct LiveRows(Arc<Mutex<Rows>>);

/// The rows of open calls, while a transaction has them.
#[derive(Debug)]
pub(super) struct HeldRows {
    known: OwnedMutexGuard<Rows>,
    /// What the transaction found, known to others only if it is committed.
    learned: Vec<(CallId, i64)>,
}

impl LiveRows {
    /// Takes them, once whoever has them is done.
    pub(super) async fn hold(&self) -> HeldRows {
        HeldRows { known: self.0.clone().lock_owned().await, learned: Vec::new() }
    }
}

impl HeldRows {
    /// Where the progress of those calls stands, as far as they are open.
    pub(super) async fn places<'a>(
        &mut self,
        tx: &mut SqliteConnection,
        rows: &'a [Checkpoint],
    ) -> Result<Vec<(i64, &'a Checkpoint)>, Error> {
        let (mut places, mut missing) = (Vec::with_capacity(rows.len()), Vec::new());
        for row in rows {
            match self.known.get(&row.call) {
                Some(n) => places.push((*n, row)),
                None => missing.push(row),
            }
        }
        if !missing.is_empty() {
            let found = read(tx, missing.iter().map(|row| row.call)).await?;
            let place = |row: &'a Checkpoint| Some((*found.get(&row.call)?, row));
            places.extend(missing.into_iter().filter_map(place));
            self.learned.extend(found);
        }
        Ok(places)
    }

    /// These calls are over. If that is rolled back, they are found again.
    pub(super) fn forget(&mut self, calls: impl Iterator<Item = CallId>) {
        for call in calls {
            self.known.remove(&call);
            self.learned.retain(|(learned, _)| *learned != call);
        }
    }

    /// The transaction is committed.
    pub(super) fn keep(mut self) {
        self.known.extend(self.learned.drain(..));
    }
}

/// The rows of those calls that are open.
async fn read(
    tx: &mut SqliteConnection,
    calls: impl Iterator<Item = CallId>,
) -> Result<Rows, Error> {
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
