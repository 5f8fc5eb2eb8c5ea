//! The ways to log in, and what happens when a token ends.

use std::time::Duration;

use sealmq_crypto_core::{KeyErrorKind, KeyManagementService};
use sealmq_keys_vault::{
    VaultAuth, VaultClient, VaultConfig, VaultHealth, VaultSecretId, VaultTransitService,
};
use sealmq_test_kit::{Answer, HttpProxy, Request, VaultAdmin, text_of};

use crate::support::{FIRST_USE, TOKEN_SELF, TRANSIT_USE, context, kind, rules, service};

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

    async fn method(&self, kind: &str) -> String {
        let mount = VaultAdmin::unique(kind);
        let json = format!(r#"{{"type":"{kind}"}}"#);
        self.admin.must("POST", &format!("sys/auth/{mount}"), &json).await;
        mount
    }

    async fn connect(&self, auth: VaultAuth) -> (VaultClient, VaultTransitService) {
        let client = VaultClient::connect(VaultConfig::new(self.proxy.url(), auth)).await.unwrap();
        (client.clone(), service(client, &self.mount))
    }

    async fn userpass(&self, more: &str) -> VaultAuth {
        let at = self.method("userpass").await;
        let policy = &self.policy;
        let json = format!(r#"{{"password":"hush","token_policies":"{policy}"{more}}}"#);
        self.admin.must("POST", &format!("auth/{at}/users/app"), &json).await;
        VaultAuth::userpass("app", "hush").with_mount(at)
    }

    /// An AppRole: its mount and role id.
    async fn approle(&self) -> (String, String) {
        let at = self.method("approle").await;
        let json = format!(r#"{{"token_policies":"{}"}}"#, self.policy);
        self.admin.must("POST", &format!("auth/{at}/role/app"), &json).await;
        let role = self.admin.must("GET", &format!("auth/{at}/role/app/role-id"), "").await;
        (at, text_of(&role, "role_id"))
    }

    fn logins(&self) -> usize {
        self.proxy.count(|request| request.path.contains("/login"))
    }

    /// The token of the last request that carried one.
    fn token(&self) -> String {
        let requests = self.proxy.requests();
        let mut tokens = requests.iter().rev().filter_map(|r| r.header("x-vault-token"));
        tokens.next().unwrap().to_owned()
    }

    async fn revoke(&self, token: &str) {
        let json = format!(r#"{{"token":"{token}"}}"#);
        self.admin.must("POST", "auth/token/revoke", &json).await;
    }
}

#[tokio::test]
async fn a_user_logs_in_and_again_once_when_the_token_was_revoked() {
    let world = World::new().await;
    let (_client, service) = world.connect(world.userpass("").await).await;
    let made = service.generate_dek(&context("acme")).await.unwrap();
    let first = world.token();
    world.revoke(&first).await;
    let opened = service.decrypt_dek(&made.wrapped, &context("acme")).await.unwrap();
    assert!(opened == made.dek);
    assert_eq!(world.logins(), 2);
    assert_ne!(world.token(), first);
    service.close().await.unwrap();
    service.close().await.unwrap(); // repeating it is fine
    let last = world.token();
    let (status, _) = VaultAdmin::new(world.admin.address(), &last)
        .ask("GET", "auth/token/lookup-self", "", "")
        .await;
    assert_eq!(status, 403, "closing revoked the token");
    let refused = service.decrypt_dek(&made.wrapped, &context("acme")).await;
    assert_eq!(kind(refused), KeyErrorKind::Denied, "a closed client does nothing");
    assert_eq!(world.logins(), 2);
}

#[tokio::test]
async fn twenty_calls_that_meet_a_revoked_token_share_one_login() {
    let world = World::new().await;
    let (_client, service) = world.connect(world.userpass("").await).await;
    service.generate_dek(&context("acme")).await.unwrap();
    world.revoke(&world.token()).await;
    let calls = (0..20).map(|_| {
        let service = service.clone();
        tokio::spawn(async move { service.generate_dek(&context("acme")).await.map(drop) })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    assert_eq!(world.logins(), 2);
}

#[tokio::test]
async fn what_the_policy_denies_costs_no_login() {
    let world = World::new().await;
    let (_client, service) = world.connect(world.userpass("").await).await;
    for _ in 0..3 {
        let tenant = sealmq_crypto_core::TenantId::new("acme").unwrap();
        assert_eq!(kind(service.rotate_kek(&tenant).await), KeyErrorKind::Denied);
    }
    assert_eq!(world.logins(), 1);
}

#[tokio::test]
async fn a_wrong_password_is_denied_and_not_shown() {
    let world = World::new().await;
    let auth = world.userpass("").await;
    let VaultAuth::UserPass { mount, .. } = auth else { unreachable!() };
    let wrong = VaultAuth::userpass("app", "wrong-hush").with_mount(mount);
    let error = VaultClient::connect(VaultConfig::new(world.proxy.url(), wrong)).await.unwrap_err();
    assert_eq!(error.kind(), &KeyErrorKind::Denied);
    assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
    assert_eq!(world.logins(), 1, "it is not tried again");
}

#[tokio::test]
async fn batch_tokens_are_replaced_before_they_end_and_not_revoked() {
    let world = World::new().await;
    let auth = world.userpass(r#","token_type":"batch","token_ttl":"3s""#).await;
    let (client, service) = world.connect(auth).await;
    service.generate_dek(&context("acme")).await.unwrap();
    tokio::time::timeout(Duration::from_secs(20), async {
        while world.logins() < 2 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("the background logs in again");
    service.generate_dek(&context("acme")).await.unwrap();
    assert_eq!(world.proxy.count(|request| request.path.contains("renew-self")), 0);
    client.close_and_revoke().await.unwrap();
    assert_eq!(world.proxy.count(|request| request.path.contains("revoke-self")), 0);
}

#[tokio::test]
async fn an_approle_logs_in_with_a_secret_id_and_with_a_file_of_it() {
    let world = World::new().await;
    let (at, role_id) = world.approle().await;
    let made = world.admin.must("POST", &format!("auth/{at}/role/app/secret-id"), "{}").await;
    let secret_id = text_of(&made, "secret_id");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret-id");
    std::fs::write(&file, format!("{secret_id}\n")).unwrap();
    for given in [VaultSecretId::Plain(secret_id.into()), VaultSecretId::File(file)] {
        let auth = VaultAuth::approle(&*role_id, given).with_mount(&*at);
        let (_client, service) = world.connect(auth).await;
        service.generate_dek(&context("acme")).await.unwrap();
    }
}

/// A response-wrapping token around what a path gives.
async fn wrapped(admin: &VaultAdmin, path: &str) -> String {
    let (_, body) = admin.ask("POST", path, "X-Vault-Wrap-TTL: 60s\r\n", "{}").await;
    let (_, wrap_info) = body.split_once("\"wrap_info\"").unwrap();
    text_of(wrap_info, "token")
}

#[tokio::test]
async fn a_wrapped_secret_id_is_unwrapped_once_and_serves_later_logins() {
    let world = World::new().await;
    let (at, role_id) = world.approle().await;
    let token = wrapped(&world.admin, &format!("auth/{at}/role/app/secret-id")).await;
    let auth = |token: &str| {
        VaultAuth::approle(&*role_id, VaultSecretId::Wrapped(token.into())).with_mount(&*at)
    };
    let (_client, service) = world.connect(auth(&token)).await;
    service.generate_dek(&context("acme")).await.unwrap();
    world.revoke(&world.token()).await;
    service.generate_dek(&context("acme")).await.unwrap();
    assert_eq!(world.logins(), 2);
    assert_eq!(world.proxy.count(|request| request.path.contains("unwrap")), 1);
    // Whoever comes second learns that the token is spent.
    let again = VaultClient::connect(VaultConfig::new(world.proxy.url(), auth(&token))).await;
    assert_eq!(kind(again), KeyErrorKind::Denied);
}

#[tokio::test]
async fn a_wrapping_token_from_elsewhere_is_refused_before_it_is_unwrapped() {
    let world = World::new().await;
    let (at, role_id) = world.approle().await;
    let (other, _) = world.approle().await;
    let exchanged = [
        wrapped(&world.admin, "sys/wrapping/wrap").await,
        wrapped(&world.admin, &format!("auth/{other}/role/app/secret-id")).await,
    ];
    for token in exchanged {
        let auth = VaultAuth::approle(&*role_id, VaultSecretId::Wrapped(token.into()));
        let config = VaultConfig::new(world.proxy.url(), auth.with_mount(&*at));
        assert_eq!(kind(VaultClient::connect(config).await), KeyErrorKind::Denied);
    }
    assert_eq!(world.proxy.count(|request| request.path.contains("unwrap")), 0);
}

#[tokio::test]
async fn a_token_file_is_read_again_when_its_token_was_refused() {
    let world = World::new().await;
    let token = || async {
        let json = format!(r#"{{"policies":["{}"],"no_default_policy":true}}"#, world.policy);
        text_of(&world.admin.must("POST", "auth/token/create", &json).await, "client_token")
    };
    let (first, second) = (token().await, token().await);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, &first).unwrap();
    let (client, service) = world.connect(VaultAuth::token_file(&file)).await;
    service.generate_dek(&context("acme")).await.unwrap();
    std::fs::write(&file, format!("{second}\n")).unwrap();
    service.generate_dek(&context("acme")).await.unwrap();
    assert_eq!(world.token(), first, "a good token is kept");
    world.revoke(&first).await;
    service.generate_dek(&context("acme")).await.unwrap();
    assert_eq!(world.token(), second);
    client.close_and_revoke().await.unwrap();
    let (status, _) = VaultAdmin::new(world.admin.address(), &second)
        .ask("GET", "auth/token/lookup-self", "", "")
        .await;
    assert_eq!(status, 200, "a token of somebody else's is not revoked");
}

#[tokio::test]
async fn a_pod_logs_in_with_the_token_of_its_service_account() {
    let world = World::new().await;
    // The API server of Kubernetes, as far as the login asks it.
    let api = HttpProxy::before("127.0.0.1:1").await;
    let user = r#""user":{"username":"system:serviceaccount:prod:app","uid":"u-1","groups":[]}"#;
    api.always(Answer::json(
        201,
        format!(
            r#"{{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","status":{{"authenticated":true,{user}}}}}"#
        ),
    ));
    let at = world.method("kubernetes").await;
    let ca = sealmq_test_kit::Authority::new("cluster").pem().replace('\n', "\\n");
    let json = format!(
        r#"{{"kubernetes_host":"{}","disable_local_ca_jwt":true,"kubernetes_ca_cert":"{ca}"}}"#,
        api.url()
    );
    world.admin.must("POST", &format!("auth/{at}/config"), &json).await;
    let json = format!(
        r#"{{"bound_service_account_names":"app","bound_service_account_namespaces":"prod","token_policies":"{}"}}"#,
        world.policy
    );
    world.admin.must("POST", &format!("auth/{at}/role/orders"), &json).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, JWT).unwrap();
    let auth = VaultAuth::kubernetes("orders").with_mount(at).with_jwt_file(&file);
    let (_client, service) = world.connect(auth).await;
    service.generate_dek(&context("acme")).await.unwrap();
    world.revoke(&world.token()).await;
    let renewed = JWT.replace("c2ln", "c2lo"); // the kubelet wrote another one
    std::fs::write(&file, &renewed).unwrap();
    service.generate_dek(&context("acme")).await.unwrap();
    let is_login = |request: &&Request| request.path.contains("/login");
    let requests = world.proxy.requests();
    let last = requests.iter().rfind(is_login).unwrap().text();
    assert!(last.contains(&renewed), "the file is read at each login");
}

/// `{"alg":"RS256"}`, the claims of a service account, and a signature that nobody checks here.
const JWT: &str = concat!(
    "eyJhbGciOiJSUzI1NiJ9.",
    "eyJpc3MiOiJrdWJlcm5ldGVzL3NlcnZpY2VhY2NvdW50Iiwia3ViZXJuZXRlcy5pby9zZXJ2aWNlYWNjb3VudC9uYW",
    "1lc3BhY2UiOiJwcm9kIiwia3ViZXJuZXRlcy5pby9zZXJ2aWNlYWNjb3VudC9zZXJ2aWNlLWFjY291bnQubmFtZSI6",
    "ImFwcCIsImt1YmVybmV0ZXMuaW8vc2VydmljZWFjY291bnQvc2VydmljZS1hY2NvdW50LnVpZCI6InUtMSJ9.",
    "c2ln"
);

#[tokio::test]
async fn a_namespace_is_a_world_of_its_own() {
    let admin = VaultAdmin::from_env();
    let namespace = VaultAdmin::unique("ns");
    admin.must("POST", &format!("sys/namespaces/{namespace}"), "{}").await;
    let json = r#"{"type":"transit"}"#;
    admin.must("POST", &format!("{namespace}/sys/mounts/transit"), json).await;
    let connect = |namespace: Option<&str>| {
        let mut config = VaultConfig::new(admin.address(), VaultAuth::token(admin.token()));
        if let Some(namespace) = namespace {
            config = config.with_namespace(namespace);
        }
        VaultClient::connect(config)
    };
    let inside = connect(Some(&namespace)).await.unwrap();
    assert_eq!(inside.health().await, VaultHealth::Ready);
    let inside = service(inside, "transit");
    let made = inside.generate_dek(&context("acme")).await.unwrap();
    assert!(inside.decrypt_dek(&made.wrapped, &context("acme")).await.unwrap() == made.dek);
    assert!(inside.name().contains(&namespace));
    let outside = service(connect(None).await.unwrap(), &VaultAdmin::unique("absent"));
    let refused = outside.decrypt_dek(&made.wrapped, &context("acme")).await;
    assert_eq!(kind(refused), KeyErrorKind::Denied, "nothing is mounted outside");
}

#[tokio::test]
async fn a_login_happens_in_the_namespace() {
    let admin = VaultAdmin::from_env();
    let namespace = VaultAdmin::unique("ns");
    admin.must("POST", &format!("sys/namespaces/{namespace}"), "{}").await;
    let json = r#"{"type":"userpass"}"#;
    admin.must("POST", &format!("{namespace}/sys/auth/people"), json).await;
    let json = r#"{"password":"hush"}"#;
    admin.must("POST", &format!("{namespace}/auth/people/users/app"), json).await;
    let config = || {
        let auth = VaultAuth::userpass("app", "hush").with_mount("people");
        VaultConfig::new(admin.address(), auth)
    };
    let inside = VaultClient::connect(config().with_namespace(&namespace)).await.unwrap();
    assert_eq!(inside.health().await, VaultHealth::Ready);
    assert_eq!(kind(VaultClient::connect(config()).await), KeyErrorKind::Denied);
    inside.close_and_revoke().await.unwrap();
}
