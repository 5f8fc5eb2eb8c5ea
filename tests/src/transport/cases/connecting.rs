//! Connecting: to a broker that is down, with the wrong credentials, under TLS.

use std::time::Duration;

use sealmq_queue_core::{Transport, TransportError, TransportErrorKind};

use crate::outcome::{CaseResult, Stop};
use crate::transport::case::case_table;
use crate::transport::{Case, Connection, Ctx};

pub(super) const CASES: &[Case] = case_table! { "resilience":
    initial_connect_retry [] alone;
    bad_credentials_typed_error [];
    untrusted_ca_rejected [];
    mtls_required_ok [];
    health_ok_and_down [] alone slow;
};

/// While the broker cannot be reached the adapter says so, and connects once it can.
async fn initial_connect_retry(ctx: Ctx) -> CaseResult {
    let proxy = ctx.harness().faulty_proxy().await?;
    proxy.cut().await;
    let attempt = async {
        match proxy.connect().await {
            Err(error) => Err(error),
            Ok(transport) => transport.health().await,
        }
    };
    check_eq!(
        attempt.await.map_err(|error| error.kind().clone()),
        Err(TransportErrorKind::Unavailable),
        "a broker that cannot be reached is unavailable"
    );
    proxy.restore().await;
    let connecting = async {
        loop {
            if let Ok(transport) = proxy.connect().await
                && transport.health().await.is_ok()
            {
                return;
            }
            ctx.sleep(Duration::from_millis(100)).await;
        }
    };
    ctx.soon("the adapter connects once the broker is back", connecting).await
}

/// What connecting this way comes to, be it at once or at the first call.
async fn connecting_as(
    ctx: &Ctx,
    connection: Connection,
) -> CaseResult<Result<(), TransportError>> {
    Ok(match ctx.harness().connect_as(connection).await? {
        Err(error) => Err(error),
        Ok(transport) => transport.health().await,
    })
}

/// Wrong credentials are denied, which no retry mends.
async fn bad_credentials_typed_error(ctx: Ctx) -> CaseResult {
    let outcome = connecting_as(&ctx, Connection::WrongCredentials).await?;
    check_eq!(
        outcome.map_err(|error| error.kind().clone()),
        Err(TransportErrorKind::Denied),
        "wrong credentials are denied"
    );
    Ok(())
}

/// A broker whose certificate nobody trusted signed is not talked to.
async fn untrusted_ca_rejected(ctx: Ctx) -> CaseResult {
    let outcome = connecting_as(&ctx, Connection::UntrustedAuthority).await?;
    check_eq!(
        outcome.map_err(|error| error.kind().clone()),
        Err(TransportErrorKind::Unavailable),
        "a broker that cannot prove itself is refused"
    );
    Ok(())
}

/// A broker that demands a client certificate is reached with one and not without.
async fn mtls_required_ok(ctx: Ctx) -> CaseResult {
    let outcome = connecting_as(&ctx, Connection::NoClientCertificate).await?;
    check_eq!(
        outcome.map_err(|error| error.kind().clone()),
        Err(TransportErrorKind::Unavailable),
        "without a client certificate the broker refuses"
    );
    connecting_as(&ctx, Connection::ClientCertificate).await??;
    Ok(())
}

/// Health follows the broker: fine while it answers, unavailable while it does not and fine again
/// when it is back, on the same connection; closed once the connection is.
async fn health_ok_and_down(ctx: Ctx) -> CaseResult {
    let transport = ctx.connect_again().await?;
    transport.health().await?;
    match ctx.harness().restart_broker().await {
        Ok(()) => healthy_again(&ctx, &*transport, "after a restart").await?,
        Err(Stop::Skipped(_)) => {} // cut off it can be all the same
        Err(broken) => return Err(broken),
    }
    transport.close().await?;
    check_eq!(
        transport.health().await.map_err(|error| error.kind().clone()),
        Err(TransportErrorKind::Closed),
        "a closed connection has no health"
    );
    let proxy = match ctx.harness().faulty_proxy().await {
        Ok(proxy) => proxy,
        Err(Stop::Skipped(_)) => return Ok(()), // no way to take the broker down
        Err(broken) => return Err(broken),
    };
    let transport = proxy.connect().await?;
    transport.health().await?;
    proxy.cut().await;
    let health = ctx.soon("health is known within the request timeout", transport.health()).await?;
    check_eq!(
        health.map_err(|error| error.kind().clone()),
        Err(TransportErrorKind::Unavailable),
        "a broker that does not answer is unavailable"
    );
    proxy.restore().await;
    healthy_again(&ctx, &*transport, "once it can be reached").await
}

/// What was down is healthy by itself, soon.
async fn healthy_again(ctx: &Ctx, transport: &dyn Transport, when: &str) -> CaseResult {
    let asking = async {
        while transport.health().await.is_err() {
            ctx.sleep(Duration::from_millis(100)).await;
        }
    };
    ctx.soon(&format!("the broker is healthy again {when}"), asking).await
}
