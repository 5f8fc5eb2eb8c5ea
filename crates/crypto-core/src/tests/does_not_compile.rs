//! What the types forbid: each example must not compile, and the first one, which they all begin
//! with, must.

/// ```
/// use sealmq_crypto_core::{EncryptionKey, EncryptionKeyId, MessageKey};
/// let key = EncryptionKey::generate().unwrap();
/// let message_key = MessageKey::named(&EncryptionKeyId::new("k").unwrap(), &key).unwrap();
/// ```
struct TheirCommonBeginning;

/// ```compile_fail
/// use sealmq_crypto_core::{EncryptionKey, EncryptionKeyId, MessageKey};
/// let key = EncryptionKey::generate().unwrap();
/// let message_key = MessageKey::named(&EncryptionKeyId::new("k").unwrap(), &key).unwrap();
/// let copy = key.clone();
/// ```
struct AnEncryptionKeyIsNotCloned;

/// ```compile_fail
/// use sealmq_crypto_core::{EncryptionKey, EncryptionKeyId, MessageKey};
/// let key = EncryptionKey::generate().unwrap();
/// let message_key = MessageKey::named(&EncryptionKeyId::new("k").unwrap(), &key).unwrap();
/// let moved = key;
/// let again = key;
/// ```
struct AnEncryptionKeyIsNotCopied;

/// ```compile_fail
/// use sealmq_crypto_core::{EncryptionKey, EncryptionKeyId, MessageKey};
/// let key = EncryptionKey::generate().unwrap();
/// let message_key = MessageKey::named(&EncryptionKeyId::new("k").unwrap(), &key).unwrap();
/// let text = format!("{key}");
/// ```
struct AnEncryptionKeyIsNotDisplayed;

/// ```compile_fail
/// use sealmq_crypto_core::{EncryptionKey, EncryptionKeyId, MessageKey};
/// let key = EncryptionKey::generate().unwrap();
/// let message_key = MessageKey::named(&EncryptionKeyId::new("k").unwrap(), &key).unwrap();
/// let text = format!("{key:x}");
/// ```
struct AnEncryptionKeyIsNotPrintedInHex;

/// ```compile_fail
/// use sealmq_crypto_core::{EncryptionKey, EncryptionKeyId, MessageKey};
/// let key = EncryptionKey::generate().unwrap();
/// let message_key = MessageKey::named(&EncryptionKeyId::new("k").unwrap(), &key).unwrap();
/// let json = serde_json::to_string(&key);
/// ```
struct AnEncryptionKeyIsNotSerialized;

/// ```compile_fail
/// use sealmq_crypto_core::{EncryptionKey, EncryptionKeyId, MessageKey};
/// let key = EncryptionKey::generate().unwrap();
/// let message_key = MessageKey::named(&EncryptionKeyId::new("k").unwrap(), &key).unwrap();
/// let set = std::collections::HashSet::from([key]);
/// ```
struct AnEncryptionKeyIsNotHashed;

/// ```compile_fail
/// use sealmq_crypto_core::{EncryptionKey, EncryptionKeyId, MessageKey};
/// let key = EncryptionKey::generate().unwrap();
/// let message_key = MessageKey::named(&EncryptionKeyId::new("k").unwrap(), &key).unwrap();
/// let bytes: &[u8] = &key;
/// ```
struct AnEncryptionKeyIsNotDereferenced;

/// ```compile_fail
/// use sealmq_crypto_core::{EncryptionKey, EncryptionKeyId, MessageKey};
/// let key = EncryptionKey::generate().unwrap();
/// let message_key = MessageKey::named(&EncryptionKeyId::new("k").unwrap(), &key).unwrap();
/// let copy = message_key.clone();
/// ```
struct AMessageKeyIsNotCloned;

/// ```compile_fail
/// use sealmq_crypto_core::{EncryptionKey, EncryptionKeyId, MessageKey};
/// let key = EncryptionKey::generate().unwrap();
/// let message_key = MessageKey::named(&EncryptionKeyId::new("k").unwrap(), &key).unwrap();
/// let bytes = message_key.expose_secret();
/// ```
struct AMessageKeyDoesNotGiveItsKeyBack;

/// ```compile_fail
/// use sealmq_crypto_core::Nonce;
/// let nonce = Nonce([0; 24]);
/// ```
struct ANonceIsNotChosen;

/// ```compile_fail
/// use sealmq_crypto_core::MessageKey;
/// let seal = MessageKey::seal_with_nonce;
/// ```
struct ANonceIsNotGivenToASeal;

/// ```compile_fail
/// use sealmq_crypto_core::AesGcmCryptoProvider;
/// let builder = AesGcmCryptoProvider::builder();
/// let replace = |source| builder.entropy(source);
/// ```
struct TheRandomSourceIsNotReplaced;

/// ```compile_fail
/// fn read(opened: sealmq_crypto_core::OpenedMessage) -> bytes::Bytes {
///     opened.plaintext
/// }
/// ```
struct AnOpenedMessageIsNotReadBeforeItsAgeIsJudged;
