//! The published policies allow what they say, and nothing else.

use sealmq_crypto_core::{KekVersion, KeyErrorKind, KeyManagementService, TenantId};
use sealmq_keys_vault::{VaultTransitConfig, VaultTransitService};
use sealmq_test_kit::VaultAdmin;

use crate::support::{
    OPEN, OPERATE, TOKEN_SELF, TRANSIT_USE, client, context, kind, rules, service,
};

async fn under(
    admin: &VaultAdmin,
    mount: &str,
    policies: &[&str],
) -> (VaultTransitService, VaultAdmin) {
    let token = admin.token_under(&rules(policies, mount), "").await;
    let service = service(client(admin.address(), &token).await, mount);
    (service, VaultAdmin::new(admin.address(), &token))
}

#[tokio::test]
async fn who_uses_keys_can_neither_make_nor_change_nor_read_them() {
    let admin = VaultAdmin::from_env();
    let mount = admin.mount_transit().await;
    let acme = TenantId::new("acme").unwrap();
    let (operator, _) = under(&admin, &mount, &[OPERATE, TOKEN_SELF]).await;
    let (user, token) = under(&admin, &mount, &[TRANSIT_USE]).await;

    let refused = user.generate_dek(&context("acme")).await.unwrap_err();
    assert_eq!(refused.kind(), &KeyErrorKind::Denied);
    let path = format!("{mount}/encrypt/sealmq-acme");
    assert!(refused.to_string().contains(&path), "the path is named: {refused}");

    assert_eq!(operator.rotate_kek(&acme).await.unwrap(), KekVersion(1));
    let made = user.generate_dek(&context("acme")).await.unwrap();
    let again = user.rewrap_dek(&made.wrapped, &context("acme")).await.unwrap();
    assert!(user.decrypt_dek(&again, &context("acme")).await.unwrap() == made.dek);
    for (method, path) in [
        ("GET", "keys/sealmq-acme"),
        ("GET", "keys?list=true"),
        ("GET", "export/encryption-key/sealmq-acme"),
        ("GET", "backup/sealmq-acme"),
        ("POST", "keys/sealmq-acme/rotate"),
        ("POST", "keys/sealmq-acme/config"),
        ("DELETE", "keys/sealmq-acme"),
        ("POST", "encrypt/elsewhere"),
        ("POST", "datakey/plaintext/sealmq-acme"),
    ] {
        let (status, _) = token.ask(method, &format!("{mount}/{path}"), "", "{}").await;
        assert_eq!(status, 403, "{method} {path}");
    }
    assert_eq!(kind(user.rotate_kek(&acme).await), KeyErrorKind::Denied);
    assert_eq!(kind(user.delete_kek(&acme).await), KeyErrorKind::Denied);
}

#[tokio::test]
async fn who_operates_keys_opens_nothing_and_who_opens_seals_nothing() {
    let admin = VaultAdmin::from_env();
    let mount = admin.mount_transit().await;
    let acme = TenantId::new("acme").unwrap();
    let (operator, token) = under(&admin, &mount, &[OPERATE]).await;
    let (user, _) = under(&admin, &mount, &[TRANSIT_USE]).await;
    let (opener, _) = under(&admin, &mount, &[OPEN]).await;
    operator.rotate_kek(&acme).await.unwrap();
    let made = user.generate_dek(&context("acme")).await.unwrap();
    let opened = operator.decrypt_dek(&made.wrapped, &context("acme")).await;
    assert_eq!(kind(opened), KeyErrorKind::Denied);
    for path in ["export/encryption-key/sealmq-acme", "backup/sealmq-acme"] {
        assert_eq!(token.ask("GET", &format!("{mount}/{path}"), "", "").await.0, 403, "{path}");
    }
    assert!(opener.decrypt_dek(&made.wrapped, &context("acme")).await.unwrap() == made.dek);
    assert_eq!(kind(opener.generate_dek(&context("acme")).await), KeyErrorKind::Denied);
    operator.delete_kek(&acme).await.unwrap();
    let gone = user.generate_dek(&context("acme")).await;
    assert_eq!(kind(gone), KeyErrorKind::KeyNotFound, "a shredded tenant is not denied but gone");
}

#[tokio::test]
async fn a_mount_that_creates_no_keys_denies_the_first_use() {
    let admin = VaultAdmin::from_env();
    let mount = admin.mount_transit().await;
    let json = r#"{"disable_upsert":true}"#;
    admin.must("POST", &format!("{mount}/config/keys"), json).await;
    let service = service(client(admin.address(), admin.token()).await, &mount);
    let refused = service.generate_dek(&context("acme")).await.unwrap_err();
    assert_eq!(refused.kind(), &KeyErrorKind::Denied, "{refused}");
    assert!(refused.to_string().contains("encrypt/sealmq-acme"), "{refused}");
    let acme = TenantId::new("acme").unwrap();
    service.delete_kek(&acme).await.unwrap();
    assert_eq!(kind(service.generate_dek(&context("acme")).await), KeyErrorKind::KeyNotFound);
}

#[tokio::test]
async fn without_the_administration_of_keys_nothing_is_asked() {
    let admin = VaultAdmin::from_env();
    let config = VaultTransitConfig::new().with_mount("absent").with_key_administration(false);
    let client = client(admin.address(), admin.token()).await;
    let service = VaultTransitService::new(client, config).unwrap();
    let acme = TenantId::new("acme").unwrap();
    assert!(!service.capabilities().rotation && !service.capabilities().deletion);
    assert_eq!(kind(service.rotate_kek(&acme).await), KeyErrorKind::Denied);
    assert_eq!(kind(service.delete_kek(&acme).await), KeyErrorKind::Denied);
}

#[tokio::test]
async fn a_key_of_another_type_wraps_nothing() {
    let admin = VaultAdmin::from_env();
    let mount = admin.mount_transit().await;
    let json = r#"{"type":"xchacha20-poly1305"}"#;
    admin.must("POST", &format!("{mount}/keys/sealmq-acme"), json).await;
    let service = service(client(admin.address(), admin.token()).await, &mount);
    assert_eq!(kind(service.generate_dek(&context("acme")).await), KeyErrorKind::Denied);
    let acme = TenantId::new("acme").unwrap();
    assert_eq!(kind(service.rotate_kek(&acme).await), KeyErrorKind::Denied);
}
