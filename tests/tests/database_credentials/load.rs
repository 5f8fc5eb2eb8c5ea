//! Wraps and unwraps without a pause, counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sealmq_crypto_core::{CredentialSource, KeyManagementService};
use sealmq_keys_postgres::PostgresKeyService;
use sealmq_keys_vault::VaultDatabaseCredentials;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::world::acme;

/// How long something may take that has to happen, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(180);

/// Calls under way, until they are asked to end.
pub(crate) struct Load {
    tasks: JoinSet<()>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    done: AtomicUsize,
    stop: AtomicUsize,
}

impl Load {
    pub(crate) fn on(service: &PostgresKeyService) -> Self {
        let counts = Arc::<Counts>::default();
        let mut tasks = JoinSet::new();
        for _ in 0..4 {
            let (service, counts) = (service.clone(), Arc::clone(&counts));
            tasks.spawn(async move {
                while counts.stop.load(Ordering::Relaxed) == 0 {
                    let made = service.generate_dek(&acme()).await.expect("a wrap");
                    let opened = service.decrypt_dek(&made.wrapped, &acme()).await;
                    assert!(opened.expect("an unwrap") == made.dek);
                    counts.done.fetch_add(2, Ordering::Relaxed);
                }
            });
        }
        Self { tasks, counts }
    }

    /// Waits until so many more calls were answered.
    pub(crate) async fn goes_on(&mut self, calls: usize) {
        let enough = self.counts.done.load(Ordering::Relaxed) + calls;
        let counts = Arc::clone(&self.counts);
        self.until(|| counts.done.load(Ordering::Relaxed) >= enough).await;
    }

    /// Waits until this is so; a call that fails ends the test.
    pub(crate) async fn until(&mut self, so: impl Fn() -> bool) {
        let waiting = async {
            while !so() {
                tokio::select! {
                    ended = self.tasks.join_next() => ended.expect("there are calls").unwrap(),
                    () = sleep(Duration::from_millis(20)) => {}
                }
            }
        };
        timeout(PATIENCE, waiting).await.expect("it comes to pass");
    }

    /// The users that were given out one after another, until there were so many.
    pub(crate) async fn users(
        &mut self,
        credentials: &VaultDatabaseCredentials,
        count: usize,
    ) -> Vec<String> {
        let mut users: Vec<String> = Vec::new();
        while users.len() < count {
            let now = credentials.current().unwrap().user().to_owned();
            if users.last() != Some(&now) {
                assert!(!users.contains(&now), "no user comes back");
                users.push(now);
            }
            let known = users.last().cloned();
            self.until(|| {
                let now = credentials.current().unwrap();
                users.len() == count || known.as_deref() != Some(now.user())
            })
            .await;
        }
        users
    }

    /// Ends it: not one call failed.
    pub(crate) async fn end(mut self) {
        self.counts.stop.store(1, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }
}
