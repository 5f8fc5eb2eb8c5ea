//! How the server is, told apart as an operator needs it.

use std::sync::Arc;

use sealmq_crypto_core::{KeyError, KeyErrorKind};
use serde::Deserialize;

use crate::http::{Http, Request};
use crate::login;
use crate::session::Session;

/// How a server and our login are.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VaultHealth {
    /// It serves, and our token is good.
    Ready,
    /// It waits to take over. It passes requests on to the active node, and our token is good.
    Standby,
    /// It is sealed: an operator has to unseal it.
    Sealed,
    /// It was never initialized.
    Uninitialized,
    /// It serves, and our token is refused, or may not look itself up.
    Unauthenticated,
    /// There is no answer, or none of such a server.
    Unreachable,
}

impl VaultHealth {
    /// Whether keys can be had from it.
    pub(crate) fn into_result(self) -> Result<(), KeyError> {
        let (kind, state) = match self {
            Self::Ready | Self::Standby => return Ok(()),
            Self::Sealed => (KeyErrorKind::Unavailable, "the server is sealed"),
            Self::Uninitialized => (KeyErrorKind::Unavailable, "the server is not initialized"),
            Self::Unauthenticated => (KeyErrorKind::Denied, "the token is refused"),
            Self::Unreachable => (KeyErrorKind::Unavailable, "there is no answer"),
        };
        Err(KeyError::new(kind, state))
    }
}

/// The first version of Vault whose Transit binds ciphertexts to associated data. One before it
/// ignores the field without a word.
const FIRST_VERSION: (u32, u32) = (1, 13);

#[derive(Deserialize)]
struct State {
    version: String,
}

/// # Errors
/// `InvalidInput` when the server says that it is too old. One that says nothing passes.
pub(crate) async fn check_version(http: &Http) -> Result<(), KeyError> {
    let Ok(answer) = http.send_in_root(&Request::get("sys/health")).await else { return Ok(()) };
    let Ok(State { version }) = serde_json::from_slice(&answer.body) else { return Ok(()) };
    let mut numbers = version.split(['.', '-', '+']).map(str::parse::<u32>);
    if let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next())
        && (major, minor) < FIRST_VERSION
    {
        let reason = format!("version {major}.{minor} ignores associated data: 1.13 or later");
        return Err(KeyError::invalid_input("address", reason));
    }
    Ok(())
}

pub(crate) async fn check(session: &Arc<Session>) -> VaultHealth {
    let Ok(answer) = session.http().send_in_root(&Request::get("sys/health")).await else {
        return VaultHealth::Unreachable;
    };
    let serving = match answer.status {
        200 => VaultHealth::Ready,
        429 | 472 | 473 => VaultHealth::Standby,
        501 => return VaultHealth::Uninitialized,
        503 => return VaultHealth::Sealed,
        _ => return VaultHealth::Unreachable,
    };
    // A rate limit answers with the status of a standby, and without the state.
    if serde_json::from_slice::<State>(&answer.body).is_err() {
        return VaultHealth::Unreachable;
    }
    let looked_up = match session.current().await {
        Ok(held) => login::look_up(session.http(), held.secret()).await.map(drop),
        Err(error) => Err(error),
    };
    match looked_up {
        Ok(()) => serving,
        Err(error) if *error.kind() == KeyErrorKind::Denied => VaultHealth::Unauthenticated,
        Err(_) => VaultHealth::Unreachable,
    }
}
