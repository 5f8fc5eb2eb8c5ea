//! The Python environment below target/: made when missing, another one when its requirements change.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::tools::{Workspace, output_of, run};

/// The pinned requirements of everything here that runs on Python.
const REQUIREMENTS: &[&str] = &[
    "tests/vectors/requirements.txt",
    "tests/servers/requirements.txt",
    "tests/servers/keyvault/requirements.txt",
    "tests/servers/servicebus/requirements.txt",
];

const VERSION_SCRIPT: &str = "import sys; print(*sys.version_info[:3], sep='.'); \
                              sys.exit(sys.version_info < (3, 11))";

/// The interpreter of the environment, with all requirements installed.
///
/// Other requirements make another environment and leave this one as it is: servers may run from it.
pub(crate) fn ensure(workspace: &Workspace) -> Result<PathBuf> {
    let base = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    let version = output_of(workspace.program(&base).args(["-c", VERSION_SCRIPT]))
        .context("Python 3.11 or later is needed; PYTHON names another interpreter")?;

    let mut stamp = version;
    let mut install = vec!["-m".to_owned(), "pip".into(), "install".into(), "--quiet".into()];
    install.push("--disable-pip-version-check".into());
    for path in REQUIREMENTS {
        let text = fs::read_to_string(workspace.root().join(path));
        stamp.push_str(&text.with_context(|| (*path).to_owned())?);
        install.extend(["--requirement".to_owned(), (*path).to_owned()]);
    }
    let all = workspace.target().join("python");
    let folder = all.join(digest(&stamp));
    let python = folder.join("bin/python");
    let stamp_path = folder.join("installed.txt");

    fs::create_dir_all(&all).with_context(|| all.display().to_string())?;
    let lock = File::create(all.join("lock"))?;
    lock.lock().context("waiting for another command that installs")?;
    if fs::read_to_string(&stamp_path).is_ok_and(|installed| installed == stamp) {
        return Ok(python);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).context("removing a Python environment that is not whole")?;
    }
    eprintln!("installing {} below target/python", REQUIREMENTS.join(", "));
    run(workspace.program(&base).args(["-m", "venv"]).arg(&folder))?;
    run(workspace.program(&python).args(install))?;
    if !python.exists() {
        bail!("the Python environment has no bin/python");
    }
    fs::write(&stamp_path, stamp).context("noting what was installed")?;
    Ok(python)
}

/// A name for what is installed together.
fn digest(stamp: &str) -> String {
    let mut hasher = DefaultHasher::new();
    stamp.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
