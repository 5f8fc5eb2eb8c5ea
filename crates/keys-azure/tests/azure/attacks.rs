//! The trap of RSA: who can read the public half of a key can make a wrapped DEK that opens.

use sealmq_crypto_core::{EncryptionKey, KeyErrorKind, KeyManagementService};
use sealmq_keys_azure::AzureKeyVaultService;

use crate::support::{
    ALL, MAC_KEY_ID, VAULT, bare, config, connection, context, count, hex, key_of, python, service,
    tenant, token, unhex, version_of,
};

/// The attacker may read keys, as auditors do, and encrypts a DEK of theirs by what they read.
const MINT: &str = r"
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

name, tenant, dek, scheme, key_id = ARGS[0], ARGS[1], bytes.fromhex(ARGS[2]), int(ARGS[3]), ARGS[4]
key = keys.get_key(name)
public = RSAPublicNumbers(
    int.from_bytes(key.key.e, 'big'), int.from_bytes(key.key.n, 'big')
).public_key()
form_head = head(scheme, key.properties.version)
oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
ciphertext = public.encrypt(inner(dek, form_head, tenant), oaep)
if scheme == 3:
    print((form_head + ciphertext).hex())
else:
    print(authenticated(form_head, ciphertext, key_id, b'a guess' * 5, tenant).hex())
";

/// What the attack needs of the vault.
const READ_KEYS: &str = r#"{"keys": ["get"]}"#;

async fn mint(tenant: &sealmq_crypto_core::TenantId, dek: &EncryptionKey, scheme: &str) -> Vec<u8> {
    let token = token(READ_KEYS, "access-policy").await;
    let dek = hex(dek.expose_secret());
    let arguments = [&key_of(tenant), tenant.as_str(), &dek, scheme, MAC_KEY_ID];
    unhex(&python(&VAULT, &token, MINT, &arguments))
}

#[tokio::test]
async fn a_dek_that_was_minted_by_the_public_key_opens_where_the_danger_was_accepted() {
    let (tenant, minted) = (tenant(), EncryptionKey::generate().unwrap());
    let careless = bare(connection(ALL).await).danger_accept_unauthenticated_wraps();
    let careless = AzureKeyVaultService::new(careless).unwrap();
    assert!(!careless.capabilities().associated_data);
    careless.generate_dek(&context(&tenant)).await.unwrap();
    let form = mint(&tenant, &minted, "3").await;
    let opened = careless.decrypt_dek(&form, &context(&tenant)).await.unwrap();
    assert!(opened == minted, "the attack works on the control");
}

#[tokio::test]
async fn a_minted_dek_is_refused_by_default_before_the_vault_is_asked() {
    let (tenant, minted) = (tenant(), EncryptionKey::generate().unwrap());
    let service = service(ALL).await;
    let made = service.generate_dek(&context(&tenant)).await.unwrap();
    for (scheme, kind) in [("3", KeyErrorKind::Malformed), ("2", KeyErrorKind::ContextMismatch)] {
        let form = mint(&tenant, &minted, scheme).await;
        let error = service.decrypt_dek(&form, &context(&tenant)).await.unwrap_err();
        assert_eq!(*error.kind(), kind, "{error:?}");
        let error = service.rewrap_dek(&form, &context(&tenant)).await.unwrap_err();
        assert_eq!(*error.kind(), kind, "{error:?}");
    }
    assert_eq!(count("keys/unwrapKey", &key_of(&tenant)).await, 0);
    assert!(service.decrypt_dek(&made.wrapped, &context(&tenant)).await.unwrap() == made.dek);
}

/// The MAC of a genuine form does not help with another ciphertext, nor in another context.
#[tokio::test]
async fn the_mac_of_a_genuine_form_authenticates_nothing_else() {
    let (tenant, minted) = (tenant(), EncryptionKey::generate().unwrap());
    let service = service(ALL).await;
    let genuine = service.generate_dek(&context(&tenant)).await.unwrap().wrapped;
    let forged = mint(&tenant, &minted, "3").await;
    let mut spliced = forged.clone();
    spliced[0] = 2;
    spliced.extend_from_slice(&genuine[forged.len()..]);
    assert_eq!(spliced.len(), genuine.len());
    assert_eq!(version_of(&spliced), version_of(&genuine));
    let error = service.decrypt_dek(&spliced, &context(&tenant)).await.unwrap_err();
    assert_eq!(*error.kind(), KeyErrorKind::ContextMismatch);
    assert_eq!(count("keys/unwrapKey", &key_of(&tenant)).await, 0);
}

/// Taking the MAC off a genuine form leaves nothing that opens.
#[tokio::test]
async fn a_form_cannot_be_stripped_of_its_mac() {
    let tenant = tenant();
    let both = config(connection(ALL).await);
    let strict = AzureKeyVaultService::new(both.clone()).unwrap();
    let genuine = strict.generate_dek(&context(&tenant)).await.unwrap().wrapped;
    let mut stripped = genuine[..37 + 256].to_vec();
    stripped[0] = 3;
    let error = strict.decrypt_dek(&stripped, &context(&tenant)).await.unwrap_err();
    assert_eq!(*error.kind(), KeyErrorKind::Malformed);
    // Where a migration accepts bare forms, the scheme inside tells that it was none.
    let lenient = both.danger_accept_unauthenticated_wraps();
    let lenient = AzureKeyVaultService::new(lenient).unwrap();
    let error = lenient.decrypt_dek(&stripped, &context(&tenant)).await.unwrap_err();
    assert_eq!(*error.kind(), KeyErrorKind::ContextMismatch);
    assert!(lenient.decrypt_dek(&genuine, &context(&tenant)).await.is_ok());
}

/// A migration: what was wrapped without a MAC still opens, and is wrapped anew with one.
#[tokio::test]
async fn bare_forms_can_be_rewrapped_into_authenticated_ones() {
    let tenant = tenant();
    let connection = connection(ALL).await;
    let before = bare(connection.clone()).danger_accept_unauthenticated_wraps();
    let before = AzureKeyVaultService::new(before).unwrap();
    let old = before.generate_dek(&context(&tenant)).await.unwrap();
    let meanwhile = config(connection.clone()).danger_accept_unauthenticated_wraps();
    let meanwhile = AzureKeyVaultService::new(meanwhile).unwrap();
    let new = meanwhile.rewrap_dek(&old.wrapped, &context(&tenant)).await.unwrap();
    let after = AzureKeyVaultService::new(config(connection)).unwrap();
    assert!(after.decrypt_dek(&new, &context(&tenant)).await.unwrap() == old.dek);
    assert!(after.decrypt_dek(&old.wrapped, &context(&tenant)).await.is_err());
}
