//! Putting a client together, checked once at the end.

use std::fmt;
use std::sync::Arc;

use sealmq_crypto_core::{
    AesGcmCryptoProvider, BackgroundTask, Clock, CryptoConfig, CryptoProvider, KekAlias,
    KeyManagementService, KeyObserver, KeyProvider, Keyring, KeyringPolicy, MemoryReplayGuard,
    NamedKeys, ReplayGuard, Spawn, SystemClock,
};
use sealmq_queue_core::{ReceiverOptions, Transport};

use crate::QueueClient;
use crate::backoff::RetryPolicy;
use crate::clock_base::ClockBase;
use crate::error::ClientError;
use crate::lifecycle::Lifecycle;
use crate::queue::{QueueContext, Shared};
use crate::telemetry::KeyMetrics;

/// Collects the parts of a [`QueueClient`].
#[must_use]
pub struct QueueClientBuilder {
    queue: String,
    logical_queue: Option<String>,
    environment: Option<String>,
    tenant: Option<String>,
    transport: Option<Arc<dyn Transport>>,
    crypto_provider: Option<Arc<dyn CryptoProvider>>,
    key_provider: Option<Arc<dyn KeyProvider>>,
    keks: Vec<(String, Arc<dyn KeyManagementService>)>,
    keyring_policy: KeyringPolicy,
    config: CryptoConfig,
    replay_guard: Option<Arc<dyn ReplayGuard>>,
    retry: RetryPolicy,
    receiver_options: ReceiverOptions,
    settle_rejected: bool,
    clock: Arc<dyn Clock>,
}

impl QueueClientBuilder {
    pub(crate) fn new(queue: String) -> Self {
        Self {
            queue,
            logical_queue: None,
            environment: None,
            tenant: None,
            transport: None,
            crypto_provider: None,
            key_provider: None,
            keks: Vec::new(),
            keyring_policy: KeyringPolicy::default(),
            config: CryptoConfig::default(),
            replay_guard: None,
            retry: RetryPolicy::default(),
            receiver_options: ReceiverOptions::default(),
            settle_rejected: true,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Sends and receives over this transport. Required.
    pub fn with_transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Takes named keys from this store. They open; they seal unless there is a key service.
    pub fn with_key_provider(mut self, provider: Arc<dyn KeyProvider>) -> Self {
        self.key_provider = Some(provider);
        self
    }

    /// Wraps DEKs by this service, under the alias that frames name it by. Given more than once,
    /// up to four times, every DEK is wrapped by all of them and opens by any.
    pub fn with_key_management(
        mut self,
        kek_alias: impl Into<String>,
        service: Arc<dyn KeyManagementService>,
    ) -> Self {
        self.keks.push((kek_alias.into(), service));
        self
    }

    /// Replaces the default caps of DEKs and caches.
    pub fn with_keyring_policy(mut self, policy: KeyringPolicy) -> Self {
        self.keyring_policy = policy;
        self
    }

    /// Seals and opens by this provider instead of in this process.
    pub fn with_crypto_provider(mut self, provider: Arc<dyn CryptoProvider>) -> Self {
        self.crypto_provider = Some(provider);
        self
    }

    /// Replaces the policy, which by default seals nothing.
    pub fn with_crypto(mut self, config: CryptoConfig) -> Self {
        self.config = config;
        self
    }

    /// Remembers completed messages here instead of in this process. Has an effect where the
    /// policy tracks nonces.
    pub fn with_replay_guard(mut self, guard: Arc<dyn ReplayGuard>) -> Self {
        self.replay_guard = Some(guard);
        self
    }

    /// Binds messages to this deployment: frames of another one do not open.
    pub fn with_environment(mut self, environment: impl Into<String>) -> Self {
        self.environment = Some(environment.into());
        self
    }

    /// Binds messages to this tenant: frames of another one do not open.
    pub fn with_tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Binds messages to this logical name instead of the queue's name on the broker: the same
    /// on both sides, on every transport they pass, and in the dead-letter queue.
    pub fn with_logical_queue(mut self, logical_queue: impl Into<String>) -> Self {
        self.logical_queue = Some(logical_queue.into());
        self
    }

    /// Replaces the default retry policy.
    pub fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// Opens queues with these options.
    pub fn with_receiver_options(mut self, options: ReceiverOptions) -> Self {
        self.receiver_options = options;
        self
    }

    /// Hands the receipts of messages that cannot be opened to the caller, instead of settling
    /// them. Whoever sets this settles every rejected message, or it comes again and again; so it
    /// is not for [`QueueClient::process`], which hands out no rejected messages.
    pub fn with_manual_rejection(mut self) -> Self {
        self.settle_rejected = false;
        self
    }

    /// Replaces the system's clock, for freshness and the age of keys.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The finished client. Nothing is connected yet.
    ///
    /// # Errors
    /// `InvalidInput` names what is missing or contradicts itself: `transport`, `keys`,
    /// `kek_alias`, or a field of the policies.
    pub fn build(mut self) -> Result<QueueClient, ClientError> {
        self.config.validate()?;
        let Some(transport) = self.transport.take() else {
            return Err(ClientError::invalid_input("transport", "none was given"));
        };
        let crypto = self.crypto()?;
        if self.config.enabled && crypto.is_none() {
            let reason =
                "encryption is enabled, and there is neither a key provider nor a key service";
            return Err(ClientError::invalid_input("keys", reason));
        }
        let replay_guard = self.config.nonce_tracking.then(|| {
            let in_memory = || {
                let guard = MemoryReplayGuard::new().with_clock(Arc::clone(&self.clock));
                Arc::new(guard) as Arc<dyn ReplayGuard>
            };
            self.replay_guard.take().unwrap_or_else(in_memory)
        });
        let logical_queue = self.logical_queue.as_ref().unwrap_or(&self.queue).clone();
        let clock_base = ClockBase::of(&*self.clock);
        let shared = Shared {
            transport,
            crypto,
            config: self.config,
            replay_guard,
            retry: self.retry,
            clock: self.clock,
            receiver_options: self.receiver_options,
            settle_rejected: self.settle_rejected,
            environment: self.environment,
            tenant: self.tenant,
            lifecycle: Arc::new(Lifecycle::new()),
            clock_base,
        };
        let tenant = shared.tenant.clone();
        QueueContext::new(Arc::new(shared), tenant.as_deref(), &self.queue, &logical_queue)
            .map(QueueClient)
    }

    /// What seals and opens; nothing without keys.
    fn crypto(&mut self) -> Result<Option<Arc<dyn CryptoProvider>>, ClientError> {
        if let Some(provider) = self.crypto_provider.take() {
            if self.config.fips {
                let reason = "nothing is known of the modules of a crypto provider that is given";
                return Err(ClientError::invalid_input("fips", reason));
            }
            return Ok(Some(provider));
        }
        if self.key_provider.is_none() && self.keks.is_empty() {
            return Ok(None);
        }
        let observer: Arc<dyn KeyObserver> = Arc::new(KeyMetrics::new());
        let spawner: Arc<dyn Spawn> = Arc::new(TokioSpawner);
        let mut provider =
            AesGcmCryptoProvider::builder().config(&self.config).clock(Arc::clone(&self.clock));
        if let Some(store) = self.key_provider.take() {
            provider = provider.named_keys(NamedKeys::with_surroundings(
                store,
                &self.keyring_policy,
                Arc::clone(&self.clock),
                Some(Arc::clone(&observer)),
                Some(Arc::clone(&spawner)),
            )?);
        }
        if !self.keks.is_empty() {
            let mut keyring = Keyring::builder()
                .policy(self.keyring_policy.clone())
                .clock(Arc::clone(&self.clock))
                .observer(observer)
                .spawner(spawner);
            for (alias, service) in self.keks.drain(..) {
                let alias = KekAlias::new(&alias)
                    .map_err(|error| ClientError::invalid_input("kek_alias", error.to_string()))?;
                keyring = keyring.kek(alias, service);
            }
            provider = provider.keyring(keyring.build()?);
        }
        Ok(Some(Arc::new(provider.build()?)))
    }
}

impl fmt::Debug for QueueClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueClientBuilder")
            .field("queue", &self.queue)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// Runs a keyring's background work on the runtime that the client is used on.
struct TokioSpawner;

impl Spawn for TokioSpawner {
    fn spawn(&self, task: BackgroundTask) {
        tokio::spawn(task);
    }
}
