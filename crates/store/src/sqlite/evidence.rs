//! Evidence and signed receipts: what a bill can be checked by.

use super::batch::{batches, values};
use super::row::{Columns, hex, json};
use crate::evidence_bytes::{pack, unpack};
use crate::{Error, Evidence};
use billing_core::{Checkpoint, EvidenceRecord};
use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;
use std::collections::{BTreeMap, HashMap};
use units::CallId;

/// Writes the evidence of calls that are open, as far as it is not there yet.
pub(super) async fn insert(tx: &mut SqliteConnection, rows: &[Checkpoint]) -> Result<(), Error> {
    let ids = rows.iter().filter(|row| !row.evidence.is_empty()).map(|row| hex(row.call.0));
    let ids = json(ids);
    let known = sqlx::query(
        "SELECT live_call.id, progress.evidence_n FROM json_each(?1) AS key
         CROSS JOIN live_call ON live_call.id = unhex(key.value)
         CROSS JOIN progress ON progress.n = live_call.n",
    )
    .bind(ids)
    .fetch_all(&mut *tx)
    .await?;
    let known: HashMap<CallId, u32> = known
        .iter()
        .map(|row| Ok((CallId(row.uuid("id")?), row.count("evidence_n")?)))
        .collect::<Result<_, Error>>()?;
    let runs: Vec<(CallId, u32, Vec<u8>)> = rows
        .iter()
        .filter_map(|row| {
            let next = *known.get(&row.call)?;
            let missing = row.evidence.iter().position(|record| record.n >= next)?;
            let missing = &row.evidence[missing..];
            Some((row.call, missing.first()?.n, pack(missing)))
        })
        .collect();
    for batch in batches(&runs) {
        let values = values("(?,?,?)", batch.len());
        let sql = format!("INSERT INTO evidence (call_id, first_n, records) VALUES {values}");
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (call, first, records) in batch {
            query = query.bind(call.0).bind(*first).bind(records.as_slice());
        }
        query.execute(&mut *tx).await?;
    }
    Ok(())
}

pub(super) async fn read(tx: &mut SqliteConnection, calls: &[CallId]) -> Result<Evidence, Error> {
    let rows = sqlx::query(
        "SELECT call_id, records FROM json_each(?1) AS key
         CROSS JOIN evidence ON call_id = unhex(key.value) ORDER BY first_n",
    )
    .bind(json(calls.iter().map(|call| hex(call.0))))
    .fetch_all(tx)
    .await?;
    let mut records: BTreeMap<CallId, BTreeMap<u32, EvidenceRecord>> = BTreeMap::new();
    for row in &rows {
        let bytes: &[u8] = sqlx::Row::try_get(row, "records")?;
        let known = records.entry(CallId(row.uuid("call_id")?)).or_default();
        for record in unpack(bytes)? {
            known.entry(record.n).or_insert(record);
        }
    }
    Ok(records.into_iter().map(|(call, records)| (call, records.into_values().collect())).collect())
}

/// What can't be read is logged and left out, so that it holds up no others.
pub(super) async fn read_last(
    tx: &mut SqliteConnection,
    calls: &[CallId],
) -> Result<BTreeMap<CallId, EvidenceRecord>, Error> {
    let rows = sqlx::query(
        // Beside a maximum, the other columns are those of its row.
        "SELECT call_id, records, max(first_n) FROM json_each(?1) AS key
         CROSS JOIN evidence ON call_id = unhex(key.value) GROUP BY call_id",
    )
    .bind(json(calls.iter().map(|call| hex(call.0))))
    .fetch_all(tx)
    .await?;
    let mut last = BTreeMap::new();
    for row in &rows {
        let (call, bytes) = (CallId(row.uuid("call_id")?), sqlx::Row::try_get(row, "records")?);
        match unpack(bytes) {
            Ok(records) => last.extend(records.last().map(|record| (call, *record))),
            Err(error) => tracing::error!(%call, %error, "this call's evidence can't be read"),
        }
    }
    Ok(last)
}

pub(super) async fn insert_documents(
    tx: &mut SqliteConnection,
    documents: &[(CallId, String)],
) -> Result<(), Error> {
    let rows = json(documents.iter().map(|(call, text)| (hex(call.0), text)));
    sqlx::query(
        "INSERT INTO document (call_id, document)
         SELECT unhex(value ->> 0), value ->> 1 FROM json_each(?1) WHERE true
         ON CONFLICT (call_id) DO NOTHING",
    )
    .bind(rows)
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) async fn document(
    tx: &mut SqliteConnection,
    call: CallId,
) -> Result<Option<String>, Error> {
    let row = sqlx::query("SELECT document FROM document WHERE call_id = ?1")
        .bind(call.0)
        .fetch_optional(tx)
        .await?;
    row.map(|row| row.text("document")).transpose()
}
