//! What a keyring reports: look-ups, calls to services, and which key seals.

use std::sync::{Arc, Mutex};

use sealmq_crypto_core::{
    AesGcmCryptoProvider, CryptoProvider, EncryptedMessage, KekVersion, KeyErrorKind, KeyEvent,
    KeyObserver, Keyring, ManualClock, Suite,
};

use crate::support::{FakeKms, alias, clock, context, keyring_provider, policy};

/// What was reported, as short texts.
#[derive(Default)]
struct Reports(Mutex<Vec<String>>);

impl Reports {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl KeyObserver for Reports {
    fn observe(&self, event: KeyEvent<'_>) {
        let text = match event {
            KeyEvent::CacheHit => "hit".to_owned(),
            KeyEvent::CacheMiss => "miss".to_owned(),
            KeyEvent::ServiceCall { service, operation, ok, .. } => {
                format!("{service} {operation} {ok}")
            }
            KeyEvent::SealingKeyChanged { label, kek_version } => {
                format!("{label} seals by version {:?}", kek_version.map(|KekVersion(v)| v))
            }
            other => format!("{other:?}"),
        };
        self.0.lock().unwrap().push(text);
    }
}

fn observed(kms: &Arc<FakeKms>, clock: &Arc<ManualClock>) -> (AesGcmCryptoProvider, Arc<Reports>) {
    let reports = Arc::new(Reports::default());
    let keyring = Keyring::builder()
        .kek(alias("kek-1"), kms.clone())
        .policy(policy())
        .clock(clock.clone())
        .observer(reports.clone());
    (keyring_provider(keyring.build().unwrap(), clock, Suite::default()), reports)
}

async fn sealed(kms: &Arc<FakeKms>, count: usize) -> Vec<EncryptedMessage> {
    let (sender, reports) = observed(kms, &clock());
    let mut sealed = Vec::new();
    for _ in 0..count {
        sealed.push(sender.encrypt(b"body", &context()).await.unwrap());
    }
    let expected = ["kms generate_dek true", "kek-1 seals by version Some(1)"];
    assert_eq!(reports.take(), expected, "once for all of them");
    sealed
}

#[tokio::test]
async fn a_batch_of_one_sender_is_one_look_up() {
    let kms = FakeKms::new("kms");
    let messages = sealed(&kms, 20).await;
    let (receiver, reports) = observed(&kms, &clock());
    let context = context();
    for expected in [&["miss", "kms decrypt_dek true"][..], &["hit"]] {
        let batch = messages.iter().map(|message| (message.clone(), &context)).collect();
        for opened in receiver.decrypt_batch(batch).await {
            opened.unwrap();
        }
        assert_eq!(reports.take(), expected);
    }
}

#[tokio::test]
async fn a_call_that_failed_is_reported_as_failed() {
    let kms = FakeKms::new("kms");
    let message = sealed(&kms, 1).await.remove(0);
    let (receiver, reports) = observed(&kms, &clock());
    kms.fail(Some(KeyErrorKind::Unavailable));
    receiver.decrypt(message, &context()).await.unwrap_err();
    assert_eq!(reports.take(), ["miss", "kms decrypt_dek false"]);
}
