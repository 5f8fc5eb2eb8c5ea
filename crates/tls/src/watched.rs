//! Something read from files, and read anew after they have changed.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use sealmq_settings::InvalidSetting;

/// A value and the files that it was read from.
///
/// The files are looked at whenever the value is wanted, which is at a handshake: a change is seen
/// by the next connection, and nothing runs in between.
pub(crate) struct Watched<T> {
    files: Vec<PathBuf>,
    read: Box<dyn Fn() -> Result<T, InvalidSetting> + Send + Sync>,
    last: Mutex<Last<T>>,
}

struct Last<T> {
    value: Arc<T>,
    seen: Vec<Option<Stamp>>,
    /// A state of the files that could not be used: said once, tried again.
    refused: Option<Vec<Option<Stamp>>>,
}

/// What tells a file from what it was before: when it was changed, and its length.
type Stamp = (SystemTime, u64);

impl<T> Watched<T> {
    /// Reads the value for the first time.
    ///
    /// # Errors
    /// Those of `read`.
    pub(crate) fn new<'p>(
        files: impl IntoIterator<Item = &'p Path>,
        read: impl Fn() -> Result<T, InvalidSetting> + Send + Sync + 'static,
    ) -> Result<Self, InvalidSetting> {
        let files: Vec<PathBuf> = files.into_iter().map(Path::to_path_buf).collect();
        // Looked at before they are read: a change meanwhile is seen the next time.
        let seen = stamps(&files);
        let last = Mutex::new(Last { value: Arc::new(read()?), seen, refused: None });
        Ok(Self { files, read: Box::new(read), last })
    }

    /// The value of the files as they are now; while they cannot be used, the one before.
    pub(crate) fn current(&self) -> Arc<T> {
        let now = stamps(&self.files);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if now != last.seen {
            match (self.read)() {
                Ok(value) => {
                    *last = Last { value: Arc::new(value), seen: now, refused: None };
                    tracing::info!(target: "sealmq", files = ?self.files, "Certificates replaced");
                }
                Err(error) if last.refused.as_ref() != Some(&now) => {
                    let files = &self.files;
                    tracing::warn!(target: "sealmq", ?files, %error, "Changed certificates cannot be used: the ones before stay in force");
                    last.refused = Some(now);
                }
                Err(_) => {}
            }
        }
        Arc::clone(&last.value)
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Option<Stamp>> {
    let stamp = |file: &PathBuf| {
        let metadata = fs::metadata(file).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    files.iter().map(stamp).collect()
}

impl<T> fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("files", &self.files).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_seen_and_an_unusable_one_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("value");
        let path = file.clone();
        let read = move || {
            let text = fs::read_to_string(&path).unwrap_or_default();
            text.parse::<u32>().map_err(|_| InvalidSetting::new("value", "is no number"))
        };
        fs::write(&file, "1").unwrap();
        let value = Watched::new([file.as_path()], read).unwrap();
        assert_eq!(*value.current(), 1);
        fs::write(&file, "22").unwrap();
        assert_eq!(*value.current(), 22);
        for broken in ["no number", ""] {
            fs::write(&file, broken).unwrap();
            assert_eq!(*value.current(), 22);
        }
        fs::remove_file(&file).unwrap();
        assert_eq!(*value.current(), 22);
        fs::write(&file, "333").unwrap();
        assert_eq!(*value.current(), 333);
    }

    #[test]
    fn nothing_usable_at_first_is_an_error() {
        let read = || Err::<(), _>(InvalidSetting::new("value", "is missing"));
        assert_eq!(Watched::new([Path::new("/missing")], read).unwrap_err().variable, "value");
    }
}
