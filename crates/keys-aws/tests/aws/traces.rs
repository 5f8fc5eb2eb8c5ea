//! What is traced: at the most talkative level no key, no secret and no token stands in it.

use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sealmq_crypto_core::{EncryptionKey, KeyManagementService, KeyProvider};
use sealmq_keys_aws::{AwsKmsConfig, AwsKmsService};
use tracing::Dispatch;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{
    SECRET, TOKEN, boto3, connection, context, key, kms_endpoint, provider, secrets_endpoint,
    unique,
};

#[derive(Clone, Default)]
pub(crate) struct Traces(Arc<Mutex<Vec<u8>>>);

impl Write for Traces {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Traces {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Keeps everything traceable. Whether a place in the code is traced at all is remembered for the
/// whole process, and one that another test met while nobody listened may be remembered wrongly.
static ALWAYS: LazyLock<Dispatch> = LazyLock::new(|| {
    let sink = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE);
    Dispatch::new(sink.with_writer(std::io::sink).finish())
});

/// Traces of everything on this thread, until the guard goes.
pub(crate) fn start() -> (Traces, DefaultGuard) {
    LazyLock::force(&ALWAYS);
    let traces = Traces::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(traces.clone())
        .finish();
    (traces, tracing::subscriber::set_default(subscriber))
}

impl Traces {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }

    /// Whether the key stands in the traces, as base64 or as a list of numbers.
    fn show(&self, key: &EncryptionKey) -> bool {
        let base64 = STANDARD.encode(key.expose_secret());
        let list = format!("{:?}", key.expose_secret());
        let text = self.text();
        [&base64[..40], list.trim_matches(['[', ']'])].iter().any(|secret| text.contains(secret))
    }
}

#[tokio::test]
async fn no_dek_stands_in_the_traces() {
    let (key, dek) = (key().await, EncryptionKey::generate().unwrap());
    let (traces, guard) = start();
    tracing::trace!(body = STANDARD.encode(dek.expose_secret()));
    drop(guard);
    assert!(traces.show(&dek), "the control: a key that is traced is found");

    let (traces, guard) = start();
    let connection =
        connection(&kms_endpoint()).with_static_credentials("AKIDTEST", SECRET, Some(TOKEN.into()));
    let config = AwsKmsConfig::shared([key]).with_connection(connection);
    let kms = AwsKmsService::connect(&config).await.unwrap();
    let context = context("acme");
    let wrapped = kms.encrypt_dek(&dek, &context).await.unwrap();
    let made = kms.generate_dek(&context).await.unwrap();
    assert!(kms.decrypt_dek(&wrapped, &context).await.unwrap() == dek);
    kms.rewrap_dek(&wrapped, &context).await.unwrap();
    drop(guard);
    assert!(traces.text().contains("transmitting request"), "something was traced");
    assert!(!traces.show(&dek) && !traces.show(&made.dek));
    for secret in [SECRET, TOKEN] {
        assert!(!traces.text().contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn a_key_that_is_read_does_not_stand_in_the_traces() {
    for binary in ["True", "False"] {
        let name = unique("traced");
        let write = "import os\nk = os.urandom(32)\n\
            v = dict(SecretBinary=k) if sys.argv[4] == 'True' else dict(SecretString=base64.b64encode(k).decode())\n\
            secrets.create_secret(Name=sys.argv[3], **v)\n";
        boto3(write, &[&name, binary]);
        let (traces, guard) = start();
        let store = provider(&name, &secrets_endpoint()).await;
        let id = store.current_key_id().await.unwrap();
        let key = store.get_key(&id).await.unwrap();
        drop(guard);
        assert!(traces.text().contains("transmitting request"), "something was traced");
        assert!(!traces.show(&key) && !traces.text().contains(SECRET));
    }
}
