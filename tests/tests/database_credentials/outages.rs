//! Vault is away: while the credentials live nobody notices, and afterwards nothing is lost.

use std::time::Duration;

use sealmq_crypto_core::{CredentialSource, KeyErrorKind, KeyManagementService};

use crate::load::Load;
use crate::world::{World, acme};

#[tokio::test]
async fn a_renewal_that_finds_nobody_fails_no_call_and_is_made_up_for() {
    let world = World::new(15, 600).await;
    let credentials = world.credentials().await;
    let service = world.service(&credentials);
    let user = credentials.current().unwrap();
    let expires = format!("SELECT rolvaliduntil FROM pg_roles WHERE rolname = '{}'", user.user());
    let first = world.postgres.run(&expires).await;
    let mut load = Load::on(&service);
    world.line.cut();
    load.until(|| world.count("sys/leases/renew") >= 1).await;
    load.goes_on(4).await;
    assert_eq!(world.postgres.run(&expires).await, first, "the control: it was not renewed");
    world.line.restore();
    load.until(|| world.count("sys/leases/renew") >= 2).await;
    while world.postgres.run(&expires).await == first {
        load.goes_on(1).await;
    }
    load.end().await;
    assert_eq!(credentials.current().unwrap().user(), user.user(), "it is the same user");
    assert_eq!(world.count("/creds/"), 1);
}

#[tokio::test]
async fn users_that_are_gone_while_vault_is_away_make_calls_retryable_until_it_is_back() {
    let world = World::new(3600, 7200).await;
    let credentials = world.credentials().await;
    let service = world.service(&credentials);
    let made = service.generate_dek(&acme()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1200)).await;
    world.line.cut();
    service.decrypt_dek(&made.wrapped, &acme()).await.unwrap();
    world.revoke_all().await;
    for _ in 0..2 {
        let failed = service.decrypt_dek(&made.wrapped, &acme()).await.unwrap_err();
        assert_eq!(failed.kind(), &KeyErrorKind::Unavailable, "{failed:?}");
        assert!(failed.is_retryable());
    }
    world.line.restore();
    assert!(service.decrypt_dek(&made.wrapped, &acme()).await.unwrap() == made.dek);
}
