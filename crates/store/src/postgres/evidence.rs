//! Evidence and signed receipts: what a bill can be checked by.

use super::row::Columns;
use crate::evidence_bytes::{pack, unpack};
use crate::{Error, Evidence};
use billing_core::{Checkpoint, EvidenceRecord};
use sqlx::postgres::PgConnection;
use std::collections::{BTreeMap, BTreeSet};
use units::CallId;
use uuid::Uuid;

/// Records of one call that go into one row.
type Run<'a> = (Uuid, &'a [EvidenceRecord]);

/// Writes the evidence of calls that are open, as far as it is not there yet.
pub(super) async fn insert(tx: &mut PgConnection, rows: &[Checkpoint]) -> Result<(), Error> {
    let runs = rows.iter().filter(|row| !row.evidence.is_empty());
    let runs: Vec<Run<'_>> = runs.map(|row| (row.call.0, row.evidence.as_slice())).collect();
    if runs.is_empty() {
        return Ok(());
    }
    let written = insert_runs(tx, &runs, Expect::Following).await?;
    let repeated: Vec<Run<'_>> =
        runs.into_iter().filter(|(call, _)| !written.contains(call)).collect();
    if repeated.is_empty() { Ok(()) } else { insert_repeated(tx, &repeated).await }
}

/// After an error a meter can't know what is there, and sends it again with more behind it: of
/// such runs only what is missing is written.
async fn insert_repeated(tx: &mut PgConnection, runs: &[Run<'_>]) -> Result<(), Error> {
    let mut missing: Vec<(Uuid, Vec<EvidenceRecord>)> = Vec::new();
    let calls: Vec<CallId> = runs.iter().map(|(call, _)| CallId(*call)).collect();
    let known = read(tx, &calls).await?;
    for (call, records) in runs {
        let known = known.get(&CallId(*call)).into_iter().flatten();
        let known: BTreeSet<u32> = known.map(|record| record.n).collect();
        let records = records.iter().filter(|record| !known.contains(&record.n));
        let records: Vec<_> = records.copied().collect();
        if !records.is_empty() {
            missing.push((*call, records));
        }
    }
    let missing: Vec<Run<'_>> =
        missing.iter().map(|(call, records)| (*call, records.as_slice())).collect();
    insert_runs(tx, &missing, Expect::Missing).await?;
    Ok(())
}

/// What is known of runs before they are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// Nothing: only those are written that come after all that is there.
    Following,
    /// None of them is there.
    Missing,
}

/// The calls whose run was written.
async fn insert_runs(
    tx: &mut PgConnection,
    runs: &[Run<'_>],
    expect: Expect,
) -> Result<BTreeSet<Uuid>, Error> {
    let n = |record: Option<&EvidenceRecord>| record.map_or(0, |record| i64::from(record.n));
    let written: Vec<Uuid> = sqlx::query_scalar(
        "INSERT INTO evidence (call_id, first_n, records)
         SELECT g.id, g.first_n, g.records
         FROM unnest($1::uuid[], $2::bigint[], $3::bytea[]) AS g (id, first_n, records)
         JOIN live_call l ON l.id = g.id
         WHERE $4 OR g.first_n >= l.evidence_n
         RETURNING call_id",
    )
    .bind(runs.iter().map(|(call, _)| *call).collect::<Vec<_>>())
    .bind(runs.iter().map(|(_, records)| n(records.first())).collect::<Vec<_>>())
    .bind(runs.iter().map(|(_, records)| pack(records)).collect::<Vec<_>>())
    .bind(expect == Expect::Missing)
    .fetch_all(tx)
    .await?;
    Ok(written.into_iter().collect())
}

pub(super) async fn read(tx: &mut PgConnection, calls: &[CallId]) -> Result<Evidence, Error> {
    let rows = sqlx::query(
        "SELECT call_id, records FROM evidence WHERE call_id = ANY($1) ORDER BY first_n",
    )
    .bind(calls.iter().map(|call| call.0).collect::<Vec<_>>())
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
    tx: &mut PgConnection,
    calls: &[CallId],
) -> Result<BTreeMap<CallId, EvidenceRecord>, Error> {
    let rows = sqlx::query(
        "SELECT DISTINCT ON (call_id) call_id, records FROM evidence WHERE call_id = ANY($1)
         ORDER BY call_id, first_n DESC",
    )
    .bind(calls.iter().map(|call| call.0).collect::<Vec<_>>())
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
    tx: &mut PgConnection,
    documents: &[(CallId, String)],
) -> Result<(), Error> {
    if documents.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO document (call_id, document) SELECT * FROM unnest($1::uuid[], $2::text[])
         ON CONFLICT (call_id) DO NOTHING",
    )
    .bind(documents.iter().map(|(call, _)| call.0).collect::<Vec<_>>())
    .bind(documents.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) async fn document(tx: &mut PgConnection, call: CallId) -> Result<Option<String>, Error> {
    let row = sqlx::query("SELECT document FROM document WHERE call_id = $1")
        .bind(call.0)
        .fetch_optional(tx)
        .await?;
    row.map(|row| row.text("document")).transpose()
}
