//! Secrets stay where they belong: no key and no body in a log, an error, a debug output, a metric.

use std::sync::Arc;

use sealmq_client::HandlerError;
use sealmq_crypto_core::format::armour;
use sealmq_crypto_core::{EncryptionKey, KeyErrorKind};
use sealmq_keys_local::{MemoryKeyring, MemoryKms};
use sealmq_queue_core::{Bytes, Message};

use crate::processor_concurrency::options;
use crate::replay::tracking;
use crate::sessions::accept;
use crate::support::attack::rich_message;
use crate::support::{
    CANARY, Call, Events, Fault, FaultyTransport, MINUTE, Metrics, SECOND, SwitchedGuard,
    SwitchedKms, World, key_id, next, next_opened, next_rejected, sealing,
};

/// A key that the test knows.
const SECRET: [u8; 32] = *b"\x83\xdc5\x8e\xe7@\x99\xf2K\xa4\xfdV\xaf\x08a\xba\x13l\xc5\x1ew\xd0)\x82\xdb4\x8d\xe6?\x98\xf1J";

/// Every way in which these bytes are likely to be written down.
fn spellings(secret: &[u8]) -> Vec<String> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let spaced: Vec<String> = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let decimal = format!("{:?}", &secret[..8]);
    let base64 = armour(secret);
    vec![
        hex.to_uppercase(),
        hex[..16].to_owned(),
        spaced[..8].join(" "),
        spaced[..8].join(":"),
        decimal[1..decimal.len() - 1].to_owned(),
        base64.replace('+', "-").replace('/', "_"),
        base64[..16].to_owned(),
        String::from_utf8_lossy(secret).into_owned(),
        secret.escape_ascii().to_string(),
    ]
}

/// Which of the spellings stand in the text.
fn found(text: &str, secrets: &[Vec<u8>]) -> Vec<String> {
    let all = secrets.iter().flat_map(|secret| spellings(secret));
    all.filter(|spelling| text.contains(spelling.as_str())).collect()
}

/// Collects everything that is shown of anything.
#[derive(Default)]
struct Shown(String);

impl Shown {
    fn debug(&mut self, what: &dyn std::fmt::Debug) {
        self.0.push_str(&format!("{what:?}\n{what:#?}\n"));
    }

    /// As they are printed, and as they were given.
    fn events(&mut self, events: &Events) {
        for event in events.all() {
            self.debug(&event);
            event.fields.values().for_each(|value| self.0.push_str(&format!("{value}\n")));
        }
    }

    fn error(&mut self, error: &(dyn std::error::Error + 'static)) {
        self.debug(&error);
        let mut next = Some(error);
        while let Some(error) = next {
            self.0.push_str(&format!("{error}\n"));
            next = error.source();
        }
    }
}

/// A world whose named key is known to the test.
fn world_with_key(secret: &[u8; 32]) -> World {
    let mut world = World::new();
    let key = EncryptionKey::from_slice(secret).unwrap();
    world.keys = MemoryKeyring::with_key(key_id("orders-1"), key);
    world
}

/// Sends, receives, fails and is attacked in every way, and shows all there is to be shown.
async fn busy_scenario(world: &World, kms: &Arc<SwitchedKms>, shown: &mut Shown) {
    let transport = FaultyTransport::new(&world.broker);
    let guard = SwitchedGuard::new(world.clock.clone());
    let with_kms = world.over(transport.clone(), tracking());
    let with_kms = with_kms.with_key_management("main", kms.clone());
    let with_kms = with_kms.with_replay_guard(guard.clone());
    shown.debug(&with_kms);
    let clients = [with_kms.build().unwrap(), world.sealing(), world.plain()];
    for client in &clients {
        shown.debug(client);
        shown.debug(client.config());
        client.send(rich_message()).await.unwrap();
        let received = next(client).await.unwrap();
        shown.debug(&received);
        shown.debug(&received.message);
        shown.debug(&received.receipt);
        received.complete().await.unwrap();
    }
    let [client, named, _] = &clients;

    // Failures on the way out.
    transport.fail(Call::Send, 4, Fault::unreachable());
    let failed = client.send(rich_message()).await.unwrap_err();
    shown.error(&failed);
    let too_large = Message::new(CANARY).with_attribute("sealmq-bound", CANARY);
    shown.error(&client.send(too_large).await.unwrap_err());
    shown.error(&named.for_queue("missing").unwrap().send(rich_message()).await.unwrap_err());

    // Attacks.
    for at in [4, 5, 20, 100] {
        client.send(rich_message()).await.unwrap();
        world
            .tamper(|message| {
                let mut body = message.body.to_vec();
                body[at] ^= 0x80;
                message.body = body.into();
            })
            .await;
        let rejected = next_rejected(client).await;
        shown.debug(&rejected);
        shown.error(&rejected.error);
    }
    client.send(rich_message()).await.unwrap();
    shown.error(&next_rejected(&world.sealing()).await.error); // no such KEK
    client.send(rich_message()).await.unwrap();
    let copied = world.the_stored();
    next_opened(client).await.complete().await.unwrap();
    world.inject(copied).await;
    shown.error(&next_rejected(client).await.error);

    // Outages.
    named.send(rich_message()).await.unwrap();
    guard.set_down(true);
    shown.error(&next_rejected(client).await.error);
    guard.set_down(false);
    let cold = world.keyless(sealing()).with_key_management("main", kms.clone()).build().unwrap();
    client.send(rich_message()).await.unwrap();
    kms.switch.fail(KeyErrorKind::Unavailable);
    tokio::time::sleep(SECOND).await;
    for received in cold.receive(10, SECOND).await.unwrap() {
        shown.error(&received.unwrap_err().error);
    }
    shown.error(&cold.send(rich_message()).await.unwrap_err());
    kms.switch.fail(None);

    // Handlers, dead letters.
    client.send(rich_message()).await.unwrap();
    transport.fail(Call::Abandon, 4, Fault::unreachable());
    let processor = client.process(options(2), |message| async move {
        assert!(message.metadata.delivery_count > 1, "a panic");
        Err(HandlerError::dead_letter("reason", "description"))
    });
    shown.debug(&processor);
    tokio::time::sleep(2 * MINUTE).await;
    shown.debug(&processor.stop(SECOND).await);
    let letters = client.dead_letters().await.unwrap();
    shown.debug(&letters);
    for letter in letters.receive(100, SECOND).await.unwrap() {
        shown.debug(&letter);
    }
}

#[tokio::test(start_paused = true)]
async fn no_key_and_no_body_is_shown_anywhere() {
    let events = Events::record();
    let mut shown = Shown::default();
    let kms = SwitchedKms::new(&MemoryKms::new());
    let ((), metrics) = Metrics::of(async {
        let world = world_with_key(&SECRET);
        busy_scenario(&world, &kms, &mut shown).await;
        let sessions = crate::sessions::world_of_sessions();
        let client = sessions.sealing();
        let held = accept(&client, "a").await;
        held.set_state(Some(CANARY.into())).await.unwrap();
        shown.debug(&held);
        shown.debug(&held.state().await.map(drop));
        shown.debug(&sessions.keys);
        shown.debug(&sessions.broker);
    })
    .await;
    shown.events(&events);
    shown.debug(&metrics);
    assert!(events.all().len() > 30 && shown.0.len() > 20_000, "the scenario was busy");

    let mut secrets = vec![SECRET.to_vec(), CANARY.as_bytes().to_vec()];
    let deks = kms.deks();
    assert!(!deks.is_empty());
    secrets.extend(deks);
    assert_eq!(found(&shown.0, &secrets), Vec::<String>::new());
}

/// The control: the search finds a key in every spelling, and a body, once they are let out.
#[tokio::test(start_paused = true)]
async fn what_is_let_out_is_found() {
    let leaks: Vec<Box<dyn Fn()>> = spellings(&SECRET)
        .into_iter()
        .map(|key| Box::new(move || tracing::trace!(key, "a leak")) as Box<dyn Fn()>)
        .chain([
            Box::new(|| tracing::trace!(key = ?SECRET, "a leak")) as Box<dyn Fn()>,
            Box::new(|| tracing::trace!(key = %armour(&SECRET), "a leak")),
            Box::new(|| tracing::trace!(body = ?Bytes::from(CANARY), "a leak")),
            Box::new(|| tracing::trace!(body = ?CANARY.as_bytes(), "a leak")),
        ])
        .collect();
    for leak in leaks {
        let events = Events::record();
        leak();
        let mut shown = Shown::default();
        shown.events(&events);
        let secrets = [SECRET.to_vec(), CANARY.as_bytes().to_vec()];
        assert!(!found(&shown.0, &secrets).is_empty(), "{}", shown.0);
    }
}
