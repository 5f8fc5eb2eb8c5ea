//! The keyring on the service: messages flow, and the service is hardly asked.

use std::sync::Arc;

use sealmq_crypto_core::CryptoErrorKind;

use super::rotation::rotate_slowly;
use crate::keys::Case;
use crate::keys::concurrency::at_once;
use crate::keys::kms::KmsCtx;
use crate::keys::kms::counting::CountingKms;
use crate::keys::kms::needs::cases;
use crate::keys::traffic::Host;
use crate::outcome::{CaseResult, Stop};

pub(super) const CASES: &[Case<KmsCtx>] = cases! { "keyring":
    a_stream_of_messages_makes_one_call [];
    another_host_opens_a_stream_with_one_call [];
    hosts_that_start_at_once_share_a_tenant [] many_threads;
    a_rotation_during_traffic_fails_nothing [Rotation] many_threads slow;
    a_shredded_tenant_seals_and_opens_no_more [Deletion];
};

/// How many messages make a stream.
const STREAM: usize = 1000;

/// A host that seals a stream and opens it again has the service make one DEK, and no more.
async fn a_stream_of_messages_makes_one_call(ctx: KmsCtx) -> CaseResult {
    let (tenant, _) = ctx.unused()?;
    let service = CountingKms::new(Arc::clone(ctx.service()));
    let (host, _) = Host::with_service(Arc::clone(&service) as Arc<_>, &tenant)?;
    for number in 0..STREAM {
        let sealed = host.seal(number).await?;
        host.open(&sealed, number).await?;
    }
    let calls = service.calls();
    check_eq!(calls, [("generate_dek", 1)].into(), "a stream makes one call");
    Ok(())
}

/// A host that opens what another one sealed asks once for the DEK of the whole stream.
async fn another_host_opens_a_stream_with_one_call(ctx: KmsCtx) -> CaseResult {
    let (tenant, _) = ctx.unused()?;
    let (sender, _) = Host::with_service(Arc::clone(ctx.service()), &tenant)?;
    let service = CountingKms::new(ctx.harness().client().await?);
    let (receiver, _) = Host::with_service(Arc::clone(&service) as Arc<_>, &tenant)?;
    for number in 0..STREAM {
        receiver.open(&sender.seal(number).await?, number).await?;
    }
    check_eq!(service.calls(), [("decrypt_dek", 1)].into(), "a stream is opened by one call");
    Ok(())
}

/// Hosts that use a tenant for the first time at once open one another's messages.
async fn hosts_that_start_at_once_share_a_tenant(ctx: KmsCtx) -> CaseResult {
    let (tenant, _) = ctx.unused()?;
    let mut hosts = Vec::new();
    for _ in 0..8 {
        hosts.push(Host::with_service(ctx.harness().client().await?, &tenant)?.0);
    }
    let sealed = at_once(hosts.len(), |n| {
        let host = hosts[n].clone();
        async move { host.seal(n).await }
    });
    for (number, sealed) in sealed.await?.into_iter().enumerate() {
        let sealed = sealed?;
        for host in &hosts {
            host.open(&sealed, number).await?;
        }
    }
    Ok(())
}

/// While the KEK is rotated and DEKs are replaced, every message seals and opens.
async fn a_rotation_during_traffic_fails_nothing(ctx: KmsCtx) -> CaseResult {
    let (tenant, _) = ctx.used().await?;
    let clients = [ctx.harness().client().await?, ctx.harness().client().await?];
    let rotator = Arc::clone(ctx.service());
    let outcomes = at_once(4, |n| {
        let (tenant, rotator) = (tenant.clone(), Arc::clone(&rotator));
        let [sender, receiver] = clients.clone();
        async move {
            if n == 0 {
                return rotate_slowly(&rotator, &tenant, 5).await;
            }
            // A new pair of hosts has nothing cached: each asks the service amid the rotations.
            for round in 0..5 {
                let (sender, keyring) = Host::with_service(Arc::clone(&sender), &tenant)?;
                let (receiver, _) = Host::with_service(Arc::clone(&receiver), &tenant)?;
                for number in round * 20..round * 20 + 20 {
                    receiver.open(&sender.seal(number).await?, number).await?;
                    if number % 5 == 4 {
                        keyring.forget_tenant(&tenant); // so that the next seal has a new DEK
                    }
                }
            }
            Ok::<_, Stop>(())
        }
    });
    outcomes.await?.into_iter().collect()
}

/// Once the caches forgot the tenant, its messages cannot be opened and new ones not sealed.
async fn a_shredded_tenant_seals_and_opens_no_more(ctx: KmsCtx) -> CaseResult {
    let (tenant, _) = ctx.unused()?;
    let (host, keyring) = Host::with_service(Arc::clone(ctx.service()), &tenant)?;
    let sealed = host.seal(1).await?;
    host.open(&sealed, 1).await?;
    ctx.service().delete_kek(&tenant).await?;
    keyring.forget_tenant(&tenant);
    for refused in [host.open(&sealed, 1).await, host.seal(2).await.map(drop)] {
        let Err(error) = refused else {
            return Err(Stop::broken("a shredded tenant neither seals nor opens"));
        };
        check_matches!(
            error.kind(),
            CryptoErrorKind::KeyNotFound { .. },
            "a shredded tenant's key is not found"
        );
        check!(!error.is_retryable(), "it is gone for good");
    }
    Ok(())
}
