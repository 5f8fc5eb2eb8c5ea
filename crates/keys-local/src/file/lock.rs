//! The lock of writers: one at a time, across threads and processes.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use sealmq_crypto_core::{KeyError, KeyErrorKind};

use super::disk::{beside, give_to_owner_of, resolve};
use crate::error::io_error;

const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// Held by the one writer; released on drop, and by the system when a process ends.
pub(super) struct WriteLock {
    _file: File,
}

impl WriteLock {
    /// Takes the lock of this keyring, within `wait`. Blocks the thread.
    ///
    /// The lock is on a file of its own, because the keyring is replaced by each change.
    pub(super) fn acquire(keyring: &Path, wait: Duration) -> Result<Self, KeyError> {
        let target =
            resolve(keyring).map_err(|error| io_error("finding the keyring", keyring, error))?;
        let path = beside(&target, ".lock");
        let failed = |error| io_error("taking the lock", &path, error);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        give_to_owner_of(&target, &file).map_err(failed)?;
        let started = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
            let left = wait.saturating_sub(started.elapsed());
            if left.is_zero() {
                let (path, wait) = (path.display(), wait.as_millis());
                let reason = format!("another writer held {path} for all of {wait} ms");
                return Err(KeyError::new(KeyErrorKind::Unavailable, reason));
            }
            thread::sleep(pause.min(left));
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}
