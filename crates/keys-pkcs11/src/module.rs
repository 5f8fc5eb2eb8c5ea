//! The vendor's library: loaded and initialized once in a process, and shared from then on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use cryptoki::context::Pkcs11;
use cryptoki::error::Error;
use cryptoki::slot::TokenInfo;
use sealmq_crypto_core::KeyError;

use crate::config::TokenName;
use crate::error::{Failure, unavailable};
use crate::slots::{initialize, lock, with_tokens};
use crate::token::Token;

/// Modules stay for the life of the process: unloading one would pull it from under the sessions
/// of others who use it.
static MODULES: Mutex<BTreeMap<PathBuf, Arc<Module>>> = Mutex::new(BTreeMap::new());

pub(crate) struct Module {
    pkcs11: Pkcs11,
    /// By serial number: login state and changes concern all who use a token in this process.
    tokens: Mutex<BTreeMap<String, Arc<Token>>>,
}

impl Module {
    pub(crate) fn load(path: &Path) -> Result<Arc<Self>, Failure> {
        let path = std::fs::canonicalize(path).map_err(|error| {
            let reason = format!("{} cannot be read", path.display());
            KeyError::invalid_input("module", reason).with_source(error)
        })?;
        let mut modules = lock(&MODULES);
        if let Some(module) = modules.get(&path) {
            return Ok(Arc::clone(module));
        }
        let pkcs11 = Pkcs11::new(&path)?;
        initialize(&pkcs11)?;
        let module = Arc::new(Self { pkcs11, tokens: Mutex::default() });
        modules.insert(path, Arc::clone(&module));
        Ok(module)
    }

    /// The token of this name, which has to be present now.
    pub(crate) fn token(&self, name: &TokenName) -> Result<Arc<Token>, Failure> {
        let mut found = tokens_present(&self.pkcs11)?;
        found.retain(|info| match name {
            TokenName::Label(label) => info.label() == label,
            TokenName::Serial(serial) => info.serial_number() == serial,
        });
        let info = match found.as_slice() {
            [] => return Err(unavailable(format!("no token is present with {name:?}")).into()),
            [info] => info,
            several => {
                let reason = format!("{} tokens have it: name the serial number", several.len());
                return Err(KeyError::invalid_input("token_label", reason).into());
            }
        };
        let serial = info.serial_number();
        let mut tokens = lock(&self.tokens);
        let token = tokens.entry(serial.to_owned()).or_insert_with(|| {
            Arc::new(Token::new(self.pkcs11.clone(), serial.to_owned(), info.label().to_owned()))
        });
        Ok(Arc::clone(token))
    }
}

fn tokens_present(pkcs11: &Pkcs11) -> Result<Vec<TokenInfo>, Error> {
    let slots = with_tokens(pkcs11, || {})?;
    // A token that was pulled out since is not present.
    Ok(slots.into_iter().filter_map(|slot| pkcs11.get_token_info(slot).ok()).collect())
}
