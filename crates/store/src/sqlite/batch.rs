//! Many rows in few statements, whose values are bound: nothing is put into a text and taken apart
//! again.

/// Rows that one statement takes, and so on with what is left. SQLite takes 32,766 values at most;
/// more rows would gain nothing, fewer would cost a round to its thread each. Few sizes, so that
/// their statements stay prepared.
const ROWS_AT_ONCE: [usize; 3] = [1_024, 32, 1];

/// Cuts rows into what statements take.
pub(super) fn batches<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = ROWS_AT_ONCE.into_iter().find(|size| *size <= rows.len())?;
        let (batch, rest) = rows.split_at(size);
        rows = rest;
        Some(batch)
    })
}

/// `row`, the places that one row binds, for so many rows.
pub(super) fn values(row: &str, rows: usize) -> String {
    vec![row; rows].join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_rows_are_in_a_batch_in_their_order() {
        let rows: Vec<u32> = (0..2_048 + 64 + 2).collect();
        for count in [0, 1, 2, 31, 32, 33, 1_023, 1_024, 1_025, rows.len()] {
            let batches: Vec<&[u32]> = batches(&rows[..count]).collect();
            assert_eq!(batches.concat(), rows[..count]);
            assert!(batches.iter().all(|batch| ROWS_AT_ONCE.contains(&batch.len())), "{count}");
        }
        assert_eq!(values("(?,?)", 2), "(?,?),(?,?)");
    }
}
