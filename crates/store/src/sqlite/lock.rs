//! One server per database: a second one would take the first one's live calls for interrupted.

use crate::Error;
use std::fs::{File, TryLockError};
use std::path::Path;

/// Takes the lock `<database>.lock`. Dropping the file releases it, and so does the end of the
/// process, however it ends. The file stays: whoever deleted it would let two servers each lock
/// their own.
///
/// # Errors
/// [`Error::InUse`] if somebody holds it, [`Error::Lock`] if it can't be made.
pub(super) fn take(database: &Path) -> Result<File, Error> {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    let file =
        File::options().create(true).truncate(false).write(true).open(path).map_err(Error::Lock)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse),
        Err(TryLockError::Error(error)) => Err(Error::Lock(error)),
    }
}
