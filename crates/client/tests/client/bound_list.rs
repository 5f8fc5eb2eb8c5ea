//! The list of bound attributes: no edit of it makes the client overlook a changed attribute.

use sealmq_queue_core::Message;

use crate::support::World;
use crate::support::attack::{
    is_refused, rich_message, works_on_plaintext_and_not_on_sealed as attack,
};

const LIST: &str = "sealmq-bound";

/// Replaces the list where there is one.
fn set_list(message: &mut Message, list: &str) {
    if let Some(names) = message.attributes.get_mut(LIST) {
        list.clone_into(names);
    }
}

#[tokio::test(start_paused = true)]
async fn the_list_names_every_attribute_of_the_user_in_order() {
    let world = World::new();
    let message = rich_message().with_attribute("Zone", "1").with_attribute("traceparent", "00-x");
    world.sealing().send(message).await.unwrap();
    assert_eq!(world.the_stored().attributes[LIST], "Zone,amount,currency");
}

#[tokio::test(start_paused = true)]
async fn an_attribute_changed_and_struck_off_the_list_is_refused() {
    attack(|message| {
        message.attributes.insert("amount".into(), "10000".into());
        set_list(message, "currency");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_attribute_removed_and_struck_off_the_list_is_refused() {
    attack(|message| {
        message.attributes.remove("amount");
        set_list(message, "currency");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_attribute_added_to_message_and_list_is_refused() {
    attack(|message| {
        message.attributes.insert("approved".into(), "yes".into());
        set_list(message, "amount,approved,currency");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_attribute_renamed_in_message_and_list_is_refused() {
    attack(|message| {
        message.attributes.remove("amount");
        message.attributes.insert("discount".into(), "10".into());
        set_list(message, "currency,discount");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn attributes_changed_and_the_list_removed_are_refused() {
    attack(|message| {
        message.attributes.insert("amount".into(), "10000".into());
        message.attributes.remove(LIST);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_removed_list_is_refused() {
    is_refused(|message| drop(message.attributes.remove(LIST))).await;
}

#[tokio::test(start_paused = true)]
async fn an_emptied_list_is_refused() {
    is_refused(|message| set_list(message, "")).await;
}

#[tokio::test(start_paused = true)]
async fn a_name_struck_off_the_list_is_refused() {
    is_refused(|message| set_list(message, "amount")).await;
}

#[tokio::test(start_paused = true)]
async fn a_name_on_the_list_twice_is_refused() {
    is_refused(|message| set_list(message, "amount,amount,currency")).await;
}

#[tokio::test(start_paused = true)]
async fn a_name_on_the_list_without_an_attribute_is_refused() {
    is_refused(|message| set_list(message, "amount,approved,currency")).await;
}

#[tokio::test(start_paused = true)]
async fn a_list_in_another_order_is_refused() {
    is_refused(|message| set_list(message, "currency,amount")).await;
}

#[tokio::test(start_paused = true)]
async fn a_list_with_an_empty_name_is_refused() {
    is_refused(|message| set_list(message, "amount,,currency")).await;
    is_refused(|message| set_list(message, "amount,currency,")).await;
    is_refused(|message| set_list(message, ",amount,currency")).await;
}

#[tokio::test(start_paused = true)]
async fn a_list_that_names_itself_is_refused() {
    is_refused(|message| set_list(message, "amount,currency,sealmq-bound")).await;
}

#[tokio::test(start_paused = true)]
async fn a_list_added_to_a_message_without_attributes_is_refused() {
    for list in ["", ",", "amount", "sealmq-bound"] {
        let world = World::new();
        let client = world.sealing();
        client.send(Message::new("bare")).await.unwrap();
        world.tamper(|message| drop(message.attributes.insert(LIST.into(), list.into()))).await;
        let rejected = crate::support::next_rejected(&client).await;
        assert_eq!(rejected.error.code(), "authentication_failed", "{list:?}");
    }
}
