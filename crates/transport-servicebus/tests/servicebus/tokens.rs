//! Tokens: put anew before they expire, and when the broker lets them expire early.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sealmq_queue_core::{
    Message, SessionSelector, Transport, TransportError, TransportErrorKind as Kind,
};
use sealmq_transport_servicebus::{
    AccessToken, Credential, ServiceBusConfig, ServiceBusTransport, TokenSource,
};
use serde_json::json;
use tokio::time::sleep;

use crate::support::{Admin, PATIENCE, Queue, config, kind, nothing, one};

/// A source of tokens that the server accepts, and that says of each how long it lives.
struct Source {
    lives: Duration,
    claims_to_live: Duration,
    given: AtomicU32,
}

impl Source {
    fn new(lives: Duration, claims_to_live: Duration) -> Arc<Self> {
        Arc::new(Self { lives, claims_to_live, given: AtomicU32::new(0) })
    }
}

#[async_trait]
impl TokenSource for Source {
    async fn token(&self) -> Result<AccessToken, TransportError> {
        let number = self.given.fetch_add(1, Ordering::SeqCst);
        let now = SystemTime::now();
        let expiry = (now + self.lives).duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let claims = json!({ "exp": expiry, "jti": format!("{}-{number}", std::process::id()) });
        let encoded = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let token = format!("{}.{}.{}", encoded("{}"), encoded(&claims.to_string()), encoded("s"));
        Admin::from_env().post("/accepted-jwts", &json!({ "token": token })).await;
        Ok(AccessToken::new(token, now + self.claims_to_live))
    }
}

struct NoToken;

#[async_trait]
impl TokenSource for NoToken {
    async fn token(&self) -> Result<AccessToken, TransportError> {
        Err(TransportError::new(Kind::Denied, "no token to be had"))
    }
}

/// The settings for the server with another credential.
fn config_as(credential: Credential) -> ServiceBusConfig {
    config().with_credential(credential)
}

/// Holds a session over the life of several tokens: it would be lost with the link.
async fn outlives_tokens(transport: &ServiceBusTransport, queue: &Queue) {
    let named = SessionSelector::Named("one".into());
    let accepted = transport.accept_session(&queue.name, named, PATIENCE, Default::default()).await;
    let holder = accepted.unwrap().unwrap();
    sleep(Duration::from_secs(5)).await;
    let report = transport.send(&queue.name, vec![Message::new("m").with_session_id("one")]).await;
    assert!(report.iter().all(Result::is_ok), "{report:?}");
    one(&*holder).await.receipt.complete().await.unwrap();
    holder.session().unwrap().renew().await.unwrap();
}

#[tokio::test]
async fn a_signed_token_is_put_anew_before_it_expires() {
    let queue = Queue::of_sessions("signed", Duration::from_secs(30)).await;
    let config = config().with_token_lifetime(Duration::from_secs(2));
    outlives_tokens(&ServiceBusTransport::new(config).unwrap(), &queue).await;
}

#[tokio::test]
async fn a_token_of_a_source_is_put_anew_before_it_expires() {
    let queue = Queue::of_sessions("source", Duration::from_secs(30)).await;
    let life = Duration::from_secs(2);
    let source = Source::new(life, life);
    let credential = Credential::token_source(Arc::clone(&source) as Arc<dyn TokenSource>);
    let transport = ServiceBusTransport::new(config_as(credential)).unwrap();
    transport.health().await.unwrap();
    outlives_tokens(&transport, &queue).await;
    assert!(source.given.load(Ordering::SeqCst) >= 4);
}

#[tokio::test]
async fn a_token_that_expires_early_is_put_anew_unseen() {
    let queue = Queue::new("early").await;
    let source = Source::new(Duration::from_secs(1), Duration::from_secs(3600));
    let credential = Credential::token_source(source as Arc<dyn TokenSource>);
    let transport = ServiceBusTransport::new(config_as(credential)).unwrap();
    let receiver = transport.open(&queue.source(), Default::default()).await.unwrap();
    for number in 0..3 {
        let message = Message::new(format!("m{number}"));
        let sent = transport.send(&queue.name, vec![message]).await.remove(0);
        sent.unwrap_or_else(|failure| panic!("{:?}", failure.error));
        let delivery = one(&*receiver).await;
        sleep(Duration::from_millis(1300)).await; // the links are detached meanwhile
        delivery.receipt.complete().await.unwrap();
    }
    nothing(&*receiver).await;
}

#[tokio::test]
async fn without_a_token_everything_is_denied() {
    let queue = Queue::new("no-token").await;
    let credential = Credential::token_source(Arc::new(NoToken));
    let transport = ServiceBusTransport::new(config_as(credential)).unwrap();
    assert_eq!(kind(transport.health().await), Some(Kind::Denied));
    let opened = transport.open(&queue.source(), Default::default()).await;
    assert_eq!(kind(opened), Some(Kind::Denied));
}

#[tokio::test]
async fn a_signature_somebody_else_made_works_until_it_expires() {
    let queue = Queue::new("signature").await;
    let signature = |lifetime| sign(&format!("sb://any/{}", queue.name), lifetime);
    let connect = |lifetime| {
        let credential = Credential::shared_access_signature(signature(lifetime));
        ServiceBusTransport::new(config_as(credential)).unwrap()
    };
    let send = async |transport: &ServiceBusTransport| {
        let sent = transport.send(&queue.name, vec![Message::new("m")]).await.remove(0);
        sent.map_err(|failure| failure.error)
    };
    let transport = connect(Duration::from_secs(2));
    send(&transport).await.unwrap();
    sleep(Duration::from_millis(2500)).await;
    assert_eq!(kind(send(&transport).await), Some(Kind::Denied));
    let other = Queue::new("other").await;
    let transport = connect(Duration::from_secs(60));
    send(&transport).await.unwrap();
    let elsewhere = transport.send(&other.name, vec![Message::new("m")]).await.remove(0);
    assert_eq!(elsewhere.unwrap_err().error.kind(), &Kind::Denied, "it is for one queue");
}

fn sign(resource: &str, lifetime: Duration) -> String {
    use aws_lc_rs::hmac;
    let escaped = |text: &str| {
        text.replace('/', "%2F").replace(':', "%3A").replace('+', "%2B").replace('=', "%3D")
    };
    let expires_at = SystemTime::now() + lifetime;
    let expiry = expires_at.duration_since(UNIX_EPOCH).unwrap().as_secs();
    let resource = escaped(resource);
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"SAS_KEY_VALUE");
    let signature = hmac::sign(&key, format!("{resource}\n{expiry}").as_bytes());
    let signature = base64::engine::general_purpose::STANDARD.encode(signature.as_ref());
    let signature = escaped(&signature);
    format!(
        "SharedAccessSignature sr={resource}&sig={signature}&se={expiry}\
         &skn=RootManageSharedAccessKey"
    )
}
