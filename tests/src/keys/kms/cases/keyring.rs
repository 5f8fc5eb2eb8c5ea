//! The keyring on the service: messages flow, and the service is hardly asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

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
    a_thousand_misses_at_once_make_one_call [] many_threads;
    hosts_that_start_at_once_share_a_tenant [] many_threads;
    a_rotation_during_traffic_fails_nothing [Rotation] many_threads slow;
    a_shredded_tenant_seals_and_opens_no_more [Deletion];
};

/// How many messages make a stream.
const STREAM: usize = 1000;

/// How many tasks send and receive while the KEK is rotated.
const TASKS: usize = 20;
const ROTATIONS: usize = 3;

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

/// Whoever needs a DEK that is not there waits for the one call that fetches it, to seal and to open.
async fn a_thousand_misses_at_once_make_one_call(ctx: KmsCtx) -> CaseResult {
    let (tenant, _) = ctx.unused()?;
    let counted = |service| CountingKms::new(service);
    let (sending, receiving) =
        (counted(Arc::clone(ctx.service())), counted(ctx.harness().client().await?));
    let (sender, _) = Host::with_service(Arc::clone(&sending) as Arc<_>, &tenant)?;
    let (receiver, _) = Host::with_service(Arc::clone(&receiving) as Arc<_>, &tenant)?;
    let sealed = at_once(STREAM, |number| {
        let sender = sender.clone();
        async move { sender.seal(number).await }
    });
    let sealed = sealed.await?.into_iter().collect::<Result<Vec<_>, _>>()?;
    let opened = at_once(STREAM, |number| {
        let (receiver, sealed) = (receiver.clone(), sealed[number].clone());
        async move { receiver.open(&sealed, number).await }
    });
    opened.await?.into_iter().collect::<Result<Vec<_>, _>>()?;
    check_eq!(sending.calls(), [("generate_dek", 1)].into(), "all seal by one call");
    check_eq!(receiving.calls(), [("decrypt_dek", 1)].into(), "all open by one call");
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

/// While the KEK is rotated and DEKs are replaced, every message of twenty tasks seals and opens.
async fn a_rotation_during_traffic_fails_nothing(ctx: KmsCtx) -> CaseResult {
    let (tenant, _) = ctx.used().await?;
    let clients = [ctx.harness().client().await?, ctx.harness().client().await?];
    let (rotator, rotated) = (Arc::clone(ctx.service()), Arc::new(AtomicBool::new(false)));
    let outcomes = at_once(1 + TASKS, |n| {
        let (tenant, rotator) = (tenant.clone(), Arc::clone(&rotator));
        let ([sender, receiver], rotated) = (clients.clone(), Arc::clone(&rotated));
        async move {
            if n == 0 {
                let outcome = rotate_slowly(&rotator, &tenant, ROTATIONS).await;
                rotated.store(true, Relaxed);
                return outcome;
            }
            let mut is_last = false;
            while !is_last {
                is_last = rotated.load(Relaxed); // one more round under the last version
                // A new pair of hosts has nothing cached: each asks the service amid the rotations.
                let (sender, keyring) = Host::with_service(Arc::clone(&sender), &tenant)?;
                let (receiver, _) = Host::with_service(Arc::clone(&receiver), &tenant)?;
                for number in 0..10 {
                    receiver.open(&sender.seal(number).await?, number).await?;
                    if number % 5 == 4 {
                        keyring.forget_tenant(&tenant); // so that the next seal has a new DEK
                    }
                    tokio::task::yield_now().await; // a service in memory never waits by itself
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
