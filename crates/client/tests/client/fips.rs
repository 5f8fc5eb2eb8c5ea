//! FIPS mode of a client: the validated module alone, from sending to the dead-letter queue.

use std::sync::Arc;

use async_trait::async_trait;
use sealmq_client::{ClientErrorKind, QueueClient};
use sealmq_crypto_core::{
    AeadBackend, AesGcmCryptoProvider, CryptoConfig, CryptoError, CryptoProvider, EncryptedMessage,
    EncryptionContext, KeyringPolicy, NamedKeys, OpenedMessage, Suite,
};
use sealmq_queue_core::Message;

use crate::support::{World, next_opened, next_rejected, sealing};

/// A provider of one's own, over whatever module.
struct Own(AesGcmCryptoProvider);

#[async_trait]
impl CryptoProvider for Own {
    async fn encrypt(
        &self,
        body: &[u8],
        context: &EncryptionContext,
    ) -> Result<EncryptedMessage, CryptoError> {
        self.0.encrypt(body, context).await
    }

    async fn decrypt(
        &self,
        message: EncryptedMessage,
        context: &EncryptionContext,
    ) -> Result<OpenedMessage, CryptoError> {
        self.0.decrypt(message, context).await
    }

    fn max_overhead_bytes(&self) -> usize {
        self.0.max_overhead_bytes()
    }
}

fn with_own_provider(world: &World, config: CryptoConfig) -> Result<QueueClient, ClientErrorKind> {
    let policy = KeyringPolicy::default();
    let named = NamedKeys::new(Arc::new(world.keys.clone()), &policy).unwrap();
    let own = AesGcmCryptoProvider::builder().named_keys(named).clock(world.clock.clone());
    let own = Own(own.build().unwrap());
    let client = world.keyless(config).with_crypto_provider(Arc::new(own)).build();
    client.map_err(|error| error.kind().clone())
}

#[tokio::test(start_paused = true)]
async fn a_crypto_provider_of_ones_own_is_refused_in_fips_mode() {
    let world = World::new();
    let client = with_own_provider(&world, sealing()).unwrap(); // the control
    client.send(Message::new("body")).await.unwrap();
    assert_eq!(next_opened(&client).await.body(), "body");
    let refused = with_own_provider(&world, sealing().with_fips()).unwrap_err();
    assert_eq!(refused, ClientErrorKind::InvalidInput { field: "fips" });
}

#[tokio::test(start_paused = true)]
async fn a_client_in_fips_mode_proves_its_module_seals_opens_and_refuses_other_suites() {
    let world = World::new();
    let client = world.with_keys(sealing().with_fips()).build().unwrap();
    let report = client.self_test().await;
    assert!(report.passed() && report.is_fips(), "{report}");
    assert_eq!(report.backend(), AeadBackend::AwsLcRs);
    client.send(Message::new("body")).await.unwrap();
    next_opened(&client).await.complete().await.unwrap();

    let other = sealing().with_suite(Suite::ChaCha20Poly1305);
    let other = world.with_keys(other).build().unwrap();
    other.send(Message::new("body")).await.unwrap();
    next_opened(&other).await.abandon(std::time::Duration::ZERO).await.unwrap(); // the control
    assert_eq!(next_rejected(&client).await.error.code(), "unsupported_suite");
    assert_eq!(world.the_dead().1, "unsupported_suite");
}
