//! Microsoft's own SDK unwraps what this crate wrapped, and the other way round.

use sealmq_crypto_core::{EncryptionKey, KeyManagementService, KeyProvider};
use sealmq_keys_azure::{
    AzureKeyVaultConfig, AzureKeyVaultService, AzureSecretsConfig, AzureSecretsProvider, KekKind,
};

use crate::support::{
    ALL, AUDIENCE, MAC_KEY, MAC_KEY_ID, VAULT, bare, connection, connection_with, context, hex,
    hsm, key_of, python, service, tenant, token, unhex, unique, version_of,
};

/// Opens a form by its ciphertext and checks each part of what was wrapped; prints the DEK.
const UNWRAP: &str = r"
name, tenant, form, algorithm = ARGS[0], ARGS[1], bytes.fromhex(ARGS[2]), ARGS[3]
form_head, rest = form[:37], form[37:]
length = 80 if algorithm == 'A256KW' else 256
client = crypto(name, form_head[5:21].hex())
opened = client.unwrap_key(KeyWrapAlgorithm(algorithm), rest[:length]).key
dek = opened[8:40]
assert opened == inner(dek, form_head, tenant), opened.hex()
if form_head[0] == 2:
    key_id, key = ARGS[4], bytes.fromhex(ARGS[5])
    assert form == authenticated(form_head, rest[:length], key_id, key, tenant)
print(dek.hex())
";

/// Makes a form of a DEK by the vendor's wrap.
const WRAP: &str = r"
name, version, tenant, dek, algorithm = *ARGS[:3], bytes.fromhex(ARGS[3]), ARGS[4]
scheme = 1 if algorithm == 'A256KW' else 2
form_head = head(scheme, version)
wrapped = crypto(name, version).wrap_key(KeyWrapAlgorithm(algorithm), inner(dek, form_head, tenant))
if scheme == 1:
    print((form_head + wrapped.encrypted_key).hex())
else:
    key = bytes.fromhex(ARGS[6])
    print(authenticated(form_head, wrapped.encrypted_key, ARGS[5], key, tenant).hex())
";

#[tokio::test]
async fn the_vendors_sdk_opens_what_an_rsa_key_wrapped() {
    let tenant = tenant();
    let made = service(ALL).await.generate_dek(&context(&tenant)).await.unwrap();
    let token = token(r#"{"keys": ["get", "unwrapKey"]}"#, "access-policy").await;
    let (form, key) = (hex(&made.wrapped), hex(&MAC_KEY));
    let arguments = [&key_of(&tenant), tenant.as_str(), &form, "RSA-OAEP-256", MAC_KEY_ID, &key];
    let opened = python(&VAULT, &token, UNWRAP, &arguments);
    assert_eq!(unhex(&opened), made.dek.expose_secret());
}

#[tokio::test]
async fn what_the_vendors_sdk_wrapped_by_an_rsa_key_opens() {
    let (tenant, dek) = (tenant(), EncryptionKey::generate().unwrap());
    let service = service(ALL).await;
    let made = service.generate_dek(&context(&tenant)).await.unwrap();
    let token = token(r#"{"keys": ["get", "wrapKey"]}"#, "access-policy").await;
    let (plain, key) = (hex(dek.expose_secret()), hex(&MAC_KEY));
    let (name, version) = (key_of(&tenant), version_of(&made.wrapped));
    let arguments = [&name, &version, tenant.as_str(), &plain, "RSA-OAEP-256", MAC_KEY_ID, &key];
    let form = unhex(&python(&VAULT, &token, WRAP, &arguments));
    assert!(service.decrypt_dek(&form, &context(&tenant)).await.unwrap() == dek);
}

#[tokio::test]
async fn a_managed_hsm_wraps_for_both() {
    let hsm = hsm();
    let connection = connection_with(&hsm, "TOKEN_VALUE", "https://managedhsm.azure.net");
    let config = bare(connection).with_kind(KekKind::SymmetricHsm);
    let service = AzureKeyVaultService::new(config).unwrap();
    let (tenant, dek) = (tenant(), EncryptionKey::generate().unwrap());
    let made = service.generate_dek(&context(&tenant)).await.unwrap();
    let (name, version) = (key_of(&tenant), version_of(&made.wrapped));
    // A token that may not get keys: with one that may, the SDK makes up a key of its own for one
    // that it cannot see, and wraps by that.
    let token = r#"{"token": "wraps", "permissions": {"keys": ["wrapKey", "unwrapKey"]}}"#;
    hsm.admin().request("POST", "/accepted-tokens", token).await.unwrap();
    let arguments = [&name, tenant.as_str(), &hex(&made.wrapped), "A256KW"];
    let opened = python(&hsm, "wraps", UNWRAP, &arguments);
    assert_eq!(unhex(&opened), made.dek.expose_secret());
    let plain = hex(dek.expose_secret());
    let arguments = [&name, &version, tenant.as_str(), &plain, "A256KW"];
    let form = unhex(&python(&hsm, "wraps", WRAP, &arguments));
    assert!(service.decrypt_dek(&form, &context(&tenant)).await.unwrap() == dek);
}

/// A key that an operator made with the SDK serves a tenant that is mapped to it.
#[tokio::test]
async fn a_key_of_the_vendors_sdk_serves_a_mapped_tenant() {
    let (tenant, key) = (tenant(), unique("operator"));
    let operator = token(ALL, "access-policy").await;
    python(&VAULT, &operator, "keys.create_rsa_key(ARGS[0], size=2048)", &[&key]);
    let connection = connection(r#"{"keys": ["list", "wrapKey", "unwrapKey"]}"#).await;
    let config = AzureKeyVaultConfig::mapped(connection, [(tenant.clone(), key)])
        .danger_accept_unauthenticated_wraps();
    let service = AzureKeyVaultService::new(config).unwrap();
    let made = service.generate_dek(&context(&tenant)).await.unwrap();
    assert!(service.decrypt_dek(&made.wrapped, &context(&tenant)).await.unwrap() == made.dek);
}

/// A secret that was set by the SDK is the current key, and its version the key's id.
#[tokio::test]
async fn secrets_of_the_vendors_sdk_are_keys() {
    let secret = unique("secret");
    let operator = token(ALL, "access-policy").await;
    let program = "import base64\n\
        value = base64.b64encode(bytes.fromhex(ARGS[1])).decode()\n\
        print(secrets.set_secret(ARGS[0], value).properties.version)";
    let key = EncryptionKey::generate().unwrap();
    let version = python(&VAULT, &operator, program, &[&secret, &hex(key.expose_secret())]);
    let connection = connection_with(&VAULT, &operator, AUDIENCE);
    let store = AzureSecretsProvider::new(AzureSecretsConfig::new(connection, secret)).unwrap();
    let current = store.current_key_id().await.unwrap();
    assert_eq!(current.as_str(), version);
    assert!(*store.get_key(&current).await.unwrap() == key);
}
