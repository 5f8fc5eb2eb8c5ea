//! Tokens of SoftHSM in a folder of their own, and test programs that run again to use them.
//!
//! The module reads its configuration from the environment of the process, which a test must not
//! change under the feet of others: the program starts itself again with another environment.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use tempfile::TempDir;

use crate::required;

const CONFIGURATION: &str = "SOFTHSM2_CONF";

/// What tells the second run from the first.
const INSIDE: &str = "SEALMQ_TEST_INSIDE_SOFTHSM";

/// Tokens in a temporary folder, which goes with this.
pub struct SoftHsm {
    folder: TempDir,
}

impl SoftHsm {
    /// The PIN of each token's user.
    pub const PIN: &'static str = "user PIN that must not be seen";
    /// The PIN of each token's security officer.
    pub const SO_PIN: &'static str = "officer PIN that must not be seen";

    /// Tokens with these labels, made as an operator does, by `softhsm2-util`
    /// (`SEALMQ_SOFTHSM_UTIL`) and the module (`SEALMQ_PKCS11_MODULE`).
    ///
    /// # Panics
    /// When there is no SoftHSM, or it fails.
    pub fn new(labels: &[&str]) -> Self {
        // SoftHSM writes through to the disk for each object. In memory that costs nothing.
        let memory = Path::new("/dev/shm");
        let folder =
            if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let softhsm = Self { folder: folder.unwrap() };
        let tokens = softhsm.folder.path().join("tokens");
        std::fs::create_dir(&tokens).unwrap();
        let configuration = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
            tokens.display()
        );
        std::fs::write(softhsm.configuration(), configuration).unwrap();
        for label in labels {
            let made = Command::new(required("SEALMQ_SOFTHSM_UTIL"))
                .env(CONFIGURATION, softhsm.configuration())
                .arg("--module")
                .arg(Self::module())
                .args(["--init-token", "--free", "--label", label])
                .args(["--so-pin", Self::SO_PIN, "--pin", Self::PIN])
                .output()
                .unwrap();
            assert!(made.status.success(), "softhsm2-util: {made:?}");
        }
        softhsm
    }

    /// The module (`SEALMQ_PKCS11_MODULE`).
    ///
    /// # Panics
    /// When it is not set.
    pub fn module() -> PathBuf {
        required("SEALMQ_PKCS11_MODULE").into()
    }

    /// The temporary folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Whether this process was started by [`SoftHsm::run_again`].
    pub fn is_inside() -> bool {
        std::env::var_os(INSIDE).is_some()
    }

    /// The folder with the tokens of the process that was started by [`SoftHsm::run_again`].
    ///
    /// # Panics
    /// When this process was not.
    pub fn folder_inside() -> PathBuf {
        Path::new(&required(CONFIGURATION)).parent().unwrap().join("tokens")
    }

    /// This program, to be started with these arguments and these tokens.
    ///
    /// # Panics
    /// When the program cannot find itself.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(arguments).env(CONFIGURATION, self.configuration()).env(INSIDE, "1");
        command
    }

    /// Starts this program with these arguments and these tokens, and waits for its end.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn run_again<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> ExitStatus {
        self.command(arguments).status().unwrap()
    }

    fn configuration(&self) -> PathBuf {
        self.folder.path().join("softhsm2.conf")
    }
}
