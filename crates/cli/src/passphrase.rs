//! Where the passphrase of a keyring file comes from.

use std::env::{self, VarError};
use std::fs;
use std::path::PathBuf;

use sealmq::local::Passphrase;

use crate::error::CliError;

const VARIABLE: &str = "SEALMQ_PASSPHRASE";

/// How the file is protected, as the command line says.
#[derive(Clone, clap::Args)]
pub(crate) struct Protection {
    /// Takes the passphrase from this file, not from the variable SEALMQ_PASSPHRASE
    #[arg(long, value_name = "FILE", conflicts_with = "in_the_clear")]
    passphrase_file: Option<PathBuf>,
    /// Takes no passphrase: whoever reads the file has the keys
    #[arg(long)]
    in_the_clear: bool,
}

impl Protection {
    /// Whether the command line says anything.
    pub(crate) fn is_given(&self) -> bool {
        self.in_the_clear || self.passphrase_file.is_some()
    }

    /// The passphrase; `None` for a file in the clear. What the command line says goes before the
    /// environment.
    pub(crate) fn passphrase(&self) -> Result<Option<Passphrase>, CliError> {
        if self.in_the_clear {
            return Ok(None);
        }
        let (text, origin) = match &self.passphrase_file {
            Some(file) => {
                let unreadable = |error| {
                    let file = file.display();
                    CliError::usage(format!("cannot read the passphrase file {file}"))
                        .because(error)
                };
                let mut text = fs::read_to_string(file).map_err(unreadable)?;
                text.truncate(text.trim_end_matches(['\r', '\n']).len());
                (text, format!("the passphrase file {}", file.display()))
            }
            None => (from_environment()?, VARIABLE.to_owned()),
        };
        match Passphrase::new(text) {
            Ok(passphrase) => Ok(Some(passphrase)),
            Err(_) => Err(CliError::usage(format!("{origin} holds no passphrase"))),
        }
    }
}

fn from_environment() -> Result<String, CliError> {
    match env::var(VARIABLE) {
        Ok(text) => Ok(text),
        Err(VarError::NotPresent) => Err(CliError::usage(format!(
            "no passphrase: give --passphrase-file FILE, set {VARIABLE}, or say --in-the-clear"
        ))),
        Err(VarError::NotUnicode(_)) => Err(CliError::usage(format!("{VARIABLE} is not UTF-8"))),
    }
}
