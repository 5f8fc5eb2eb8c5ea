//! The Python environment below target/: made when missing, made anew when its requirements change.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::tools::{Workspace, output_of, run};

/// The pinned requirements of everything here that runs on Python.
const REQUIREMENTS: &[&str] = &["tests/vectors/requirements.txt"];

const VERSION_SCRIPT: &str = "import sys; print(*sys.version_info[:3], sep='.'); \
                              sys.exit(sys.version_info < (3, 11))";

/// The interpreter of the environment, with all requirements installed.
pub(crate) fn ensure(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.target().join("venv");
    let python = folder.join("bin/python");
    let stamp_path = folder.join("installed.txt");
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
    if fs::read_to_string(&stamp_path).is_ok_and(|installed| installed == stamp) {
        return Ok(python);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).context("removing the outdated Python environment")?;
    }
    println!("installing {} into target/venv", REQUIREMENTS.join(", "));
    run(workspace.program(&base).args(["-m", "venv"]).arg(&folder))?;
    run(workspace.program(&python).args(install))?;
    if !python.exists() {
        bail!("the Python environment has no bin/python");
    }
    fs::write(&stamp_path, stamp).context("noting what was installed")?;
    Ok(python)
}
