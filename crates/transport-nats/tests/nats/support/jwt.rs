//! An operator, an account and a user as JWTs, for servers that know users by `.creds` files.
//!
//! The tokens are those of NATS: Ed25519 signatures by `NKeys`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde_json::{Value, json};

/// What a server has to be told, and what a user has to bring.
pub(crate) struct Tokens {
    /// Lines for the server's configuration.
    pub(crate) server: String,
    /// The contents of the user's `.creds` file.
    pub(crate) creds: String,
    /// The user's seed, which nobody may see.
    pub(crate) seed: String,
}

/// A fresh operator with one account and one user.
pub(crate) fn tokens() -> Tokens {
    let (operator, account, user) =
        (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_user());
    let operator_jwt = sign(&operator, &operator, "operator", json!({}));
    let unlimited = json!({ "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1,
        "wildcards": true, "conn": -1, "leaf": -1, "mem_storage": -1, "disk_storage": -1,
        "streams": -1, "consumer": -1 });
    let account_jwt = sign(&operator, &account, "account", json!({ "limits": unlimited }));
    let limits = json!({ "subs": -1, "data": -1, "payload": -1 });
    let user_jwt = sign(&account, &user, "user", limits);
    let seed = user.seed().unwrap();
    let account = account.public_key();
    Tokens {
        server: format!(
            "operator: {operator_jwt}\nresolver: MEMORY\n\
             resolver_preload: {{ {account}: {account_jwt} }}\n"
        ),
        creds: format!(
            "-----BEGIN NATS USER JWT-----\n{user_jwt}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        ),
        seed,
    }
}

fn sign(issuer: &KeyPair, subject: &KeyPair, kind: &str, mut claims: Value) -> String {
    claims["type"] = kind.into();
    claims["version"] = 2.into();
    let subject = subject.public_key();
    let body = json!({ "jti": subject, "iat": 1_700_000_000, "iss": issuer.public_key(),
        "sub": subject, "name": kind, "nats": claims });
    let header = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&header), encode(&body));
    let signature = issuer.sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}
