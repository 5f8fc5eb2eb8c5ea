//! New credentials are taken over, and no call fails for it.

use std::time::Duration;

use sealmq_crypto_core::{CredentialSource, KeyErrorKind, KeyManagementService};
use sealmq_keys_vault::VaultAuth;
use sealmq_test_kit::VaultAdmin;

use crate::load::Load;
use crate::world::{World, acme};

#[tokio::test]
async fn three_changes_of_users_that_live_for_seconds_fail_no_call() {
    let world = World::new(3, 6).await;
    let credentials = world.credentials().await;
    let service = world.service(&credentials);
    let stays = world.service_that_stays(&credentials);
    stays.generate_dek(&acme()).await.unwrap();
    let mut load = Load::on(&service);
    let users = load.users(&credentials, 4).await;
    load.goes_on(20).await;
    load.end().await;
    assert!(world.count("sys/leases/renew") >= 3, "leases are renewed before they are replaced");
    assert!(world.count("/creds/") >= 4);
    let refused = stays.generate_dek(&acme()).await.unwrap_err();
    assert_eq!(refused.kind(), &KeyErrorKind::Denied, "the control: {} is gone", users[0]);
}

#[tokio::test]
async fn a_lease_that_an_operator_revokes_fails_no_call_and_costs_one_fetch() {
    let world = World::new(3600, 7200).await;
    let credentials = world.credentials().await;
    let service = world.service(&credentials);
    let stays = world.service_that_stays(&credentials);
    stays.generate_dek(&acme()).await.unwrap();
    let mut load = Load::on(&service);
    for fetched in 1..=3 {
        load.goes_on(20).await;
        // Those granted within the last second are not replaced.
        tokio::time::sleep(Duration::from_millis(1200)).await;
        let former = credentials.current().unwrap();
        assert_eq!(world.users().await, [former.user()]);
        world.revoke_all().await;
        load.until(|| credentials.current().unwrap().user() != former.user()).await;
        load.goes_on(20).await;
        assert_eq!(world.count("/creds/"), fetched + 1);
    }
    load.end().await;
    let refused = stays.generate_dek(&acme()).await.unwrap_err();
    assert_eq!(refused.kind(), &KeyErrorKind::Denied, "the control");
    assert_eq!(world.count("sys/leases/renew"), 0);
}

/// What the server granted to a token ends with the token.
#[tokio::test]
async fn users_that_live_longer_than_the_token_are_replaced_with_it() {
    let world = World::new(3600, 7200).await;
    let at = VaultAdmin::unique("userpass");
    world.vault.must("POST", &format!("sys/auth/{at}"), r#"{"type":"userpass"}"#).await;
    let json = format!(
        r#"{{"password":"hush","token_policies":"{}","token_ttl":"4s","token_max_ttl":"8s"}}"#,
        world.policy
    );
    world.vault.must("POST", &format!("auth/{at}/users/app"), &json).await;
    let auth = VaultAuth::userpass("app", "hush").with_mount(at);
    let credentials = world.credentials_as(auth).await;
    let service = world.service(&credentials);
    let stays = world.service_that_stays(&credentials);
    stays.generate_dek(&acme()).await.unwrap();
    let mut load = Load::on(&service);
    load.users(&credentials, 4).await;
    load.goes_on(20).await;
    load.end().await;
    let refused = stays.generate_dek(&acme()).await.unwrap_err();
    assert_eq!(refused.kind(), &KeyErrorKind::Denied, "the control: the lease had an hour left");
}
