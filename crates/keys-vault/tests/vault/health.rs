//! The states of a server, told apart.

use sealmq_crypto_core::{KeyErrorKind, KeyManagementService};
use sealmq_keys_vault::{VaultAuth, VaultClient, VaultConfig, VaultHealth};
use sealmq_test_kit::{Answer, HttpProxy, VaultAdmin, VaultCluster, VaultServer};

use crate::support::{client, context, kind, service};

#[tokio::test]
async fn ready_unauthenticated_sealed_and_unreachable_are_told_apart() {
    let mut server = VaultServer::start().await;
    let admin = server.admin().clone();
    let mount = admin.mount_transit().await;
    let ours = client(admin.address(), admin.token()).await;
    assert_eq!(ours.health().await, VaultHealth::Ready);
    let healthy = service(ours.clone(), &mount);
    healthy.health().await.unwrap();
    let strange = client(admin.address(), "s.not-a-token").await;
    assert_eq!(strange.health().await, VaultHealth::Unauthenticated);
    let refused = service(strange, &mount).health().await;
    assert_eq!(kind(refused), KeyErrorKind::Denied);
    let service = service(ours.clone(), &mount);
    service.generate_dek(&context("acme")).await.unwrap();
    admin.must("POST", "sys/seal", "{}").await;
    assert_eq!(ours.health().await, VaultHealth::Sealed);
    assert_eq!(kind(healthy.health().await), KeyErrorKind::Unavailable);
    let refused = service.generate_dek(&context("acme")).await;
    assert_eq!(kind(refused), KeyErrorKind::Unavailable, "a sealed server blames no message");
    server.kill().await;
    assert_eq!(ours.health().await, VaultHealth::Unreachable);
    assert_eq!(kind(healthy.health().await), KeyErrorKind::Unavailable);
    let refused = service.generate_dek(&context("acme")).await;
    assert_eq!(kind(refused), KeyErrorKind::Unavailable);
}

#[tokio::test]
async fn standby_uninitialized_and_what_is_no_such_server_are_told_apart() {
    let admin = VaultAdmin::from_env();
    let proxy = HttpProxy::before(admin.authority()).await;
    let config = VaultConfig::new(proxy.url(), VaultAuth::token(admin.token()));
    let client = VaultClient::connect(config).await.unwrap();
    let state = r#"{"initialized":true,"sealed":false,"standby":true,"version":"2.7.2"}"#;
    for (status, body, expected) in [
        (429, state, VaultHealth::Standby),
        (473, state, VaultHealth::Standby),
        (429, r#"{"errors":["rate limit quota exceeded"]}"#, VaultHealth::Unreachable),
        (501, state, VaultHealth::Uninitialized),
        (503, state, VaultHealth::Sealed),
        (200, "<html>a login page</html>", VaultHealth::Unreachable),
        (302, "", VaultHealth::Unreachable),
        (500, "", VaultHealth::Unreachable),
    ] {
        proxy.answer(|request| request.path == "/v1/sys/health", Answer::json(status, body));
        assert_eq!(client.health().await, expected, "{status} {body}");
    }
    proxy.answer(|_| true, Answer::Reset);
    assert_eq!(client.health().await, VaultHealth::Unreachable);
    assert_eq!(client.health().await, VaultHealth::Ready);
}

/// One server on its way from uninitialized to standby to sealed, while another one serves.
#[tokio::test]
async fn the_states_of_a_node_of_a_cluster_are_told_apart() {
    let cluster = VaultCluster::start().await;
    let (active, standby) = (cluster.active(), cluster.standby());
    let mount = active.mount_transit().await;
    let serving = client(active.address(), active.token()).await;
    assert_eq!(serving.health().await, VaultHealth::Ready);
    let proxy = HttpProxy::before(standby.authority()).await;
    let good = Answer::json(200, r#"{"data":{"ttl":0}}"#); // nobody can log in to it yet
    proxy.answer(|request| request.path.contains("lookup-self"), good);
    let waiting = client(&proxy.url(), active.token()).await;
    assert_eq!(waiting.health().await, VaultHealth::Uninitialized);
    cluster.join().await;
    assert_eq!(waiting.health().await, VaultHealth::Standby);
    service(waiting.clone(), &mount).generate_dek(&context("acme")).await.unwrap();
    let strange = client(standby.address(), "s.not-a-token").await;
    assert_eq!(strange.health().await, VaultHealth::Unauthenticated);
    standby.must("POST", "sys/seal", "{}").await;
    assert_eq!(waiting.health().await, VaultHealth::Sealed);
    assert_eq!(serving.health().await, VaultHealth::Ready);
}
