//! Attributes that brokers, SDKs and bridges add on the way: they break nothing and prove nothing.

use sealmq_queue_core::Message;

use crate::support::attack::rich_message;
use crate::support::{World, next_opened};

#[tokio::test(start_paused = true)]
async fn attributes_added_on_the_way_are_shown_apart() {
    let world = World::new();
    let client = world.sealing();
    client.send(rich_message()).await.unwrap();
    let added = [
        ("Diagnostic-Id", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("tracestate", "vendor=1"),
        ("x-bridge-hop", "2"),
        ("sealmq-unknown", "from a later version"),
    ];
    world
        .tamper(|message| {
            for (name, value) in added {
                message.attributes.insert(name.into(), value.into());
            }
        })
        .await;
    let received = next_opened(&client).await.message;
    assert_eq!(received.message, rich_message(), "what is authentic is what was sent");
    let others: Vec<_> = received.unauthenticated_attributes.into_iter().collect();
    let mut expected = added.map(|(name, value)| (name.to_owned(), value.to_owned()));
    expected.sort();
    assert_eq!(others, expected);
}

#[tokio::test(start_paused = true)]
async fn an_added_attribute_does_not_replace_a_bound_one_of_another_case() {
    let world = World::new();
    let client = world.sealing();
    client.send(rich_message()).await.unwrap();
    world.tamper(|message| drop(message.attributes.insert("Amount".into(), "10000".into()))).await;
    let received = next_opened(&client).await.message;
    assert_eq!(received.message.attributes["amount"], "10");
    assert!(!received.message.attributes.contains_key("Amount"));
    assert_eq!(received.unauthenticated_attributes["Amount"], "10000");
}

/// Intermediaries may rewrite these, so a sender's own are not bound either.
#[tokio::test(start_paused = true)]
async fn trace_headers_of_the_sender_may_be_rewritten_on_the_way() {
    let world = World::new();
    let client = world.sealing();
    let names = ["traceparent", "tracestate", "baggage", "Diagnostic-Id"];
    let with_headers = |value: &str| {
        let headers = names.map(|name| (name.to_owned(), value.to_owned()));
        let mut message = Message::new("body").with_attribute("region", "eu-1");
        message.attributes.extend(headers);
        message
    };
    client.send(with_headers("by the sender")).await.unwrap();
    assert_eq!(world.the_stored().attributes["sealmq-bound"], "region");
    world
        .tamper(|message| {
            for name in names {
                message.attributes.insert(name.into(), "rewritten".into());
            }
        })
        .await;
    let received = next_opened(&client).await.message;
    assert_eq!(received.message.attributes.into_keys().collect::<Vec<_>>(), ["region"]);
    assert_eq!(received.unauthenticated_attributes.len(), names.len());
    assert!(received.unauthenticated_attributes.values().all(|value| value == "rewritten"));
}

/// Without a seal nothing is authentic, and nothing is called so.
#[tokio::test(start_paused = true)]
async fn a_plaintext_says_that_it_is_not_authentic() {
    let world = World::new();
    let client = world.plain();
    client.send(rich_message()).await.unwrap();
    let received = next_opened(&client).await.message;
    assert!(!received.is_encrypted());
    assert_eq!((received.key_id(), received.encrypted_at()), (None, None));
    assert_eq!(received.message, rich_message());
}
