//! Metadata that was changed on the broker: the message does not open, and nothing of it is released.

use sealmq_queue_core::Message;

use crate::support::attack::{rich_message, works_on_plaintext_and_not_on_sealed as attack};
use crate::support::{World, next_opened, next_rejected, sealing};

#[tokio::test(start_paused = true)]
async fn a_changed_message_id_is_refused() {
    attack(|message| message.id = "payment-0002".into()).await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_session_id_is_refused() {
    attack(|message| message.session_id = Some("customer-43".into())).await;
}

#[tokio::test(start_paused = true)]
async fn a_removed_session_id_is_refused() {
    attack(|message| message.session_id = None).await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_correlation_id_is_refused() {
    attack(|message| message.correlation_id = Some("request-8".into())).await;
}

#[tokio::test(start_paused = true)]
async fn a_removed_correlation_id_is_refused() {
    attack(|message| message.correlation_id = None).await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_reply_to_is_refused() {
    attack(|message| message.reply_to = Some("attackers-queue".into())).await;
}

#[tokio::test(start_paused = true)]
async fn a_removed_reply_to_is_refused() {
    attack(|message| message.reply_to = None).await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_message_type_is_refused() {
    attack(|message| message.message_type = Some("payment.approved".into())).await;
}

#[tokio::test(start_paused = true)]
async fn a_removed_message_type_is_refused() {
    attack(|message| message.message_type = None).await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_content_type_is_refused() {
    attack(|message| message.content_type = Some("text/html".into())).await;
}

#[tokio::test(start_paused = true)]
async fn a_content_type_that_was_emptied_is_refused() {
    attack(|message| message.content_type = Some(String::new())).await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_attribute_is_refused() {
    attack(|message| drop(message.attributes.insert("amount".into(), "10000".into()))).await;
}

#[tokio::test(start_paused = true)]
async fn a_removed_attribute_is_refused() {
    attack(|message| drop(message.attributes.remove("amount"))).await;
}

#[tokio::test(start_paused = true)]
async fn values_that_changed_places_are_refused() {
    attack(|message| {
        message.attributes.insert("amount".into(), "EUR".into());
        message.attributes.insert("currency".into(), "10".into());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn fields_that_changed_places_are_refused() {
    attack(|message| std::mem::swap(&mut message.reply_to, &mut message.correlation_id)).await;
}

#[tokio::test(start_paused = true)]
async fn metadata_added_to_a_message_without_any_is_refused() {
    let changes: [fn(&mut Message); 5] = [
        |message| message.session_id = Some("added".into()),
        |message| message.correlation_id = Some("added".into()),
        |message| message.reply_to = Some("added".into()),
        |message| message.message_type = Some("added".into()),
        |message| message.content_type = Some(String::new()),
    ];
    for change in changes {
        let world = World::new();
        let client = world.sealing();
        client.send(Message::new("bare")).await.unwrap();
        world.tamper(change).await;
        next_rejected(&client).await;
        assert_eq!(world.the_dead().1, "authentication_failed");
    }
}

/// The frame of one message in the envelope of another, both authentic on their own.
#[tokio::test(start_paused = true)]
async fn bodies_that_changed_envelopes_are_refused() {
    async fn swapped(world: &World, client: &sealmq_client::QueueClient) {
        let other = Message::with_id("payment-0002", "pay 99 EUR to Bob");
        client.send(rich_message()).await.unwrap();
        client.send(other).await.unwrap();
        let (mut first, mut second) = (world.steal().await, world.steal().await);
        std::mem::swap(&mut first.body, &mut second.body);
        world.inject(first).await;
        world.inject(second).await;
    }
    let world = World::new();
    let plain = world.plain();
    swapped(&world, &plain).await;
    assert_eq!(next_opened(&plain).await.body(), "pay 99 EUR to Bob", "unnoticed without a seal");

    let world = World::new();
    let client = world.sealing();
    swapped(&world, &client).await;
    for _ in 0..2 {
        assert_eq!(next_rejected(&client).await.error.code(), "authentication_failed");
    }
}

/// A frame is bound to where the receiver expects it: nothing of this travels with the message.
#[tokio::test(start_paused = true)]
async fn a_message_moved_to_another_queue_tenant_or_environment_is_refused() {
    let world = World::new();
    world.broker.create_queue("invoices", Default::default()).unwrap();
    let sender = world.with_keys(sealing()).with_tenant("a").with_environment("prod");
    sender.build().unwrap().send(rich_message()).await.unwrap();
    let stolen = world.steal().await;

    let receiver = |tenant: &str, environment: &str| {
        let builder = world.with_keys(sealing()).with_tenant(tenant).with_environment(environment);
        builder.build().unwrap()
    };
    let elsewhere = [
        receiver("a", "prod").for_queue("invoices").unwrap(),
        receiver("b", "prod"),
        receiver("a", "test"),
        world.sealing(),
    ];
    for client in elsewhere {
        world.inject_into(client.queue(), stolen.clone()).await;
        assert_eq!(next_rejected(&client).await.error.code(), "authentication_failed");
    }
    world.inject(stolen.clone()).await;
    assert_eq!(next_opened(&receiver("a", "prod")).await.body(), &rich_message().body);

    // The control: a queue that is bound to the same logical name is the same queue.
    world.inject_into("invoices", stolen).await;
    let renamed = receiver("a", "prod").for_logical_queue("invoices", "orders").unwrap();
    assert_eq!(next_opened(&renamed).await.body(), &rich_message().body);
}
