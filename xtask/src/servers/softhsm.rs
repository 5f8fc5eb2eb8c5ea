//! SoftHSM: the module and the tool of the system, or Debian's packages unpacked below `target/`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::tools::{Workspace, output_of};

/// What suites that need it call it, among the servers they need.
pub(super) const NAME: &str = "softhsm";

/// Where distributions put the module.
const INSTALLED: &[&str] = &[
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
];
const MODULE: &str = "SEALMQ_PKCS11_MODULE";
const TOOL: &str = "SEALMQ_SOFTHSM_UTIL";

/// Module and tool, as environment variables; those that are set already stay.
pub(super) fn variables(workspace: &Workspace) -> Result<Vec<(String, String)>> {
    let yours = (std::env::var(MODULE), std::env::var(TOOL));
    if let (Ok(module), Ok(tool)) = yours {
        return Ok(named(&PathBuf::from(module), &PathBuf::from(tool)));
    }
    if let Some(module) = INSTALLED.iter().map(Path::new).find(|path| path.exists()) {
        return Ok(named(module, Path::new("softhsm2-util")));
    }
    let root = workspace.target().join("softhsm");
    let unpacked = root.join("unpacked");
    if !unpacked.exists() {
        download(workspace, &root).context(
            "SoftHSM is missing and could not be fetched: install the package softhsm2, or set \
             SEALMQ_PKCS11_MODULE and SEALMQ_SOFTHSM_UTIL",
        )?;
    }
    let module = find(&unpacked.join("usr/lib"), "libsofthsm2.so")?;
    Ok(named(&module, &unpacked.join("usr/bin/softhsm2-util")))
}

fn named(module: &Path, tool: &Path) -> Vec<(String, String)> {
    vec![(MODULE.into(), module.display().to_string()), (TOOL.into(), tool.display().to_string())]
}

/// Fetches the packages with lists and caches of our own, so that neither root nor up-to-date
/// lists are needed.
fn download(workspace: &Workspace, root: &Path) -> Result<()> {
    eprintln!("fetching SoftHSM into target/softhsm");
    if root.exists() {
        fs::remove_dir_all(root)?; // of an attempt that did not come to its end
    }
    let packages = root.join("packages");
    for folder in ["state/lists/partial", "cache/archives/partial", "packages", "root"] {
        fs::create_dir_all(root.join(folder))?;
    }
    let state = format!("Dir::State={}", root.join("state").display());
    let cache = format!("Dir::Cache={}", root.join("cache").display());
    let apt = |command: &[&str]| {
        let mut apt = workspace.program("apt-get");
        apt.current_dir(&packages).args(["-q", "-q", "-o", &state, "-o", &cache]);
        apt.args(["-o", "Dir::State::status=/var/lib/dpkg/status", "-o", "APT::Sandbox::User="]);
        output_of(apt.args(command)).map(|_| ())
    };
    apt(&["update"])?;
    apt(&["download", "softhsm2", "libsofthsm2"])?;
    for entry in fs::read_dir(&packages)? {
        let mut unpack = workspace.program("dpkg-deb");
        output_of(unpack.arg("-x").arg(entry?.path()).arg(root.join("root")))?;
    }
    // Only what is whole bears the name that is looked for.
    fs::rename(root.join("root"), root.join("unpacked"))?;
    Ok(())
}

/// The file of this name, below a folder; a link of that name is none.
fn find(folder: &Path, name: &str) -> Result<PathBuf> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() && entry.file_name() == name {
                return Ok(entry.path());
            }
        }
    }
    bail!("{} has no {name}", folder.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_however_deep_and_a_link_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b");
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("module.so"), "").unwrap();
        std::os::unix::fs::symlink(deep.join("module.so"), folder.path().join("module.so"))
            .unwrap();
        assert_eq!(find(folder.path(), "module.so").unwrap(), deep.join("module.so"));
        assert!(find(folder.path(), "other.so").is_err());
    }
}
