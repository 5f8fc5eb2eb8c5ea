//! Transit as remote crypto (suite 0x20): it seals the bodies, and the key never comes here.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use sealmq_crypto_core::{
    Clock, CryptoError, CryptoErrorKind, CryptoProvider, EncryptedMessage, EncryptionContext,
    EncryptionKeyId, KeyError, KeyErrorKind, OpenedMessage, REMOTE_OVERHEAD_BYTES, RemoteSeal,
    RemoteSealed, SealRequest, SystemClock,
};

use crate::client::VaultClient;
use crate::key_names;
use crate::path::check_path;
use crate::transit::{self, Item};
use crate::wire::base64_len;
use crate::wrapped;

/// The most bytes of one call: below the 32 MiB that the server takes by default.
const MAX_CALL_BYTES: usize = 24 << 20;

/// Nonce and tag of the key types that are supported.
const AEAD_OVERHEAD: usize = 12 + 16;

/// A Transit key, and the id that frames carry for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultTransitKey {
    id: EncryptionKeyId,
    label: Arc<str>,
    mount: String,
    name: String,
}

impl VaultTransitKey {
    /// The key of this name on the mount `transit`, of a type that takes associated data with a
    /// 96-bit nonce: `aes256-gcm96` or `chacha20-poly1305`. It has to exist.
    ///
    /// # Errors
    /// `InvalidInput` names `key_name`.
    pub fn new(id: EncryptionKeyId, name: impl Into<String>) -> Result<Self, KeyError> {
        let (label, name) = (id.as_str().into(), name.into());
        key_names::check(&name)?;
        Ok(Self { id, label, mount: "transit".to_owned(), name })
    }

    /// The same on another mount.
    ///
    /// # Errors
    /// `InvalidInput` names `mount`.
    pub fn with_mount(mut self, mount: impl Into<String>) -> Result<Self, KeyError> {
        self.mount = mount.into();
        check_path("mount", &self.mount)?;
        Ok(self)
    }

    fn path(&self, operation: &str) -> String {
        format!("{}/{operation}/{}", self.mount, self.name)
    }
}

/// Has Transit seal and open the bodies, for processes that must never hold a key.
///
/// # Contract
/// - That of [`CryptoProvider`], in suite 0x20: every body goes to the server, one call for a batch
///   (more if a batch is over 24 MiB), and is bound to header and context as associated data.
/// - A frame names its key by id, which is looked up among those given here. One whose header or
///   context differ is refused without a call.
/// - It needs `update` on `encrypt/…` and `decrypt/…` of its keys. A rotated key seals by its
///   latest version and opens by all that the server keeps.
#[derive(Clone)]
pub struct VaultTransitCrypto {
    client: VaultClient,
    sealing: VaultTransitKey,
    opening: BTreeMap<EncryptionKeyId, VaultTransitKey>,
    clock: Arc<dyn Clock>,
}

type Sealed = Result<EncryptedMessage, CryptoError>;
type Opened = Result<OpenedMessage, CryptoError>;

impl VaultTransitCrypto {
    /// Seals and opens with this key.
    pub fn new(client: VaultClient, key: VaultTransitKey) -> Self {
        let opening = [(key.id.clone(), key.clone())].into();
        Self { client, sealing: key, opening, clock: Arc::new(SystemClock::new()) }
    }

    /// The same, opening with this key as well.
    #[must_use]
    pub fn with_opening_key(mut self, key: VaultTransitKey) -> Self {
        self.opening.insert(key.id.clone(), key);
        self
    }

    /// The same with another clock, which says when a message was sealed.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    async fn seal_call(&self, requests: &[SealRequest<'_>]) -> Result<Vec<Sealed>, CryptoError> {
        let now_ms = self.clock.unix_ms();
        let begin = |request: &SealRequest<'_>| {
            RemoteSeal::begin(&self.sealing.id, request.context, now_ms)
        };
        let begun: Vec<_> = requests.iter().map(begin).collect::<Result<_, _>>()?;
        let items: Vec<_> = requests
            .iter()
            .zip(&begun)
            .map(|(request, seal)| Item {
                input: request.plaintext,
                associated_data: seal.associated_data(),
            })
            .collect();
        let path = self.sealing.path("encrypt");
        let outcomes = transit::encrypt(&self.client, path, &items).await;
        let outcomes = outcomes.map_err(sealing_error)?;
        let finish = |((seal, outcome), request): (
            (RemoteSeal, Result<wrapped::Ciphertext, KeyError>),
            &SealRequest<'_>,
        )| {
            let sealed = outcome.map_err(sealing_error)?;
            if sealed.bytes.len() != request.plaintext.len() + AEAD_OVERHEAD {
                let why = format!("{}: the key is not of a supported type", self.sealing.name);
                return Err(CryptoError::unavailable(KeyError::new(KeyErrorKind::Denied, why)));
            }
            Ok(seal.finish(sealed.version, &sealed.bytes))
        };
        Ok(begun.into_iter().zip(outcomes).zip(requests).map(finish).collect())
    }

    /// What has to be sent to open a message, or why it is refused at once.
    fn prepare(
        &self,
        message: &EncryptedMessage,
        context: &EncryptionContext,
    ) -> Result<Prepared<'_>, CryptoError> {
        let sealed = RemoteSealed::parse(message, context)?;
        let key = self.opening.get(sealed.key_id()).ok_or_else(|| not_found(sealed.key_id()))?;
        let associated_data = *sealed.associated_data()?;
        let text = wrapped::text(sealed.key_version(), sealed.ciphertext());
        if sealed.key_version() == 0 {
            return Err(unauthentic()); // Transit counts from 1
        }
        Ok(Prepared { key, text, associated_data })
    }

    async fn open_call(
        &self,
        key: &VaultTransitKey,
        prepared: &[&Prepared<'_>],
    ) -> Vec<Result<Bytes, CryptoError>> {
        let items: Vec<_> = prepared
            .iter()
            .map(|prepared| Item {
                input: prepared.text.as_bytes(),
                associated_data: &prepared.associated_data,
            })
            .collect();
        match transit::decrypt(&self.client, key.path("decrypt"), &items).await {
            Ok(outcomes) => outcomes
                .into_iter()
                .map(|outcome| match outcome {
                    Ok(body) => Ok(Bytes::copy_from_slice(&body)),
                    Err(error) => Err(opening_error(error, key)),
                })
                .collect(),
            Err(error) => items.iter().map(|_| Err(opening_error(error.clone(), key))).collect(),
        }
    }
}

struct Prepared<'a> {
    key: &'a VaultTransitKey,
    text: String,
    associated_data: [u8; 32],
}

/// How to cut a run of such sizes into calls.
fn calls(sizes: impl Iterator<Item = usize>) -> Vec<Range<usize>> {
    let (mut calls, mut start, mut total, mut end) = (Vec::new(), 0, 0_usize, 0);
    for size in sizes {
        if end > start && total + size > MAX_CALL_BYTES {
            calls.push(start..end);
            (start, total) = (end, 0);
        }
        total += size;
        end += 1;
    }
    calls.extend((end > start).then_some(start..end));
    calls
}

fn unauthentic() -> CryptoError {
    CryptoError::new(CryptoErrorKind::AuthenticationFailed)
}

fn not_found(key_id: &str) -> CryptoError {
    CryptoError::new(CryptoErrorKind::KeyNotFound { key_id: key_id.to_owned() })
}

fn sealing_error(error: KeyError) -> CryptoError {
    match error.kind() {
        KeyErrorKind::KeyNotFound => not_found("current"),
        _ => CryptoError::unavailable(error),
    }
}

/// Ciphertext and version are part of the frame: what does not open was changed, or belongs
/// elsewhere. Everything else says nothing about the message.
fn opening_error(error: KeyError, key: &VaultTransitKey) -> CryptoError {
    use KeyErrorKind as K;
    match error.kind() {
        K::KeyNotFound => not_found(key.id.as_str()),
        K::ContextMismatch | K::Malformed | K::WrongKeyVersion => unauthentic(),
        _ => CryptoError::unavailable(error),
    }
}

#[async_trait]
impl CryptoProvider for VaultTransitCrypto {
    async fn encrypt(&self, plaintext: &[u8], context: &EncryptionContext) -> Sealed {
        let sealed = self.encrypt_batch(&[SealRequest { plaintext, context }]).await;
        sealed.into_iter().next().unwrap_or_else(|| Err(unauthentic()))
    }

    async fn decrypt(&self, message: EncryptedMessage, context: &EncryptionContext) -> Opened {
        let opened = self.decrypt_batch(vec![(message, context)]).await;
        opened.into_iter().next().unwrap_or_else(|| Err(unauthentic()))
    }

    fn max_overhead_bytes(&self) -> usize {
        REMOTE_OVERHEAD_BYTES
    }

    async fn encrypt_batch(&self, requests: &[SealRequest<'_>]) -> Vec<Sealed> {
        let mut sealed = Vec::with_capacity(requests.len());
        let sizes = requests.iter().map(|request| base64_len(request.plaintext.len()));
        for call in calls(sizes) {
            let run = &requests[call];
            match self.seal_call(run).await {
                Ok(outcomes) => sealed.extend(outcomes),
                Err(error) => sealed.extend(run.iter().map(|_| Err(error.clone()))),
            }
        }
        sealed
    }

    async fn decrypt_batch(
        &self,
        messages: Vec<(EncryptedMessage, &EncryptionContext)>,
    ) -> Vec<Opened> {
        let prepared: Vec<_> =
            messages.iter().map(|(message, context)| self.prepare(message, context)).collect();
        let mut bodies: Vec<Option<Result<Bytes, CryptoError>>> = Vec::new();
        bodies.resize_with(messages.len(), || None);
        for key in self.opening.values() {
            let of_key: Vec<(usize, &Prepared<'_>)> = prepared
                .iter()
                .enumerate()
                .filter_map(|(at, prepared)| Some((at, prepared.as_ref().ok()?)))
                .filter(|(_, prepared)| prepared.key.id == key.id)
                .collect();
            for call in calls(of_key.iter().map(|(_, prepared)| prepared.text.len())) {
                let run: Vec<_> = of_key[call.clone()].iter().map(|(_, p)| *p).collect();
                let opened = self.open_call(key, &run).await;
                for ((at, _), body) in of_key[call].iter().zip(opened) {
                    bodies[*at] = Some(body);
                }
            }
        }
        let finish = |((message, _), (prepared, body)): (
            &(EncryptedMessage, &EncryptionContext),
            (Result<Prepared<'_>, CryptoError>, Option<Result<Bytes, CryptoError>>),
        )| {
            let label = Arc::clone(&prepared?.key.label);
            let body = body.unwrap_or_else(|| Err(unauthentic()))?;
            Ok(OpenedMessage::new(body, message, label))
        };
        messages.iter().zip(prepared.into_iter().zip(bodies)).map(finish).collect()
    }

    fn batches_share_calls(&self) -> bool {
        true
    }

    async fn health(&self) -> Result<(), CryptoError> {
        self.client.health().await.into_result().map_err(CryptoError::unavailable)
    }

    /// Ends the login of the client, for all its clones, and revokes its token.
    async fn close(&self) -> Result<(), CryptoError> {
        self.client.close_and_revoke().await.map_err(CryptoError::unavailable)
    }
}

impl fmt::Debug for VaultTransitCrypto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultTransitCrypto")
            .field("client", &self.client)
            .field("sealing", &self.sealing.id)
            .field("opening", &self.opening.keys())
            .finish_non_exhaustive()
    }
}
