//! The probe of KMS: one request that uses no key, and what each answer to it means.

use std::time::Duration;

use sealmq_crypto_core::{KeyErrorKind, KeyManagementService};
use sealmq_keys_aws::{AwsKmsConfig, AwsKmsService};
use sealmq_test_kit::{Answer, HttpProxy, free_port};

use crate::faults::TIMEOUTS;
use crate::support::proxy::{count, faults, is_slow, refused};
use crate::support::{
    address, connection, context, key, kms_endpoint, operator, service, tenant, unique,
};

const DESCRIBE: &str = "DescribeKey";

#[tokio::test]
async fn one_request_asks_whatever_the_keys_are() {
    let proxy = HttpProxy::before(address(&kms_endpoint())).await;
    let (one, other) = (key().await, key().await);
    let prefix = unique("alias/health");
    let per_tenant = AwsKmsConfig::per_tenant(&prefix).with_auto_create(true);
    let configurations = [
        AwsKmsConfig::shared([one.as_str(), other.as_str()]),
        AwsKmsConfig::mapped([(tenant("acme"), [one])]),
        per_tenant.with_alias_settling(Duration::ZERO),
    ];
    for config in configurations {
        let kms = service(config, &proxy.url()).await;
        let (all, described) = (proxy.requests().len(), count(&proxy, DESCRIBE));
        kms.health().await.unwrap();
        assert_eq!(proxy.requests().len(), all + 1);
        assert_eq!(count(&proxy, DESCRIBE), described + 1);
    }
    let aliases = operator().list_aliases().limit(100).send().await.unwrap();
    let made = |name: &str| name.starts_with(&prefix);
    assert!(!aliases.aliases().iter().any(|alias| alias.alias_name().is_some_and(made)));
}

/// Before a tenant was used, a name that is not there is asked for; afterwards a key that is.
#[tokio::test]
async fn keys_of_tenants_are_asked_for_once_they_were_met() {
    let proxy = HttpProxy::before(address(&kms_endpoint())).await;
    let prefix = unique("alias/health");
    let config = AwsKmsConfig::per_tenant(&prefix).with_auto_create(true);
    let kms = service(config, &proxy.url()).await;
    let asked_for = || proxy.requests().last().unwrap().text();
    kms.health().await.unwrap();
    assert!(asked_for().contains(&format!("{prefix:?}")), "{}", asked_for());
    kms.generate_dek(&context("acme")).await.unwrap();
    kms.health().await.unwrap();
    assert!(asked_for().contains(":key/"), "{}", asked_for());
}

/// Only who was let in is told that a policy does not allow it. Who has no policy for the probe
/// may have one for all that it does.
#[tokio::test]
async fn a_refusal_to_who_is_known_is_healthy_and_any_other_failure_is_not() {
    let proxy = HttpProxy::before(address(&kms_endpoint())).await;
    let key = key().await;
    let [hasty, patient] = TIMEOUTS.map(|timeout| {
        let connection = connection(&proxy.url()).with_request_timeout(timeout);
        AwsKmsConfig::shared([key.as_str()]).with_connection(connection)
    });
    let hasty = AwsKmsService::connect(&hasty).await.unwrap();
    let patient = AwsKmsService::connect(&patient).await.unwrap();
    for code in ["AccessDeniedException", "NotFoundException"] {
        proxy.answer(|_| true, refused(400, code, "not for you"));
        patient.health().await.unwrap();
    }
    let others = [
        ("an unknown key", refused(400, "UnrecognizedClientException", "no"), KeyErrorKind::Denied),
        ("a proxy's 403", Answer::json(403, "<html>"), KeyErrorKind::Denied),
    ];
    let faults = faults().into_iter().filter(|(name, ..)| *name != "a policy");
    for (name, answer, kind) in faults.chain(others) {
        let before = proxy.requests().len();
        proxy.answer(|_| true, answer);
        let kms = if is_slow(name) { &hasty } else { &patient };
        let error = kms.health().await.unwrap_err();
        assert_eq!(error.kind(), &kind, "{name}: {error:?}");
        assert_eq!(proxy.requests().len(), before + 1, "{name}: one attempt");
    }
}

#[tokio::test]
async fn nobody_there_is_unavailable() {
    let nowhere = format!("http://127.0.0.1:{}", free_port());
    let kms = service(AwsKmsConfig::shared(["mrk-1"]), &nowhere).await;
    assert_eq!(kms.health().await.unwrap_err().kind(), &KeyErrorKind::Unavailable);
}
