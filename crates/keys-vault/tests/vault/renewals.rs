//! Tokens that live for seconds on a real server, under calls that do not stop for them.

use std::time::Duration;

use sealmq_crypto_core::KeyManagementService;
use sealmq_keys_vault::{VaultAuth, VaultClient, VaultConfig, VaultTransitService};
use sealmq_test_kit::{HttpProxy, VaultAdmin, text_of};

use crate::support::{FIRST_USE, TOKEN_SELF, TRANSIT_USE, context, rules, service};

/// How long something may take that has to happen, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(120);

struct World {
    admin: VaultAdmin,
    mount: String,
    policy: String,
    proxy: HttpProxy,
}

impl World {
    async fn new() -> Self {
        let admin = VaultAdmin::from_env();
        let mount = admin.mount_transit().await;
        let policy = admin.policy(&rules(&[TRANSIT_USE, FIRST_USE, TOKEN_SELF], &mount)).await;
        let proxy = HttpProxy::before(admin.authority()).await;
        Self { admin, mount, policy, proxy }
    }

    async fn service(&self, auth: VaultAuth) -> VaultTransitService {
        let client = VaultClient::connect(VaultConfig::new(self.proxy.url(), auth)).await.unwrap();
        service(client, &self.mount)
    }

    fn count(&self, part: &'static str) -> usize {
        self.proxy.count(|request| request.path.contains(part))
    }

    /// Calls one after another until so many of these requests came; none fails.
    async fn calls_until(&self, service: &VaultTransitService, part: &'static str, count: usize) {
        let calls = async {
            while self.count(part) < count {
                service.generate_dek(&context("acme")).await.unwrap();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, calls).await.expect("it comes to pass");
        service.generate_dek(&context("acme")).await.unwrap();
    }
}

#[tokio::test]
async fn a_login_is_renewed_until_its_maximum_time_and_then_repeated() {
    let world = World::new().await;
    let at = VaultAdmin::unique("userpass");
    world.admin.must("POST", &format!("sys/auth/{at}"), r#"{"type":"userpass"}"#).await;
    let json = format!(
        r#"{{"password":"hush","token_policies":"{}","token_ttl":"3s","token_max_ttl":"6s"}}"#,
        world.policy
    );
    world.admin.must("POST", &format!("auth/{at}/users/app"), &json).await;
    let service = world.service(VaultAuth::userpass("app", "hush").with_mount(at)).await;
    world.calls_until(&service, "/login/", 4).await;
    assert!(world.count("renew-self") >= 3, "each was renewed before it was replaced");
}

#[tokio::test]
async fn a_token_that_was_handed_over_outlives_its_time() {
    let world = World::new().await;
    let policy = &world.policy;
    let json = format!(r#"{{"policies":["{policy}"],"no_default_policy":true,"ttl":"9s"}}"#);
    let made = world.admin.must("POST", "auth/token/create", &json).await;
    let token = text_of(&made, "client_token");
    let service = world.service(VaultAuth::token(&*token)).await;
    world.calls_until(&service, "renew-self", 2).await;
    assert_eq!(world.count("/login/"), 0);
}
