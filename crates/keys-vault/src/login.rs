//! Getting a token, by each method.

use std::path::Path;

use sealmq_crypto_core::{KeyError, KeyErrorKind};
use serde::Deserialize;
use serde_json::json;

use crate::auth::{VaultAuth, VaultSecret, VaultSecretId};
use crate::error::odd_answer;
use crate::http::{Answer, Http, Request};
use crate::lease::{Grant, Lease};
use crate::wire;

/// A token.
pub(crate) struct Token {
    pub(crate) secret: VaultSecret,
    /// It can be neither renewed nor revoked.
    pub(crate) batch: bool,
}

impl Token {
    fn new(secret: VaultSecret, kind: &str) -> Self {
        Self { secret, batch: kind == "batch" }
    }
}

/// What logins remember: a secret id can be unwrapped only once.
#[derive(Default)]
pub(crate) struct Memory {
    secret_id: Option<VaultSecret>,
}

/// Logs in.
///
/// # Errors
/// `Denied` when the credentials are refused; `Unavailable` and `Throttled` are retryable.
pub(crate) async fn log_in(
    http: &Http,
    auth: &VaultAuth,
    memory: &mut Memory,
) -> Result<Grant<Token>, KeyError> {
    match auth {
        VaultAuth::Token(token) => handed_over(http, VaultSecret::new(token.expose_secret())).await,
        VaultAuth::TokenFile(path) => handed_over(http, read(path, "token_file").await?).await,
        VaultAuth::UserPass { mount, username, password } => {
            let body = wire::body(&json!({ "password": password.expose_secret() }));
            grant(http, Request::post(format!("auth/{mount}/login/{username}"), body)).await
        }
        VaultAuth::AppRole { mount, role_id, secret_id } => {
            let given = match (secret_id, &memory.secret_id) {
                (VaultSecretId::Plain(secret_id), _) | (_, Some(secret_id)) => secret_id,
                (VaultSecretId::File(path), _) => &read(path, "secret_id_file").await?,
                (VaultSecretId::Wrapped(token), None) => {
                    memory.secret_id.insert(unwrap(http, mount, token).await?)
                }
            };
            let (role_id, secret_id) = (role_id.expose_secret(), given.expose_secret());
            let body = wire::body(&json!({ "role_id": role_id, "secret_id": secret_id }));
            grant(http, Request::post(format!("auth/{mount}/login"), body)).await
        }
        VaultAuth::Kubernetes { mount, role, jwt_file } => {
            let jwt = read(jwt_file, "jwt_file").await?;
            let body = wire::body(&json!({ "role": role, "jwt": jwt.expose_secret() }));
            grant(http, Request::post(format!("auth/{mount}/login"), body)).await
        }
    }
}

async fn grant(http: &Http, request: Request) -> Result<Grant<Token>, KeyError> {
    let path = request.path();
    let answer = http.send(&request, None).await?;
    // A login that is refused is a matter of credentials, whatever the status.
    if matches!(answer.status, 400 | 401 | 403 | 404) {
        let why = answer.refusal(path).to_string();
        return Err(KeyError::new(KeyErrorKind::Denied, format!("the login failed: {why}")));
    }
    let answer = answer.success(path)?;
    let auth = wire::auth(&answer, path)?;
    let lease = Lease::new(auth.lease_duration, auth.renewable);
    let item = Token::new(VaultSecret::new(&*auth.client_token), &auth.token_type);
    Ok(Grant { item, lease })
}

/// A token that somebody else got. Its policy may not let it look itself up; then nothing is known
/// of its time.
async fn handed_over(http: &Http, token: VaultSecret) -> Result<Grant<Token>, KeyError> {
    let (lease, kind) = match look_up(http, &token).await {
        Ok(found) => (Lease::new(found.ttl, found.renewable), found.kind),
        Err(error) if *error.kind() == KeyErrorKind::Denied => {
            (Lease::new(0, false), String::new())
        }
        Err(error) => return Err(error),
    };
    Ok(Grant { item: Token::new(token, &kind), lease })
}

/// What the server knows of a token.
#[derive(Deserialize)]
pub(crate) struct LookUp {
    ttl: u64,
    #[serde(default)]
    renewable: bool,
    #[serde(default, rename = "type")]
    kind: String,
}

/// Looks a token up.
///
/// # Errors
/// `Denied` when the token is no good, or may not look itself up.
pub(crate) async fn look_up(http: &Http, token: &VaultSecret) -> Result<LookUp, KeyError> {
    let request = Request::get("auth/token/lookup-self");
    let answer = http.send(&request, Some(token)).await?.success(request.path())?;
    wire::data(&answer, request.path())
}

/// Renews a token.
///
/// # Errors
/// `Denied` when the token is no good any more, or may not renew itself.
pub(crate) async fn renew(http: &Http, token: &VaultSecret) -> Result<Lease, KeyError> {
    let request = Request::post("auth/token/renew-self", wire::body(&json!({})));
    let answer = http.send(&request, Some(token)).await?.success(request.path())?;
    let auth = wire::auth(&answer, request.path())?;
    Ok(Lease::new(auth.lease_duration, auth.renewable))
}

/// Revokes a token.
///
/// # Errors
/// `Denied` when the token is no good any more, or may not revoke itself.
pub(crate) async fn revoke(http: &Http, token: &VaultSecret) -> Result<(), KeyError> {
    let request = Request::post("auth/token/revoke-self", wire::body(&json!({})));
    http.send(&request, Some(token)).await?.success(request.path()).map(drop)
}

#[derive(Deserialize)]
struct Wrapping<'a> {
    creation_path: &'a str,
}

#[derive(Deserialize)]
struct SecretId<'a> {
    secret_id: std::borrow::Cow<'a, str>,
}

/// Unwraps a secret id, once the server said that it was made by an AppRole of this mount: somebody
/// who exchanged the token would have to be one of its administrators.
async fn unwrap(http: &Http, mount: &str, token: &VaultSecret) -> Result<VaultSecret, KeyError> {
    let body = wire::body(&json!({ "token": token.expose_secret() }));
    let request = Request::post("sys/wrapping/lookup", body);
    let answer = successful_unwrap(http.send(&request, None).await?, request.path())?;
    let wrapping: Wrapping<'_> = wire::data(&answer, request.path())?;
    let path = wrapping.creation_path;
    let made_here = path
        .strip_prefix(&format!("auth/{mount}/role/"))
        .and_then(|rest| rest.strip_suffix("/secret-id"));
    if made_here.is_none() {
        let why = "the wrapping token was not made by this AppRole: was it exchanged?";
        return Err(KeyError::new(KeyErrorKind::Denied, why));
    }
    let request = Request::post("sys/wrapping/unwrap", wire::body(&json!({})));
    let answer = successful_unwrap(http.send(&request, Some(token)).await?, request.path())?;
    let unwrapped: SecretId<'_> = wire::data(&answer, request.path())?;
    Ok(VaultSecret::new(&*unwrapped.secret_id))
}

fn successful_unwrap(answer: Answer, path: &str) -> Result<Answer, KeyError> {
    let outcome = answer.success(path);
    if let Err(error) = &outcome
        && *error.kind() == KeyErrorKind::Denied
    {
        tracing::error!("the wrapping token of the secret id is spent: somebody else may have it");
    }
    outcome
}

/// A credential from the file of this setting, without the white space around it. The path is not
/// repeated: people put the credential itself there.
async fn read(path: &Path, setting: &str) -> Result<VaultSecret, KeyError> {
    let owned = path.to_owned();
    let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(owned)).await;
    let read = read.map_err(|_| odd_answer(setting, "reading the file was cut short"))?;
    let text = zeroize::Zeroizing::new(
        read.map_err(|error| odd_answer(setting, "the file cannot be read").with_source(error))?,
    );
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Err(odd_answer(setting, "the file is empty")); // it may be written just now
    }
    Ok(VaultSecret::new(trimmed))
}
