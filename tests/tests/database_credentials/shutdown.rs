//! The end: what was granted is revoked, and until then it was no more than what was needed.

use std::time::Duration;

use sealmq_crypto_core::{CredentialSource, KeyErrorKind, KeyManagementService};
use sealmq_test_kit::{VaultAdmin, text_of};

use crate::world::{World, acme};

#[tokio::test]
async fn closing_revokes_the_user_and_the_former_one() {
    let world = World::new(3600, 7200).await;
    let credentials = world.credentials().await;
    let service = world.service(&credentials);
    service.generate_dek(&acme()).await.unwrap();
    let first = credentials.current().unwrap();
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let second = credentials.replace(&first).await.unwrap();
    assert_ne!(first.user(), second.user());
    service.generate_dek(&acme()).await.unwrap();
    let mut both = [first.user(), second.user()];
    both.sort_unstable();
    assert_eq!(world.users().await, both, "the control: both live");

    credentials.close_and_revoke().await.unwrap();
    assert_eq!(world.users().await, [""; 0]);
    let refused = service.generate_dek(&acme()).await.unwrap_err();
    assert_eq!(refused.kind(), &KeyErrorKind::Denied);
    assert_eq!(world.count("/creds/"), 2, "nothing is fetched any more");
    credentials.close_and_revoke().await.unwrap();
}

#[tokio::test]
async fn closing_without_revoking_leaves_the_user_to_its_lease() {
    let world = World::new(3600, 7200).await;
    let credentials = world.credentials().await;
    credentials.close().await;
    assert_eq!(world.users().await.len(), 1);
    assert_eq!(credentials.current().unwrap_err().kind(), &KeyErrorKind::Denied);
}

#[tokio::test]
async fn the_published_policy_gives_these_credentials_and_nothing_else() {
    let world = World::new(3600, 7200).await;
    let json = format!(r#"{{"policies":["{}"],"no_default_policy":true}}"#, world.policy);
    let made = world.vault.must("POST", "auth/token/create", &json).await;
    let token = VaultAdmin::new(world.vault.address(), &text_of(&made, "client_token"));
    let mount = &world.mount;
    for (method, path) in [
        ("GET", format!("{mount}/creds/other")),
        ("GET", format!("{mount}/config/postgres")),
        ("GET", format!("{mount}/roles/sealmq")),
        ("POST", format!("{mount}/roles/sealmq")),
        ("POST", format!("{mount}/rotate-root/postgres")),
        ("GET", format!("sys/leases/lookup/{mount}/creds/sealmq?list=true")),
        ("POST", format!("sys/leases/revoke-prefix/{mount}")),
    ] {
        assert_eq!(token.ask(method, &path, "", "{}").await.0, 403, "{method} {path}");
    }
    assert_eq!(token.ask("GET", &format!("{mount}/creds/sealmq"), "", "").await.0, 200);
}

#[tokio::test]
async fn the_user_has_the_rights_of_a_runtime_and_no_password_is_shown() {
    let world = World::new(3600, 7200).await;
    let credentials = world.credentials().await;
    let service = world.service(&credentials);
    service.generate_dek(&acme()).await.unwrap();
    let denied = service.rotate_kek(acme().tenant()).await.unwrap_err();
    assert_eq!(denied.kind(), &KeyErrorKind::Denied);
    assert_eq!(world.count("/creds/"), 1, "what is not granted is no reason to fetch");
    let now = credentials.current().unwrap();
    let shown = format!("{credentials:?} {service:?} {now:?} {denied:?}");
    assert!(shown.contains(now.user()), "{shown}");
    assert!(!shown.contains(now.expose_password()), "{shown}");
    credentials.close_and_revoke().await.unwrap();
}
