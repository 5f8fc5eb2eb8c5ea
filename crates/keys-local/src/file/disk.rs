//! The keyring file on disk: read with its permissions checked, and replaced as a whole.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use sealmq_crypto_core::{KeyError, KeyErrorKind};
use zeroize::Zeroizing;

use crate::error::{io_error, malformed};

/// Above a hundred thousand keys; a file beyond it is none of ours.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// For the owner alone.
const MODE: u32 = 0o600;

/// A version of the file: as long as this lives, no other version has its inode number.
pub(super) struct FileVersion {
    _held_open: File,
    identity: Identity,
}

/// `ctime` also moves when the permissions change.
#[derive(PartialEq, Eq)]
struct Identity {
    device_and_inode: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device_and_inode: (metadata.dev(), metadata.ino()),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl FileVersion {
    /// Whether this is still what stands at the path.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        fs::metadata(path).is_ok_and(|found| Identity::of(&found) == self.identity)
    }
}

/// Reads the file, if nobody but its owner could have.
pub(super) fn read(path: &Path) -> Result<(Zeroizing<Vec<u8>>, FileVersion), KeyError> {
    let failed = |error| io_error("reading the keyring", path, error);
    // Before it is opened: opening a pipe would wait for its writer.
    check(path, &fs::metadata(path).map_err(failed)?)?;
    let mut file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    check(path, &metadata)?;
    let mut bytes = Zeroizing::new(vec![0; metadata.size() as usize]);
    file.read_exact(bytes.as_mut_slice()).map_err(failed)?;
    Ok((bytes, FileVersion { _held_open: file, identity: Identity::of(&metadata) }))
}

fn check(path: &Path, metadata: &Metadata) -> Result<(), KeyError> {
    if !metadata.is_file() {
        return Err(malformed(format!("the keyring {} is not a file", path.display())));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        let path = path.display();
        let reason = format!(
            "the keyring {path} has mode {mode:04o}, which is open to its group or to others; \
             run: chmod 600 {path}"
        );
        return Err(KeyError::new(KeyErrorKind::Denied, reason));
    }
    if metadata.size() > MAX_FILE_BYTES {
        let size = metadata.size();
        let path = path.display();
        let reason = format!("the keyring {path} has {size} bytes, above {MAX_FILE_BYTES}");
        return Err(malformed(reason));
    }
    Ok(())
}

/// Replaces the file, or makes it. The caller holds the lock.
///
/// Until the new file is complete and on disk the old one stands; after any failure, too.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), KeyError> {
    if bytes.len() as u64 > MAX_FILE_BYTES {
        let reason = format!("the keyring {} would grow above its limit", path.display());
        return Err(KeyError::invalid_input("keyring", reason));
    }
    let target = resolve(path).map_err(|error| io_error("finding the keyring", path, error))?;
    let temporary = beside(&target, ".tmp");
    let failed = |error| io_error("replacing the keyring by way of", &temporary, error);
    // Under the lock, what is there was left by a writer that did not live to rename it.
    remove_if_there(&temporary).map_err(failed)?;
    write_and_rename(&target, &temporary, bytes).map_err(|error| {
        let _ = fs::remove_file(&temporary); // the next writer removes it if this one cannot
        failed(error)
    })
}

fn write_and_rename(target: &Path, temporary: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(temporary)?;
    give_to_owner_of(target, &file)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(temporary, target)?;
    match target.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

/// A keyring that root changes stays its owner's.
pub(super) fn give_to_owner_of(target: &Path, file: &File) -> io::Result<()> {
    match fs::metadata(target) {
        Ok(owner) if owner.uid() != file.metadata()?.uid() => {
            fchown(file, Some(owner.uid()), Some(owner.gid()))
        }
        _ => Ok(()),
    }
}

/// The file that a path leads to, through symbolic links; it need not exist.
pub(super) fn resolve(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let directory = match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            };
            let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
            Ok(fs::canonicalize(directory)?.join(name))
        }
        found => found,
    }
}

/// The path with this at the end of its name.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
