//! Dead letters: how they move there, what they say, and how they come back.

use sealmq_queue_core::{
    DeadLetterInfo, Message, ReceiverOptions, Source, Transport, TransportErrorKind,
};
use sealmq_transport_sqs::{SqsConfig, SqsTransport};

use crate::support::proxy::{Answer, Proxy, refused, success};
use crate::support::*;

fn info(reason: &str, description: &str) -> Option<DeadLetterInfo> {
    let (reason, description) = (Some(reason.into()), Some(description.into()));
    Some(DeadLetterInfo { reason, description })
}

#[tokio::test]
async fn a_dead_letter_moves_as_it_is_with_its_reason() {
    let transport = standard().await;
    let queue = queue(&transport, short_locks()).await;
    let receiver = open(&transport, &queue).await;
    let body: Vec<u8> = (0..=255).collect();
    let sent = Message::new(body)
        .with_session_id("s")
        .with_correlation_id("request 17")
        .with_message_type("OrderPlaced")
        .with_attribute("umlaut", "Grüße");
    send(&transport, &queue, vec![sent.clone()]).await;
    let held = one(&*receiver).await;
    held.receipt.dead_letter("AuthenticationFailed", "was changed; siehe „§ 3“").await.unwrap();
    let dead_letters = open_dead_letters(&transport, &queue).await;
    let dead = one(&*dead_letters).await;
    assert_eq!(dead.message, sent);
    let said = dead.receipt.metadata().dead_letter.clone();
    assert_eq!(said, info("AuthenticationFailed", "was changed; siehe „§ 3“"));
    let failed = dead.receipt.dead_letter("Again", "").await.unwrap_err();
    assert_eq!(failed.error.kind(), &TransportErrorKind::InvalidInput { field: "settlement" });
    failed.receipt.complete().await.unwrap();
    nothing(&*dead_letters).await;
    outlast_short_lock().await;
    nothing(&*receiver).await;
}

#[tokio::test]
async fn a_reason_that_sqs_would_refuse_is_made_to_fit() {
    let transport = standard().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open(&transport, &queue).await;
    send(&transport, &queue, numbered(2)).await;
    let first = one(&*receiver).await;
    first.receipt.dead_letter("Bad\u{1}Reason", "ä".repeat(1_000)).await.unwrap();
    let dead_letters = open_dead_letters(&transport, &queue).await;
    let dead = one(&*dead_letters).await.receipt.metadata().dead_letter.clone();
    assert_eq!(dead, info("Bad?Reason", &"ä".repeat(320)));
    one(&*receiver).await.receipt.dead_letter("", "").await.unwrap();
    let dead = one(&*dead_letters).await.receipt.metadata().dead_letter.clone();
    assert_eq!(dead, info("", ""));
}

#[tokio::test]
async fn a_message_received_too_often_is_moved_by_sqs_without_a_reason() {
    let transport = standard().await;
    let queue = queue(&transport, settings().with_max_receive_count(2)).await;
    let receiver = open(&transport, &queue).await;
    let sent = Message::new("poison").with_attribute("tenant", "acme");
    send(&transport, &queue, vec![sent.clone()]).await;
    for _ in 0..2 {
        one(&*receiver).await.receipt.abandon(std::time::Duration::ZERO).await.unwrap();
    }
    nothing(&*receiver).await;
    let dead_letters = open_dead_letters(&transport, &queue).await;
    let dead = one(&*dead_letters).await;
    assert_eq!(dead.message, sent);
    assert_eq!(dead.receipt.metadata().dead_letter, Some(DeadLetterInfo::default()));
}

#[tokio::test]
async fn the_redrive_policy_names_the_dead_letter_queue() {
    let transport = standard().await;
    let elsewhere = unique("elsewhere");
    let config = config_for(&endpoint()).with_dead_letter_suffix("_dead");
    let other = SqsTransport::connect(&config).await.unwrap();
    assert_eq!(other.dead_letter_queue_name("q"), "q_dead");
    other.create_queue(&elsewhere, settings()).await.unwrap(); // policy: elsewhere_dead
    let receiver = open(&transport, &elsewhere).await; // knows it as elsewhere-dlq
    send(&transport, &elsewhere, numbered(1)).await;
    one(&*receiver).await.receipt.dead_letter("Broken", "").await.unwrap();
    let dead_letters = open(&transport, &format!("{elsewhere}_dead")).await;
    assert_eq!(one(&*dead_letters).await.message.body, "message 0");
}

#[tokio::test]
async fn without_a_policy_the_name_says_where_dead_letters_go() {
    let transport = standard().await;
    let queue = queue(&transport, settings().with_max_receive_count(None)).await;
    let receiver = open(&transport, &queue).await;
    send(&transport, &queue, numbered(1)).await;
    one(&*receiver).await.receipt.dead_letter("Broken", "").await.unwrap();
    let dead_letters = open(&transport, &format!("{queue}-dlq")).await;
    assert_eq!(one(&*dead_letters).await.message.body, "message 0");
}

#[tokio::test]
async fn without_its_queue_a_dead_letter_stays_where_it_is() {
    let transport = standard().await;
    let queue = queue(&transport, short_locks()).await;
    let receiver = open(&transport, &queue).await;
    send(&transport, &queue, numbered(1)).await;
    let held = one(&*receiver).await;
    transport.delete_queue(&transport.dead_letter_queue_name(&queue)).await.unwrap();
    let failed = held.receipt.dead_letter("Broken", "").await.unwrap_err();
    assert_eq!(failed.error.kind(), &TransportErrorKind::NotFound);
    assert!(failed.error.to_string().contains("-dlq"), "{}", failed.error);
    assert_eq!(one(&*receiver).await.message.body, "message 0");
}

#[tokio::test]
async fn a_dead_letter_whose_deletion_failed_is_not_copied_twice() {
    let proxy = Proxy::start().await;
    let transport = proxy.transport().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open(&transport, &queue).await;
    send(&transport, &queue, numbered(1)).await;
    let held = one(&*receiver).await;
    proxy.answer("DeleteMessageBatch", Answer::Reset);
    let failed = held.receipt.dead_letter("Broken", "").await.unwrap_err();
    assert!(failed.error.is_retryable());
    failed.receipt.dead_letter("Broken", "").await.unwrap();
    let dead_letters = open_dead_letters(&standard().await, &queue).await;
    one(&*dead_letters).await.receipt.complete().await.unwrap();
    nothing(&*dead_letters).await;
}

#[tokio::test]
async fn redriven_messages_are_as_they_were_sent() {
    let transport = standard().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open(&transport, &queue).await;
    let sent = Message::new("second chance").with_attribute("tenant", "acme");
    send(&transport, &queue, vec![sent.clone()]).await;
    one(&*receiver).await.receipt.dead_letter("Broken", "for now").await.unwrap();
    assert_eq!(transport.redrive(&queue, 10).await.unwrap(), 1);
    let again = one(&*receiver).await;
    assert_eq!(again.message, sent);
    assert_eq!(again.receipt.metadata().dead_letter, None);
    assert_eq!(again.receipt.metadata().delivery_count, 1);
    again.receipt.dead_letter("Again", "").await.unwrap();
    let dead_letters = open_dead_letters(&transport, &queue).await;
    let dead = one(&*dead_letters).await;
    assert_eq!(dead.receipt.metadata().dead_letter, info("Again", ""));
    dead.receipt.complete().await.unwrap();
    assert_eq!(transport.redrive(&queue, 10).await.unwrap(), 0);
}

#[tokio::test]
async fn redrive_moves_as_many_as_it_is_told() {
    let proxy = Proxy::start().await;
    let transport = proxy.transport().await;
    let queue = queue(&transport, settings()).await;
    let dead_letter_queue = transport.dead_letter_queue_name(&queue);
    send(&transport, &dead_letter_queue, numbered(25)).await;
    assert_eq!(transport.redrive(&queue, 0).await.unwrap(), 0);
    let before = proxy.total();
    assert_eq!(transport.redrive(&queue, 12).await.unwrap(), 12);
    assert_eq!(proxy.total() - before, 1 + 1 + 2 * 3, "find, then receive, send, delete");
    assert_eq!(transport.depth(&Source::queue(&queue)).await.unwrap(), 12);
    assert_eq!(transport.depth(&Source::dead_letter(&queue)).await.unwrap(), 13);
    assert_eq!(transport.redrive(&queue, usize::MAX).await.unwrap(), 13);
    assert_eq!(transport.depth(&Source::queue(&queue)).await.unwrap(), 25);
}

#[tokio::test]
async fn a_redrive_that_fails_gives_the_dead_letters_back() {
    let proxy = Proxy::start().await;
    let transport = proxy.transport().await;
    let queue = queue(&transport, settings()).await;
    let dead_letter_queue = transport.dead_letter_queue_name(&queue);
    send(&transport, &dead_letter_queue, numbered(3)).await;
    proxy.answer("SendMessageBatch", refused(403, "RequestThrottled", "slow down"));
    let error = transport.redrive(&queue, 10).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    let dead_letters = open_dead_letters(&transport, &queue).await;
    assert_eq!(exactly(&*dead_letters, 3).await.len(), 3);
}

#[tokio::test]
async fn what_others_sent_is_dead_lettered_and_redriven_as_it_is() {
    let transport = standard().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open(&transport, &queue).await;
    let raw = raw_client();
    let url = url_of(&raw, &queue).await;
    raw.send_message().queue_url(&url).message_body("{\"plain\":1}").send().await.unwrap();
    one(&*receiver).await.receipt.dead_letter("Plaintext", "refused").await.unwrap();
    let dead_letters = open_dead_letters(&transport, &queue).await;
    let dead = one(&*dead_letters).await;
    assert_eq!(dead.message.body, "{\"plain\":1}");
    assert_eq!(dead.receipt.metadata().dead_letter, info("Plaintext", "refused"));
    dead.receipt.abandon(std::time::Duration::ZERO).await.unwrap();
    assert_eq!(transport.redrive(&queue, 1).await.unwrap(), 1);
    let request = raw.receive_message().queue_url(&url).message_attribute_names("All");
    let received = request.send().await.unwrap().messages.unwrap().remove(0);
    assert_eq!(received.body(), Some("{\"plain\":1}"));
    assert_eq!(received.message_attributes, None, "the note is gone");
}

#[tokio::test]
async fn sqs_can_be_asked_to_redrive_by_itself() {
    let proxy = Proxy::start().await;
    let transport = proxy.transport().await;
    let queue = queue(&transport, settings()).await;
    proxy.answer("StartMessageMoveTask", success(r#"{"TaskHandle":"handle-1"}"#));
    assert_eq!(transport.start_redrive(&queue, Some(50)).await.unwrap(), "handle-1");
    let request = proxy.bodies("StartMessageMoveTask").remove(0);
    assert!(request.contains(&format!(r#":{queue}-dlq""#)), "{request}");
    assert!(request.contains(&format!(r#":{queue}""#)), "{request}");
    assert!(request.contains(r#""MaxNumberOfMessagesPerSecond":50"#), "{request}");
}

#[tokio::test]
async fn a_dead_letter_queue_is_not_opened_without_its_queue() {
    let config: SqsConfig = config_for(&endpoint());
    let transport = SqsTransport::connect(&config).await.unwrap();
    let source = Source::dead_letter(unique("missing"));
    assert!(transport.open(&source, ReceiverOptions::default()).await.is_err());
    assert!(transport.redrive(&unique("missing"), 1).await.is_err());
}
