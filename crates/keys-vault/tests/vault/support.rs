//! Mounts, policies and clients of one test.

use std::sync::Arc;

use sealmq_crypto_core::{
    ContextScope, EncryptionContext, KeyError, KeyErrorKind, TenantId, WrapContext,
};
use sealmq_keys_vault::{
    VaultAuth, VaultClient, VaultConfig, VaultTransitConfig, VaultTransitService,
};
use sealmq_test_kit::{HttpProxy, Request, VaultAdmin};

pub(crate) const TRANSIT_USE: &str = include_str!("../../policies/transit-use.hcl");
pub(crate) const FIRST_USE: &str = include_str!("../../policies/transit-first-use.hcl");
pub(crate) const OPERATE: &str = include_str!("../../policies/transit-operate.hcl");
pub(crate) const OPEN: &str = include_str!("../../policies/transit-open.hcl");
pub(crate) const TOKEN_SELF: &str = include_str!("../../policies/token-self.hcl");

/// The published policies for another Transit mount.
pub(crate) fn rules(policies: &[&str], mount: &str) -> String {
    policies.iter().map(|policy| policy.replace("\"transit/", &format!("\"{mount}/"))).collect()
}

/// A mount, and a token that may use it, first uses included.
pub(crate) async fn mount_and_token(admin: &VaultAdmin) -> (String, String) {
    let mount = admin.mount_transit().await;
    let rules = rules(&[TRANSIT_USE, FIRST_USE, TOKEN_SELF], &mount);
    let token = admin.token_under(&rules, "").await;
    (mount, token)
}

pub(crate) async fn client(address: &str, token: &str) -> VaultClient {
    VaultClient::connect(VaultConfig::new(address, VaultAuth::token(token))).await.unwrap()
}

pub(crate) fn service(client: VaultClient, mount: &str) -> VaultTransitService {
    VaultTransitService::new(client, VaultTransitConfig::new().with_mount(mount)).unwrap()
}

/// A proxy before the shared server, and a service that goes through it, with a token.
pub(crate) async fn proxied() -> (HttpProxy, VaultTransitService, String) {
    let admin = VaultAdmin::from_env();
    let (mount, token) = mount_and_token(&admin).await;
    let proxy = HttpProxy::before(admin.authority()).await;
    let service = service(client(&proxy.url(), &token).await, &mount);
    (proxy, service, token)
}

pub(crate) fn context(tenant: &str) -> WrapContext {
    WrapContext::new(Some("test"), TenantId::new(tenant).unwrap(), "orders")
}

pub(crate) fn message_context(queue: &str, id: &str) -> EncryptionContext {
    let scope = Arc::new(ContextScope::new(Some("test"), Some("acme"), queue).unwrap());
    EncryptionContext::builder(&scope, id).build().unwrap()
}

pub(crate) fn is_transit(request: &Request) -> bool {
    request.path.contains("/encrypt/") || request.path.contains("/decrypt/")
}

pub(crate) fn kind<T>(result: Result<T, KeyError>) -> KeyErrorKind {
    result.err().expect("this is refused").kind().clone()
}
