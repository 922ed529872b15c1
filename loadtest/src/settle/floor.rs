//! The floor: the same columns as arrays into a table that holds and checks nothing.

use billing_core::{Checkpoint, Posting};
use sqlx::PgConnection;
use uuid::Uuid;

/// A bare table.
#[derive(Clone, Copy, Debug)]
pub(super) enum Floor {
    Checkpoints,
    Evidence,
    Postings,
}

/// What goes into one, column by column.
#[derive(Debug)]
pub(super) enum Columns {
    Checkpoints { ids: Vec<Uuid>, numbers: [Vec<i64>; 5], records: Vec<Vec<u8>> },
    Postings { texts: [Vec<String>; 3], shards: Vec<i16>, numbers: [Vec<i64>; 2] },
}

/// About what ten seconds of evidence take.
const EVIDENCE_BYTES: usize = 280;

impl Columns {
    pub(super) fn of_checkpoints(rows: &[Checkpoint]) -> Self {
        let number = |value: fn(&Checkpoint) -> u64| {
            rows.iter().map(|row| i64::try_from(value(row)).unwrap_or(i64::MAX)).collect()
        };
        Self::Checkpoints {
            ids: rows.iter().map(|row| row.call.0).collect(),
            numbers: [
                number(|row| row.proven.media.0),
                number(|row| row.proven.video.0),
                number(|row| row.charged.paid.micro()),
                number(|row| row.charged.promo.micro()),
                number(|row| u64::try_from(row.evidence.len()).unwrap_or(u64::MAX)),
            ],
            records: rows.iter().map(|_| vec![0x5a; EVIDENCE_BYTES]).collect(),
        }
    }

    pub(super) fn of_postings(rows: &[Posting]) -> Self {
        let text = |column: fn(&Posting) -> String| rows.iter().map(column).collect();
        let number = |value: fn(&Posting) -> u64| {
            rows.iter().map(|row| i64::try_from(value(row)).unwrap_or(i64::MAX)).collect()
        };
        Self::Postings {
            texts: [
                text(|row| row.entry.to_string()),
                text(|row| row.from.to_string()),
                text(|row| row.to.to_string()),
            ],
            shards: rows.iter().map(|_| 7).collect(),
            numbers: [number(|row| row.n.into()), number(|row| row.amount.micro())],
        }
    }
}

impl Floor {
    pub(super) async fn new(db: &mut PgConnection, evidence: bool) -> Result<Self, sqlx::Error> {
        let floor = if evidence { Self::Evidence } else { Self::Checkpoints };
        floor.make(db).await
    }

    pub(super) async fn postings(db: &mut PgConnection) -> Result<Self, sqlx::Error> {
        Self::Postings.make(db).await
    }

    async fn make(self, db: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let sql = match self {
            Self::Checkpoints => {
                "CREATE TABLE bare_checkpoint
                     (id UUID, media BIGINT, video BIGINT, paid BIGINT, promo BIGINT, n BIGINT)"
            }
            Self::Evidence => {
                "CREATE TABLE bare_evidence (id UUID, media BIGINT, video BIGINT, paid BIGINT,
                     promo BIGINT, n BIGINT, records BYTEA)"
            }
            Self::Postings => {
                "CREATE TABLE bare_posting (entry TEXT, from_account TEXT, to_account TEXT,
                     shard SMALLINT, n BIGINT, amount BIGINT)"
            }
        };
        sqlx::query(sql).execute(db).await?;
        Ok(self)
    }

    pub(super) async fn insert(
        self,
        db: &mut PgConnection,
        columns: Columns,
    ) -> Result<(), sqlx::Error> {
        let query = match columns {
            Columns::Checkpoints { ids, numbers: [media, video, paid, promo, n], records } => {
                let sql = match self {
                    Self::Evidence => {
                        "INSERT INTO bare_evidence SELECT * FROM unnest($1::uuid[], $2::bigint[],
                             $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bytea[])"
                    }
                    Self::Checkpoints | Self::Postings => {
                        "INSERT INTO bare_checkpoint SELECT * FROM unnest($1::uuid[],
                             $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])"
                    }
                };
                let query = sqlx::query(sql);
                let query = query.bind(ids).bind(media).bind(video).bind(paid).bind(promo).bind(n);
                if matches!(self, Self::Evidence) { query.bind(records) } else { query }
            }
            Columns::Postings { texts: [entry, from, to], shards, numbers: [n, amount] } => {
                sqlx::query(
                    "INSERT INTO bare_posting SELECT * FROM unnest($1::text[], $2::text[],
                         $3::text[], $4::smallint[], $5::bigint[], $6::bigint[])",
                )
                .bind(entry)
                .bind(from)
                .bind(to)
                .bind(shards)
                .bind(n)
                .bind(amount)
            }
        };
        query.execute(db).await?;
        Ok(())
    }
}
