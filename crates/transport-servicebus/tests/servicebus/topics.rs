//! Topics: sent to by their names, received from by their subscriptions.

use sealmq_queue_core::{Message, Source, Transport, TransportErrorKind as Kind};
use serde_json::json;

use crate::support::{Admin, body, connect, kind, nothing, one, unique};

#[tokio::test]
async fn each_subscription_gets_what_its_rules_say() {
    let (admin, topic, transport) = (Admin::from_env(), unique("topic"), connect());
    admin.put(&format!("/topics/{topic}"), &json!({})).await;
    let urgent = json!({ "rules": [{ "properties": { "priority": "high" } }] });
    admin.put(&format!("/topics/{topic}/subscriptions/all"), &json!({})).await;
    admin.put(&format!("/topics/{topic}/subscriptions/urgent"), &urgent).await;
    let path = |name: &str| format!("{topic}/Subscriptions/{name}");
    let open = async |source: Source| transport.open(&source, Default::default()).await.unwrap();
    let all = open(Source::queue(path("all"))).await;
    let urgent = open(Source::queue(path("urgent"))).await;

    let messages =
        vec![Message::new("calm"), Message::new("now").with_attribute("priority", "high")];
    for result in transport.send(&topic, messages).await {
        result.unwrap();
    }
    for expected in ["calm", "now"] {
        let delivery = one(&*all).await;
        assert_eq!(body(&delivery), expected);
        delivery.receipt.complete().await.unwrap();
    }
    let delivery = one(&*urgent).await;
    assert_eq!(body(&delivery), "now");
    delivery.receipt.dead_letter("Broken", "").await.unwrap();
    nothing(&*urgent).await;
    let dead_letters = open(Source::dead_letter(path("urgent"))).await;
    let dead = one(&*dead_letters).await;
    assert_eq!(dead.receipt.metadata().dead_letter.clone().unwrap().reason.unwrap(), "Broken");
    dead.receipt.complete().await.unwrap();
}

#[tokio::test]
async fn a_topic_cannot_be_received_from() {
    let (admin, topic, transport) = (Admin::from_env(), unique("topic"), connect());
    admin.put(&format!("/topics/{topic}"), &json!({})).await;
    let opened = transport.open(&Source::queue(&topic), Default::default()).await;
    assert_eq!(kind(opened), Some(Kind::InvalidInput { field: "source" }));
}
